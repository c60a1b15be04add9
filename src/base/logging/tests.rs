//! What reaches the log, in what form, and what does not matter to a call.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::process::{self, Command};
use std::thread;

use tempfile::TempDir;

use super::line::LONGEST_MESSAGE;
use super::*;
use crate::base::attachment::{Attachment, Pod};

fn logger(level: LevelFilter, dir: &TempDir) -> Logger {
    logger_of(&Settings { level, file: dir.path().join("log"), format: Format::Text }, dir)
}

fn logger_of(settings: &Settings, dir: &TempDir) -> Logger {
    let sockets = ["journal", "syslog"].map(|name| dir.path().join(name));
    Logger(Mutex::new(Some(Outlets::new(settings, sockets))))
}

fn to(file: &str, dir: &TempDir) -> Logger {
    logger_of(&Settings { level: LevelFilter::Info, file: file.into(), format: Format::Text }, dir)
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

fn of_pod(container: &str, pod: &str) -> Context {
    let attachment = Attachment { container_id: container.to_owned(), ifname: "eth0".to_owned() };
    let pod = Pod { namespace: "default".to_owned(), name: pod.to_owned(), ..Pod::default() };
    Context::of_attachment("DEL", "pods", &attachment, Some(&pod))
}

/// A pod that nobody can make by Kubernetes, and that tries to write lines and fields of its own.
const HOSTILE: &str = "default/a\" b=1 pod=x\n2026-01-01T00:00:00Z INFO 1 forged pod=y\u{1b}[2K\u{202e}\\";

fn hostile_event() -> Event {
    let owner = Attachment { container_id: "c2".to_owned(), ifname: "eth0".to_owned() };
    let (namespace, name) = HOSTILE.split_once('/').unwrap();
    let pod = Pod { namespace: namespace.to_owned(), name: name.to_owned(), ..Pod::default() };
    Event::new("deferred")
        .of(&owner, Some(&pod), "pods")
        .addresses(["192.168.0.7", "192.168.0.8"].map(|it| it.parse().unwrap()))
        .eni(&crate::base::eni::EniId::try_from("eni-1".to_owned()).unwrap())
        .request(Some("5D-1"))
        .attempt(2)
        .took(Duration::from_millis(1500))
        .error("it \"failed\"")
}

fn log_event(logger: &Logger, level: Level, event: &Event) {
    let record = Record::builder()
        .level(level)
        .target(OWN_TARGET)
        .args(format_args!("deferred"))
        .key_values(event)
        .build();
    logger.log(&record);
}

#[test]
fn no_name_can_forge_a_line_or_a_field() {
    let dir = TempDir::new().unwrap();
    let logger = logger(LevelFilter::Info, &dir);
    logger.lock().as_mut().unwrap().context = of_pod("c1", "web-0");
    log_event(&logger, Level::Info, &hostile_event());
    log(&logger, Level::Info, "pod=x ECS said pod=y params=1 requestId=z");
    let lines = lines(&dir);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let fields = concat!(
        r#" DEL c1/eth0: deferred pod="default/a\" b=1 pod=x\n2026-01-01T00:00:00Z INFO 1 forged pod=y\u{1b}[2K\u{202e}\\""#,
        r#" container=c2 ifname=eth0 addresses=192.168.0.7,192.168.0.8 eni=eni-1 requestId=5D-1 attempt=2 ms=1500"#,
        r#" error="it \"failed\"""#
    );
    assert!(lines[0].ends_with(fields), "{}", lines[0]);
    let said = r" DEL c1/eth0: pod\u{3d}x ECS said pod\u{3d}y params=1 requestId\u{3d}z pod=default/web-0";
    assert!(lines[1].ends_with(said), "{}", lines[1]);
}

#[test]
fn as_json_a_line_has_the_same_fields() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("log");
    let logger = logger_of(&Settings { level: LevelFilter::Info, file, format: Format::Json }, &dir);
    logger.lock().as_mut().unwrap().context = of_pod("c1", "web-0");
    log_event(&logger, Level::Info, &hostile_event());
    log(&logger, Level::Warn, "a\u{9b}\u{202e}\u{e0041}\nb");
    let lines = lines(&dir);
    assert!(!lines[1].contains(['\u{9b}', '\u{202e}', '\u{e0041}']), "{lines:?}");
    let parsed: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut event = parsed[0].clone();
    let time = event.as_object_mut().unwrap().remove("time").unwrap();
    assert!(humantime::parse_rfc3339(time.as_str().unwrap()).is_ok());
    assert_eq!(
        event,
        serde_json::json!({
            "level": "INFO", "pid": process::id(), "verb": "DEL", "message": "deferred", "pod": HOSTILE, "container": "c2",
            "ifname": "eth0", "network": "pods", "addresses": ["192.168.0.7", "192.168.0.8"], "eni": "eni-1",
            "requestId": "5D-1", "attempt": 2, "ms": 1500, "error": "it \"failed\"", "by": "c1/eth0"
        })
    );
    assert_eq!((&parsed[1]["pod"], &parsed[1]["container"]), (&"default/web-0".into(), &"c1".into()));
    assert_eq!(parsed[1]["message"], r"a\u{9b}\u{202e}\u{e0041}\nb");
}

#[test]
fn lines_that_belong_together_are_written_at_once() {
    let dir = TempDir::new().unwrap();
    let logger = logger(LevelFilter::Info, &dir);
    logger.lock().as_mut().unwrap().kept_back = Some(String::new());
    log(&logger, Level::Info, "one");
    log(&logger, Level::Info, "two");
    assert_eq!(lines(&dir), [""; 0]);
    let kept_back = logger.lock().as_mut().unwrap().kept_back.take().unwrap();
    logger.lock().as_mut().unwrap().write_to_file(&kept_back);
    assert_eq!(lines(&dir).len(), 2);
}

#[test]
fn a_line_says_when_how_grave_who_and_what() {
    let dir = TempDir::new().unwrap();
    let logger = logger(LevelFilter::Info, &dir);
    logger.lock().as_mut().unwrap().context = of_pod("c1", "web-0");
    log(&logger, Level::Info, "released");

    let line = lines(&dir).remove(0);
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(humantime::parse_rfc3339(time).is_ok(), "{line}");
    assert_eq!(rest, format!("INFO  {} DEL c1/eth0: released pod=default/web-0", process::id()));
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
    let mut datagram = vec![0; 20_000];
    while let Ok(length) = journal.recv(&mut datagram) {
        received.push(String::from_utf8(datagram[..length].to_vec()).unwrap());
    }
    received
}

/// The entries of a datagram in journald's own protocol.
fn entries(datagram: &[u8]) -> Vec<(String, String)> {
    let (mut rest, mut entries) = (datagram, Vec::new());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b'\n')).unwrap();
        let (name, is_long) = (text(&rest[..end]), rest[end] == b'\n');
        rest = &rest[end + 1..];
        let length = if is_long {
            let (length, after) = rest.split_at(8);
            rest = after;
            usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap()
        } else {
            rest.iter().position(|byte| *byte == b'\n').unwrap()
        };
        entries.push((name, text(&rest[..length])));
        assert_eq!(rest[length], b'\n');
        rest = &rest[length + 1..];
    }
    entries
}

#[test]
fn warnings_and_errors_reach_the_journal_with_their_fields() {
    let dir = TempDir::new().unwrap();
    let received = journal_of(&dir, || {
        let logger = logger(LevelFilter::Info, &dir);
        logger.lock().as_mut().unwrap().context = of_pod("c1", "web-0");
        for level in [Level::Error, Level::Warn, Level::Info] {
            log_event(&logger, level, &hostile_event());
        }
    });
    assert_eq!(received.len(), 2);
    let text = received.iter().map(|datagram| entries(datagram.as_bytes())).collect::<Vec<_>>();
    for (entries, priority) in text.iter().zip(["3", "4"]) {
        let of = |name: &str| {
            let values = entries.iter().filter(|(its, _)| its == name).map(|(_, value)| value.as_str());
            values.collect::<Vec<_>>()
        };
        assert_eq!(of("PRIORITY"), [priority]);
        assert_eq!(of("SYSLOG_IDENTIFIER"), ["aliyun-eni-ipam"]);
        assert_eq!(of("CNI_COMMAND"), ["DEL"]);
        assert_eq!(of("CNI_POD"), [HOSTILE]);
        assert_eq!(of("CNI_CONTAINERID"), ["c2"]);
        assert_eq!(of("CNI_BY"), ["c1/eth0"]);
        assert_eq!(of("ADDRESS"), ["192.168.0.7", "192.168.0.8"]);
        assert_eq!(of("ALIYUN_ENI"), ["eni-1"]);
        let message = of("MESSAGE")[0];
        assert!(message.starts_with("DEL c1/eth0: deferred pod=\"default/"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn without_journald_a_line_goes_where_any_system_takes_it() {
    let dir = TempDir::new().unwrap();
    let syslog = UnixDatagram::bind(dir.path().join("syslog")).unwrap();
    syslog.set_nonblocking(true).unwrap();
    let logger = logger(LevelFilter::Info, &dir);
    for level in [Level::Error, Level::Warn, Level::Info] {
        log(&logger, level, "two\nlines");
    }
    let mut datagram = [0; 1000];
    for priority in [27, 28] {
        let length = syslog.recv(&mut datagram).unwrap();
        let expected = format!("<{priority}>aliyun-eni-ipam[{}]: two\\nlines", process::id());
        assert_eq!(String::from_utf8_lossy(&datagram[..length]), expected);
    }
    assert!(syslog.recv(&mut datagram).is_err());
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
        assert!(received.len() == 1 && received[0].contains("\nPRIORITY=4\n"), "{why}: {received:?}");
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
        log(&to("/dev/null", &dir), Level::Info, "released");
    });
    assert!(received.is_empty(), "{received:?}");
}

#[test]
fn a_context_cannot_forge_a_line_and_leaves_room_for_the_message() {
    let dir = TempDir::new().unwrap();
    let logger = logger(LevelFilter::Info, &dir);
    for container in ["c1\u{1b}[2K\n\u{202e}".to_owned(), "x".repeat(100_000)] {
        logger.lock().as_mut().unwrap().context = of_pod(&container, "web-0");
        log(&logger, Level::Info, "released");
    }
    let lines = lines(&dir);
    assert!(lines[0].contains(r" DEL c1\u{1b}[2K\n\u{202e}/eth0: released"), "{lines:?}");
    assert!(lines[1].len() < LONGEST_MESSAGE && lines[1].contains("x: released"), "{lines:?}");
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

    log(&to("/dev/full", &dir), Level::Error, "onto a full disk");
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
    let settings = |level| Settings { level, file: path.clone(), format: Format::Text };
    start(&settings(LevelFilter::Off));
    context(Context::of_network("CHECK", "pods"));
    start(&settings(LevelFilter::Info));
    log::info!("the real thing");
    start(&settings(LevelFilter::Off));
    let lines = lines(&dir);
    assert!(lines.iter().any(|line| line.ends_with("CHECK pods: the real thing")), "{lines:?}");
}
