//! Who holds a lock, and how many calls are before this one at it, as the kernel lists them.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::base::clock::up_for;
use crate::store::lock::Turnstile;

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) process: u32,
    /// The name of its program.
    pub(crate) name: String,
    /// For how long it has run.
    pub(crate) age: Duration,
}

impl Holder {
    /// Who holds the lock of the file at `path`; `None` where the kernel does not tell.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let (locks, file) = (fs::read_to_string("/proc/locks").ok()?, kernel_name(path)?);
        let (process, _) = locks.lines().filter_map(holder_or_waiter).find(|it| it.1 == file)?;
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let (name, started) = name_and_start(&stat)?;
        let (name, age) = (name.to_owned(), up_for()?.saturating_sub(started));
        Some(Self { process: process.parse().ok()?, name, age })
    }
}

/// The second and the 22nd field of `/proc/PID/stat` (proc(5)): the program's name, in which anything may stand, and when the process
/// was started, in hundredths of a second since the boot.
fn name_and_start(stat: &str) -> Option<(&str, Duration)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let ticks: u64 = after.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some((name, Duration::from_millis(ticks.saturating_mul(10))))
}

/// How many other processes hold the lock or wait before this one. `None` where the kernel does not tell: the file system
/// numbers its files in another way, or they are in another PID namespace.
pub(super) fn calls_before(turnstile: &Turnstile) -> Option<usize> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let (lock, queue) = (kernel_name(&turnstile.lock)?, kernel_name(&turnstile.queue)?);
    count(&locks, &lock, &queue, &std::process::id().to_string())
}

/// Device and inode, as `/proc/locks` has them.
fn kernel_name(path: &Path) -> Option<String> {
    Some(kernel_name_of(&fs::metadata(path).ok()?))
}

fn kernel_name_of(metadata: &Metadata) -> String {
    let (major, minor) = (libc::major(metadata.dev()), libc::minor(metadata.dev()));
    format!("{major:02x}:{minor:02x}:{}", metadata.ino())
}

/// Counts those before `me`: at the lock itself, which is the head of the line, then at the queue.
fn count(locks: &str, lock: &str, queue: &str, me: &str) -> Option<usize> {
    let at = |file| locks.lines().filter_map(holder_or_waiter).filter(move |it| it.1 == file).map(|it| it.0);
    let before: BTreeSet<&str> = at(lock).chain(at(queue)).take_while(|&process| process != me).collect();
    (!before.is_empty()).then_some(before.len())
}

/// The files of which any process holds a lock; `None` where the kernel does not show that `own`, an open file, is one of them.
pub(super) fn locked_files(own: &File) -> Option<LockedFiles> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let is_held = |line: &&str| !line.split_ascii_whitespace().any(|word| word == "->");
    let held = locks.lines().filter(is_held).filter_map(holder_or_waiter);
    let files = LockedFiles(held.map(|(_, file)| file.to_owned()).collect());
    files.0.contains(&kernel_name_of(&own.metadata().ok()?)).then_some(files)
}

/// The number that the kernel gives to the PID namespace in which the machine was booted (`include/linux/proc_ns.h`).
const OF_THE_MACHINE: u64 = 0xEFFF_FFFC;

/// Whether `/proc/locks` shows this process the locks of all others: in a PID namespace of its own, as in a container, the kernel
/// leaves out those of processes outside, and shows no sign of that.
pub(super) fn sees_all_processes() -> bool {
    fs::metadata("/proc/self/ns/pid").is_ok_and(|namespace| namespace.ino() == OF_THE_MACHINE)
}

/// See [`locked_files`].
pub(super) struct LockedFiles(BTreeSet<String>);

impl LockedFiles {
    /// Whether somebody holds a lock of the file at `path`.
    pub(super) fn contains(&self, path: &Path) -> bool {
        kernel_name(path).is_some_and(|file| self.0.contains(&file))
    }
}

/// The process and the file of a line such as `7: -> FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF`. Those who wait follow the
/// holder, in their order.
fn holder_or_waiter(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_ascii_whitespace().skip(1).filter(|&word| word != "->");
    let ["FLOCK", _, _, process, file] =
        [words.next()?, words.next()?, words.next()?, words.next()?, words.next()?]
    else {
        return None;
    };
    Some((process, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "\
1: POSIX  ADVISORY  READ 900 fe:00:11 128 128
2: FLOCK  ADVISORY  WRITE 100 fe:00:11 0 EOF
2: -> FLOCK  ADVISORY  WRITE 101 fe:00:11 0 EOF
3: FLOCK  ADVISORY  WRITE 101 fe:00:12 0 EOF
3: -> FLOCK  ADVISORY  WRITE 102 fe:00:12 0 EOF
3:  -> FLOCK  ADVISORY  WRITE 103 fe:00:12 0 EOF
3:   -> FLOCK  ADVISORY  WRITE 104 fe:00:12 0 EOF
4: FLOCK  ADVISORY  WRITE 800 fe:00:13 0 EOF
";

    fn before(me: &str) -> Option<usize> {
        count(LOCKS, "fe:00:11", "fe:00:12", me)
    }

    #[test]
    fn who_holds_the_lock_or_came_earlier_is_before_one_and_nobody_else() {
        assert_eq!(before("101"), Some(1));
        assert_eq!(before("102"), Some(2));
        assert_eq!(before("103"), Some(3));
        // It has given up its place.
        assert_eq!(before("105"), Some(5));
    }

    #[test]
    fn a_process_is_read_whatever_its_name_has_in_it() {
        let stat = "4711 (a) R (b) S 1 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 0 0";
        assert_eq!(name_and_start(stat), Some(("a) R (b", Duration::from_millis(1_234_560))));
        assert_eq!(name_and_start("4711 (a) S 1"), None);
        assert_eq!(name_and_start(""), None);
    }

    #[test]
    fn no_number_is_made_up_where_the_kernel_shows_no_locks() {
        assert_eq!(count("", "fe:00:11", "fe:00:12", "101"), None);
        assert_eq!(count("some other text\n", "fe:00:11", "fe:00:12", "101"), None);
        assert_eq!(count(LOCKS, "fe:01:11", "fe:01:12", "101"), None);
    }
}
