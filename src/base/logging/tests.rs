//! What reaches the log, in what form, and what does not matter to a call.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use super::*;

fn logger(level: LevelFilter, dir: &TempDir) -> Logger {
    let (file, journal) = (dir.path().join("log"), dir.path().join("journal"));
    Logger(Mutex::new(Some(Outlets::new(level, Some(&file), &journal))))
}

fn log(logger: &Logger, level: Level, message: &str) {
    log_for(logger, level, OWN_TARGET, message);
}

fn log_for(logger: &Logger, level: Level, target: &str, message: &str) {
    logger.log(&Record::builder().level(level).target(target).args(format_args!("{message}")).build());
}

fn lines(dir: &TempDir) -> Vec<String> {
    let text = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_line_says_when_how_grave_who_and_what() {
    let dir = TempDir::new().unwrap();
    let logger = logger(LevelFilter::Info, &dir);
    logger.lock().as_mut().unwrap().context = "DEL c1/eth0".to_owned();
    log(&logger, Level::Info, "released");

    let line = lines(&dir).remove(0);
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(humantime::parse_rfc3339(time).is_ok(), "{line}");
    assert_eq!(rest, format!("INFO  {} DEL c1/eth0: released", process::id()));
}

#[test]
fn the_file_is_made_for_its_owner_at_the_first_line_and_appended_to() {
    let dir = TempDir::new().unwrap();
    let first = logger(LevelFilter::Info, &dir);
    log(&first, Level::Debug, "too fine");
    assert!(!dir.path().join("log").exists());

    log(&first, Level::Info, "one");
    log(&logger(LevelFilter::Info, &dir), Level::Info, "two");
    assert_eq!(lines(&dir).len(), 2);
    let mode = fs::metadata(dir.path().join("log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn libraries_are_not_logged() {
    let dir = TempDir::new().unwrap();
    let logger = logger(LevelFilter::Trace, &dir);
    for target in ["ureq::run", "rustls", &format!("{OWN_TARGET}_other")] {
        log_for(&logger, Level::Error, target, "https://example.com/?Signature=x");
    }
    assert_eq!(lines(&dir), [""; 0]);
    log_for(&logger, Level::Trace, &format!("{OWN_TARGET}::cni"), "own");
    assert_eq!(lines(&dir).len(), 1);
}

#[test]
fn a_message_cannot_forge_a_line() {
    let dir = TempDir::new().unwrap();
    log(&logger(LevelFilter::Info, &dir), Level::Info, "a\nb\r\t\u{1b}[31m\0é");
    let line = lines(&dir).join("\n");
    assert!(line.ends_with(r" a\nb\r\t\u{1b}[31m\u{0}é"), "{line}");
}

#[test]
fn a_long_message_is_cut() {
    let dir = TempDir::new().unwrap();
    log(&logger(LevelFilter::Info, &dir), Level::Info, &"é".repeat(LONGEST_MESSAGE));
    let length = lines(&dir)[0].len();
    assert!((LONGEST_MESSAGE..LONGEST_MESSAGE + 100).contains(&length), "{length}");
}

#[test]
fn lines_of_concurrent_writers_do_not_mix() {
    let dir = TempDir::new().unwrap();
    thread::scope(|scope| {
        for writer in 'a'..='d' {
            let logger = logger(LevelFilter::Info, &dir);
            let message = writer.to_string().repeat(2000);
            scope.spawn(move || (0..100).for_each(|_| log(&logger, Level::Info, &message)));
        }
    });
    let lines = lines(&dir);
    assert_eq!(lines.len(), 400);
    for line in lines {
        let message = line.rsplit(' ').next().unwrap();
        assert!(message.len() == 2000 && message.bytes().all(|byte| byte == message.as_bytes()[0]));
    }
}

/// What comes in at the journal while `work` is done.
fn journal_of(dir: &TempDir, work: impl FnOnce()) -> Vec<String> {
    let path = dir.path().join("journal");
    let _ = fs::remove_file(&path);
    let journal = UnixDatagram::bind(path).unwrap();
    journal.set_nonblocking(true).unwrap();
    work();
    let mut received = Vec::new();
    let mut datagram = [0; 1000];
    while let Ok(length) = journal.recv(&mut datagram) {
        received.push(String::from_utf8(datagram[..length].to_vec()).unwrap());
    }
    received
}

#[test]
fn warnings_and_errors_reach_the_journal() {
    let dir = TempDir::new().unwrap();
    let received = journal_of(&dir, || {
        let logger = logger(LevelFilter::Info, &dir);
        for level in [Level::Error, Level::Warn, Level::Info] {
            log(&logger, level, "two\nlines");
        }
    });
    let expected =
        [27, 28].map(|priority| format!("<{priority}>aliyun-eni-ipam[{}]: two\\nlines", process::id()));
    assert_eq!(received, expected);
}

#[test]
fn the_journal_says_once_why_a_log_is_not_written() {
    let dir = TempDir::new().unwrap();
    let (path, elsewhere) = (dir.path().join("log"), dir.path().join("elsewhere"));
    let expect = |why: &str| {
        let received = journal_of(&dir, || {
            let logger = logger(LevelFilter::Info, &dir);
            (0..3).for_each(|_| log(&logger, Level::Info, "released"));
        });
        assert!(received.len() == 1 && received[0].starts_with("<28>"), "{why}: {received:?}");
        assert!(received[0].contains(path.to_str().unwrap()) && received[0].contains(why), "{received:?}");
    };
    fs::write(&elsewhere, "").unwrap();
    symlink(&elsewhere, &path).unwrap();
    expect("it is a symbolic link");
    assert_eq!(fs::read(&elsewhere).unwrap(), b"");

    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // One with a reader can be opened.
    let reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    expect("it is not a plain file");
    drop(reader);

    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    if chown(&path, Some(12345), None).is_ok() {
        expect("it belongs to user 12345");
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    fs::remove_file(&path).unwrap();
    assert!(journal_of(&dir, || log(&logger(LevelFilter::Info, &dir), Level::Info, "released")).is_empty());
    assert_eq!(lines(&dir).len(), 1);
}

#[test]
fn a_log_that_goes_to_a_device_is_what_somebody_wanted() {
    let dir = TempDir::new().unwrap();
    let received = journal_of(&dir, || {
        let outlets =
            Outlets::new(LevelFilter::Info, Some(Path::new("/dev/null")), &dir.path().join("journal"));
        log(&Logger(Mutex::new(Some(outlets))), Level::Info, "released");
    });
    assert!(received.is_empty(), "{received:?}");
}

#[test]
fn a_context_cannot_forge_a_line_and_leaves_room_for_the_message() {
    let dir = TempDir::new().unwrap();
    let logger = logger(LevelFilter::Info, &dir);
    let context = |text: &str| line_of(LONGEST_CONTEXT, format_args!("{text}"));
    logger.lock().as_mut().unwrap().context = context("DEL c1/\u{1b}[2K\n\u{202e}");
    log(&logger, Level::Info, "released");
    logger.lock().as_mut().unwrap().context = context(&"x".repeat(100_000));
    log(&logger, Level::Info, "released");
    let lines = lines(&dir);
    assert!(lines[0].ends_with(r" DEL c1/\u{1b}[2K\n\u{202e}: released"), "{lines:?}");
    assert!(lines[1].len() < LONGEST_MESSAGE && lines[1].ends_with("x: released"), "{lines:?}");
}

#[test]
fn a_journal_that_nobody_reads_does_not_hold_the_call_up() {
    let dir = TempDir::new().unwrap();
    let _stuck = UnixDatagram::bind(dir.path().join("journal")).unwrap();
    let logger = logger(LevelFilter::Info, &dir);
    // Far more than the kernel queues for a socket.
    (0..1000).for_each(|_| log(&logger, Level::Warn, "message"));
    assert_eq!(lines(&dir).len(), 1000);
}

#[test]
fn a_log_that_cannot_be_written_is_not_missed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log");
    let elsewhere = dir.path().join("elsewhere");

    symlink(&elsewhere, &path).unwrap();
    log(&logger(LevelFilter::Info, &dir), Level::Error, "through a link");
    assert!(!elsewhere.exists());

    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    log(&logger(LevelFilter::Info, &dir), Level::Error, "into a pipe without a reader");

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    log(&logger(LevelFilter::Info, &dir), Level::Error, "into a directory");

    let full = Outlets::new(LevelFilter::Info, Some(Path::new("/dev/full")), Path::new("/nowhere"));
    log(&Logger(Mutex::new(Some(full))), Level::Error, "onto a full disk");
    let nowhere = Outlets::new(LevelFilter::Info, None, Path::new("/nowhere"));
    log(&Logger(Mutex::new(Some(nowhere))), Level::Error, "to nobody");
    log(&Logger(Mutex::new(None)), Level::Error, "before the start");
}

#[test]
fn an_argument_that_cannot_be_formatted_is_no_panic() {
    struct Broken;
    impl fmt::Display for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    let dir = TempDir::new().unwrap();
    let logger = logger(LevelFilter::Info, &dir);
    logger.log(
        &Record::builder().level(Level::Info).target(OWN_TARGET).args(format_args!("a {Broken} b")).build(),
    );
    assert!(lines(&dir)[0].ends_with(" a "));
}

#[test]
fn the_process_has_one_log_whose_settings_may_change() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log");
    start(LevelFilter::Off, None);
    context("CHECK c1/eth0");
    start(LevelFilter::Info, Some(&path));
    log::info!("the real thing");
    start(LevelFilter::Off, None);
    let lines = lines(&dir);
    assert!(lines.iter().any(|line| line.ends_with("CHECK c1/eth0: the real thing")), "{lines:?}");
}
