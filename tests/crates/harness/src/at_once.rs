//! Many calls at the same moment.
//!
//! To start a process takes longer than most of what it does. So that calls are made at once on a machine with few processors,
//! all of them are started first and wait for their stdin, which is then written to each.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ChildStdin;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Answer, Calling, Node, Running, eventually};

/// A call that has been started and waits for its stdin.
#[derive(Debug)]
pub struct Ready<'a> {
    running: Running<'a>,
    pipe: ChildStdin,
    stdin: Vec<u8>,
    plugin: &'a Path,
}

/// An answer, and how long after the moment of the calls it came.
#[derive(Debug)]
pub struct Timed {
    /// The answer.
    pub answer: Answer,
    /// How long after the moment of the calls.
    pub after: Duration,
}

impl<'a> Ready<'a> {
    pub(crate) fn new(running: Running<'a>, pipe: ChildStdin, stdin: Vec<u8>, plugin: &'a Path) -> Self {
        Self { running, pipe, stdin, plugin }
    }

    /// The process's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Whether the plugin runs and sleeps: nothing but stdin makes it wait at this point.
    fn waits(&self) -> bool {
        let process = format!("/proc/{}", self.running.pid());
        let plugin = self.plugin.canonicalize().ok();
        let is_plugin = plugin.is_some() && fs::read_link(format!("{process}/exe")).ok() == plugin;
        let stat = fs::read_to_string(format!("{process}/stat")).unwrap_or_default();
        is_plugin && stat.rsplit(") ").next().is_some_and(|after_name| after_name.starts_with('S'))
    }

    /// Makes the call.
    ///
    /// # Panics
    /// When the plugin does not read its stdin.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without it is no test")]
    pub fn go(mut self) -> Running<'a> {
        use std::io::Write;
        self.pipe.write_all(&self.stdin).expect("the plugin reads its stdin");
        self.running
    }
}

/// Makes calls at the same moment, does something in the meantime, and waits for all answers; they are in the order of the calls.
///
/// # Panics
/// When the plugin cannot be started, or what is done in the meantime panics.
#[must_use]
#[track_caller]
pub fn at_once_while<'a>(
    calls: impl IntoIterator<Item = Calling<'a>>,
    meanwhile: impl FnOnce(),
) -> Vec<Timed> {
    let ready: Vec<_> = calls.into_iter().map(Calling::ready).collect();
    eventually("all of them wait for their stdin", || ready.iter().all(Ready::waits));
    let start = Instant::now();
    let running: Vec<_> = ready.into_iter().map(Ready::go).collect();
    thread::scope(|scope| {
        let wait = |running: Running<'a>| {
            let answer = running.wait();
            Timed { answer, after: start.elapsed() }
        };
        let waiting: Vec<_> = running.into_iter().map(|it| scope.spawn(move || wait(it))).collect();
        meanwhile();
        let joined = waiting.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|timed| timed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// Makes calls at the same moment and waits for all answers; they are in the order of the calls.
///
/// # Panics
/// When the plugin cannot be started.
#[must_use]
#[track_caller]
pub fn at_once<'a>(calls: impl IntoIterator<Item = Calling<'a>>) -> Vec<Timed> {
    at_once_while(calls, || ())
}

/// Expects that all of them succeeded without a document, as of every verb but ADD.
///
/// # Panics
/// When one of them did not.
#[track_caller]
pub fn all_ok(answers: &[Timed]) {
    for timed in answers {
        timed.answer.ok();
    }
}

/// When the last of them came.
#[must_use]
pub fn last_of(answers: &[Timed]) -> Duration {
    answers.iter().map(|timed| timed.after).max().unwrap_or_default()
}

impl Node {
    /// How many ADDs say that they wait for an address: their intents have a hint.
    #[must_use]
    pub fn waiting_adds(&self) -> usize {
        /// Stands before each hint of an intent.
        const HINT: [u8; 2] = [0x1e, 0];
        let intents = fs::read_dir(self.store().join("assigning")).into_iter().flatten().flatten();
        let content = intents.filter_map(|file| fs::read(file.path()).ok());
        content.filter(|content| content.windows(HINT.len()).any(|bytes| bytes == HINT)).count()
    }

    /// The processes that block on a lock of the ENI: the kernel has them in a line.
    #[must_use]
    pub fn in_line(&self) -> BTreeSet<u32> {
        let files = ["lock", "queue"].map(|name| self.store().join(format!("eni/{}.{name}", Self::ENI)));
        let inodes: Vec<_> =
            files.iter().filter_map(|file| fs::metadata(file).ok()).map(|it| it.ino()).collect();
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        let waiter = |line: &str| {
            // -> FLOCK ADVISORY WRITE process device:inode start end (proc(5))
            let mut words = line.split_whitespace().skip_while(|it| *it != "->").skip(4);
            let (process, file) = (words.next()?.parse().ok()?, words.next()?);
            inodes.contains(&file.rsplit(':').next()?.parse().ok()?).then_some(process)
        };
        locks.lines().filter_map(waiter).collect()
    }

    /// How many releases are recorded.
    #[must_use]
    pub fn pending_releases(&self) -> usize {
        let files = fs::read_dir(self.store().join("releasing")).into_iter().flatten().flatten();
        files.filter(|file| !file.file_name().to_string_lossy().starts_with('.')).count()
    }

    /// How many addresses are in the reserve, by the names of their entries.
    #[must_use]
    pub fn reserved(&self) -> usize {
        let enis = fs::read_dir(self.store().join("reserved")).into_iter().flatten().flatten();
        let names = enis.flat_map(|eni| fs::read_dir(eni.path()).into_iter().flatten().flatten());
        names.filter(|name| !name.file_name().to_string_lossy().starts_with('.')).count()
    }
}
