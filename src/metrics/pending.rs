//! Lines of those who did not get the lock: each is appended by one write, without a lock, for whoever has it next.
//!
//! There is a file for each of three minutes in turn. Who reads says in the totals how far, and removes a file only when all of it
//! is there and nobody has appended to it for a minute: who has opened it by then is long done. Each file is bounded, so what
//! nobody fetches is lost in the end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::base::clock::Timestamp;

use super::event::Event;
use super::totals::{SLOTS, Totals};

/// No line is appended to a file that is longer.
const MOST_BYTES: u64 = 256 * 1024;

fn path(directory: &Path, slot: usize) -> PathBuf {
    directory.join(format!("pending-{slot}"))
}

/// The file for lines that are appended `later` minutes from now.
fn slot(later: u64) -> usize {
    let minute = Timestamp::now().unix_seconds() / 60 + later;
    usize::try_from(minute % SLOTS as u64).unwrap_or_default()
}

/// Appends what `events` say, or an empty line: it tells whoever has the lock to look again.
pub(super) fn append(directory: &Path, events: &[Event]) -> io::Result<()> {
    let mut lines = events.iter().map(Event::line).collect::<Vec<_>>().join("\n");
    lines.push('\n');
    let mut options = OpenOptions::new();
    let options =
        options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let mut file = options.open(path(directory, slot(0)))?;
    if file.metadata()?.len() > MOST_BYTES {
        return Ok(());
    }
    file.write_all(lines.as_bytes())
}

/// How long each file was when it was fetched.
pub(super) type Seen = [u64; SLOTS];

/// Adds to `totals` what they do not have yet. The caller has the lock.
pub(super) fn fetch(directory: &Path, totals: &mut Totals) -> Seen {
    let mut seen = [0; SLOTS];
    for (slot, seen) in seen.iter_mut().enumerate() {
        // What cannot be read now may be later.
        *seen = fetch_one(directory, slot, totals).unwrap_or(u64::MAX);
    }
    seen
}

fn fetch_one(directory: &Path, number: usize, totals: &mut Totals) -> io::Result<u64> {
    let path = path(directory, number);
    let mut options = OpenOptions::new();
    let mut file = match options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            totals.read[number] = 0;
            return Ok(0);
        }
        file => file?,
    };
    let length = file.metadata()?.len();
    // A shorter one is another file than the one that was read.
    let read = Some(totals.read[number]).filter(|read| *read <= length).unwrap_or_default();
    totals.read[number] = read;
    let is_over = number == slot(1);
    if read == length && is_over {
        fs::remove_file(&path)?;
        totals.read[number] = 0;
        return Ok(0);
    }
    let lines = read_from(&mut file, read)?;
    // The rest of a line that nobody ends any more goes with the file.
    totals.read[number] = if is_over { length } else { read + lines.len() as u64 };
    for line in String::from_utf8_lossy(&lines).lines() {
        if let Some(event) = Event::parse(line) {
            totals.add(event);
        }
    }
    Ok(length)
}

/// What stands behind this place, up to the end of the last line: the rest is being written.
fn read_from(file: &mut File, place: u64) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    file.seek(SeekFrom::Start(place))?;
    file.take(2 * MOST_BYTES).read_to_end(&mut lines)?;
    let end = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    lines.truncate(end);
    Ok(lines)
}

/// Whether somebody has appended something since.
pub(super) fn has_more(directory: &Path, seen: &Seen) -> bool {
    let length = |slot| fs::symlink_metadata(path(directory, slot)).map_or(0, |metadata| metadata.len());
    (0..SLOTS).any(|slot| length(slot) > seen[slot])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn adds(totals: &Totals) -> u64 {
        totals.series.values().map(super::super::histogram::Histogram::count).sum()
    }

    fn add() -> Event {
        Event::call("ADD", None, Duration::from_millis(7))
    }

    #[test]
    fn each_line_is_fetched_once() {
        let directory = tempfile::tempdir().unwrap();
        let mut totals = Totals::default();
        for round in 1..=3 {
            append(directory.path(), &[add(), add()]).unwrap();
            append(directory.path(), &[]).unwrap();
            let seen = fetch(directory.path(), &mut totals);
            assert_eq!(fetch(directory.path(), &mut totals), seen);
            assert!(!has_more(directory.path(), &seen));
            append(directory.path(), &[]).unwrap();
            assert!(has_more(directory.path(), &seen));
            assert_eq!(adds(&totals), 2 * round);
        }
    }

    #[test]
    fn a_line_that_is_not_whole_waits_and_a_damaged_one_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let mut totals = Totals::default();
        let file = path(directory.path(), slot(0));
        fs::write(&file, format!("\0\0\0\nnonsense\n{}\ncall AD", add().line())).unwrap();
        fetch(directory.path(), &mut totals);
        assert_eq!(adds(&totals), 1);
        assert!(
            !has_more(directory.path(), &fetch(directory.path(), &mut totals)),
            "nobody looks again for it"
        );
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text + "D 0 12\n").unwrap();
        fetch(directory.path(), &mut totals);
        assert_eq!(adds(&totals), 2);
    }

    #[test]
    fn a_file_goes_when_all_of_it_is_known_and_its_minute_is_long_over() {
        let directory = tempfile::tempdir().unwrap();
        let mut totals = Totals::default();
        let old = path(directory.path(), slot(1));
        fs::write(&old, format!("{}\n", add().line())).unwrap();
        fetch(directory.path(), &mut totals);
        assert!(old.exists(), "what was read is not in the kept totals yet");
        fetch(directory.path(), &mut totals);
        assert!(!old.exists());
        assert_eq!((adds(&totals), totals.read), (1, [0; SLOTS]));
    }

    #[test]
    fn a_file_that_is_shorter_than_what_was_read_of_it_is_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let mut totals = Totals { read: [9999; SLOTS], ..Totals::default() };
        append(directory.path(), &[add()]).unwrap();
        fetch(directory.path(), &mut totals);
        assert_eq!(adds(&totals), 1);
    }

    #[test]
    fn a_file_that_nobody_fetches_stops_growing() {
        let directory = tempfile::tempdir().unwrap();
        let many: Vec<_> = (0..10_000).map(|_| add()).collect();
        (0..5).for_each(|_| append(directory.path(), &many).unwrap());
        // A minute may have passed in between.
        let most = MOST_BYTES + 200_000;
        for slot in 0..SLOTS {
            assert!(fs::metadata(path(directory.path(), slot)).map_or(0, |it| it.len()) <= most);
        }
    }
}
