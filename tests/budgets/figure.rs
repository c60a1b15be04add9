//! What is measured.

/// Something that a call, or the binary, spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// System calls of all threads, from `execve` to the end.
    SystemCalls,
    /// Those that wait for the disk.
    Fsyncs,
    /// Those that open a file, whether it is there or not.
    Opens,
    /// Instructions in user space, with those of the dynamic loader.
    Instructions,
    /// The size of a file.
    Bytes,
}

impl Figure {
    /// What a call spends.
    pub(crate) const OF_CALLS: [Self; 4] = [Self::SystemCalls, Self::Fsyncs, Self::Opens, Self::Instructions];

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SystemCalls => "system-calls",
            Self::Fsyncs => "fsyncs",
            Self::Opens => "opens",
            Self::Instructions => "instructions",
            Self::Bytes => "bytes",
        }
    }

    /// How much of its budget may be left, in percent. Fsyncs and opened files are the same in every run. The others differ
    /// a little from run to run, and more from one C library or compiler to the next.
    pub(crate) fn slack(self) -> u64 {
        match self {
            Self::Fsyncs | Self::Opens => 0,
            Self::SystemCalls | Self::Instructions | Self::Bytes => 15,
        }
    }
}
