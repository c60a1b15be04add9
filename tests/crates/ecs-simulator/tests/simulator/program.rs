//! The program, as people and tests in other languages start it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::client::{DESCRIBE, ENI, request};

const FREE_PORTS: [&str; 4] = ["--api", "127.0.0.1:0", "--metadata", "127.0.0.1:0"];

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-simulator"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A program that runs, and what it has said so far.
struct Running {
    child: Child,
    /// Open, so that the program has somebody to talk to.
    _stdout: BufReader<ChildStdout>,
    welcome: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut welcome = String::new();
        while !welcome.contains("cargo run") {
            assert!(stdout.read_line(&mut welcome).unwrap() > 0, "it ended after {welcome:?}");
        }
        Self { child, _stdout: stdout, welcome }
    }

    /// The URL that the welcome gives after this word.
    fn url(&self, word: &str) -> String {
        let line = self.welcome.lines().find(|line| line.trim_start().starts_with(word)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    }

    fn describe(&self) -> crate::client::Answer {
        crate::client::Client::at(&self.url("ECS API")).call(DESCRIBE, &[])
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_runs_on_without_stdin_until_a_signal_ends_it() {
    for (name, number) in [("-INT", 2), ("-TERM", 15)] {
        let mut running = Running::start(&mut program(&FREE_PORTS));
        // Had it taken the end of stdin for its own, it would not answer.
        assert_eq!(running.describe().status, 200);
        running.signal(name);
        assert_eq!(running.child.wait().unwrap().signal(), Some(number));
    }
}

#[test]
fn it_runs_until_stdin_is_closed_where_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let (ready_file, world_file) = (directory.path().join("ready"), directory.path().join("world.json"));
    fs::write(&world_file, json!({"vswitch_cidr": "10.0.0.0/20"}).to_string()).unwrap();
    let ready = ready_file.to_str().unwrap();
    let world = world_file.to_str().unwrap();
    let options = ["--until-stdin-closes", "--ready-file", ready, "--world", world];
    let mut command = program(&[&FREE_PORTS[..], &options].concat());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();

    while !ready_file.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::yield_now();
    }
    let ready: Value = serde_json::from_str(&fs::read_to_string(&ready_file).unwrap()).unwrap();
    let metadata = ready["metadata_endpoint"].as_str().unwrap();
    assert_eq!(
        request(metadata, "GET", "/latest/meta-data/vswitch-cidr-block", &[], "").text(),
        "10.0.0.0/20"
    );
    let answer = request(ready["endpoint"].as_str().unwrap(), "GET", "/?Format=JSON", &[], "");
    assert_eq!(answer.code(), "MissingParameter");
    assert!(ready["access_key_id"].is_string() && ready["access_key_secret"].is_string());

    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn it_says_what_is_there_and_which_command_comes_next() {
    let running = Running::start(program(&FREE_PORTS).args(["--quota", "4"]));
    for expected in ["ECS API", "metadata", ENI, "room for 3 pods", "conf-examples/simulator.conflist"] {
        assert!(running.welcome.contains(expected), "{expected} in {}", running.welcome);
    }
}

#[test]
fn how_many_addresses_a_request_may_be_about_can_be_said_from_the_start_and_changed_while_it_runs() {
    let running = Running::start(program(&FREE_PORTS).args(["--per-request", "2"]));
    let ask = || {
        let own = [("NetworkInterfaceId", ENI), ("SecondaryPrivateIpAddressCount", "3")];
        crate::client::Client::at(&running.url("ECS API")).call(crate::client::ASSIGN, &own).code()
    };
    assert_eq!(ask(), "InvalidParameter");
    let change = json!({"most_per_request": 0}).to_string();
    assert_eq!(request(&running.url("metadata"), "POST", "/_control/world", &[], &change).status, 200);
    assert_eq!(ask(), "");
}

#[test]
fn a_fault_can_be_on_from_the_start_and_be_changed_while_it_runs() {
    let running = Running::start(program(&FREE_PORTS).args(["--fault", "outage"]));
    let switch =
        |fault: &str| request(&running.url("metadata"), "POST", &format!("/_control/fault/{fault}"), &[], "");
    assert_eq!(running.describe().code(), "ServiceUnavailable");
    assert_eq!(switch("denied").status, 200);
    assert_eq!(running.describe().code(), "Forbidden.RAM");
    assert_eq!(switch("none").status, 200);
    assert_eq!(running.describe().status, 200);
    let mistake = switch("outrage");
    assert_eq!(mistake.status, 400);
    assert!(mistake.text().contains("outage, throttled, denied"), "{}", mistake.text());
}

#[test]
fn help_is_printed_to_stdout_and_names_every_option_and_fault() {
    let output = program(&["--help"]).output().unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    let words = [
        "--api",
        "--metadata",
        "--quota",
        "--per-request",
        "--latency",
        "--fault",
        "--world",
        "--ready-file",
        "--until-stdin-closes",
        "outage",
        "throttled",
        "denied",
        "full",
        "lost-answer",
        "silent",
        "127.0.0.1:18080",
        "127.0.0.1:18081",
        "curl",
    ];
    for word in words {
        assert!(help.contains(word), "{word} in {help}");
    }
    assert!(help.lines().all(|line| line.len() <= 100), "{help}");
}

#[test]
fn a_mistake_is_named_and_help_is_offered() {
    for (arguments, named) in [
        (&["--latncy", "5"][..], "unknown option `--latncy`"),
        (&["-x"], "unknown option `-x`"),
        (&["now"], "unexpected argument `now`"),
        (&["--api"], "`--api` needs a value"),
        (&["--api", "here"], "`--api here`: expected ADDR:PORT"),
        (&["--quota", "many"], "`--quota many`: expected a whole number"),
        (&["--per-request", "-1"], "`--per-request -1`: expected a whole number"),
        (&["--fault", "outrage"], "unknown fault `outrage`"),
        (&["--world", "/nonexistent"], "/nonexistent"),
    ] {
        let output = program(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(named) && said.contains("--help"), "{arguments:?}: {said}");
    }
}

#[test]
fn only_loopback_is_listened_on() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        for option in ["--api", "--metadata"] {
            let output = program(&[option, address]).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{option} {address}");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains(address) && said.contains("only a loopback address"), "{said}");
        }
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = program(&["--api", "127.0.0.1:0", "--metadata", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&address) && said.contains("--metadata"), "{said}");
}
