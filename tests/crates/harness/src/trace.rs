//! What a call asks of the system, counted by `strace`.

use std::fs;
use std::io;
use std::path::PathBuf;

/// The calls that wait for the disk.
const FSYNCS: [&str; 2] = ["fsync", "fdatasync"];

/// The calls that open a file, whether it is there or not.
const OPENS: [&str; 4] = ["open", "openat", "openat2", "creat"];

/// A place for what `strace` reports of one call after the other.
#[derive(Debug)]
pub struct Trace(PathBuf);

/// How many system calls there were, of all threads, from `execve` to the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SystemCalls {
    /// All of them.
    pub all: u64,
    /// Those that wait for the disk.
    pub fsyncs: u64,
    /// Those that open a file, whether it is there or not.
    pub opens: u64,
}

impl Trace {
    /// The report is to be this file.
    #[must_use]
    pub fn to(report: impl Into<PathBuf>) -> Self {
        Self(report.into())
    }

    /// What a call is put [under](crate::Calling::under).
    #[must_use]
    pub fn tracer(&self) -> (&'static str, [String; 6]) {
        let report = self.0.display().to_string();
        ("strace", ["-f", "-qq", "-e", "signal=none", "-o", &report].map(str::to_owned))
    }

    /// What the last call has asked of the system.
    ///
    /// # Errors
    /// When nothing was traced.
    pub fn counts(&self) -> io::Result<SystemCalls> {
        Ok(SystemCalls::of(&fs::read_to_string(&self.0)?))
    }
}

impl SystemCalls {
    fn of(trace: &str) -> Self {
        let mut counts = Self::default();
        // A thread and a call. What goes on with a call that another thread's has interrupted in the trace is in angle brackets.
        let calls = trace.lines().filter_map(|line| line.split_once(' ')?.1.trim_start().split_once('('));
        for (name, _) in calls.filter(|(name, _)| !name.starts_with('<')) {
            counts.all += 1;
            counts.fsyncs += u64::from(FSYNCS.contains(&name));
            counts.opens += u64::from(OPENS.contains(&name));
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_another_interrupts_counts_once() {
        let trace = "\
            12 openat(AT_FDCWD, \"/a\", O_RDONLY) = 3\n\
            12 fsync(3 <unfinished ...>\n\
            13 read(4, \"(\", 1) = 1\n\
            12 <... fsync resumed>) = 0\n\
            12 +++ exited with 0 +++\n";
        assert_eq!(SystemCalls::of(trace), SystemCalls { all: 3, fsyncs: 1, opens: 1 });
    }
}
