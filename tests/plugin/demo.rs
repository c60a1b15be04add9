//! The demo, as README.md has people run it: what it shows is true, fits a terminal, and gives no secret away.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use harness::World;

/// The command of README.md, with its output in a pipe.
fn demo() -> Command {
    let mut command = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    // With the plugin of this test, because building one would replace that under the hands of other tests.
    command.args(["run", "--quiet", "--locked", "--example", "demo"]).arg(harness::plugin!());
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    // Cargo told this test of its package. Build scripts of dependencies look at the same names, and would run anew.
    for (name, _) in env::vars_os() {
        if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|own| name.to_string_lossy().starts_with(own)) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn the_demo_plays_its_four_acts_and_loses_and_takes_no_address() {
    let output = demo().output().unwrap();
    let (shown, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{shown}{errors}");

    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let beginning = |words_wanted: &str| {
        let wanted = words(words_wanted);
        shown.lines().any(|line| words(line).starts_with(&wanted))
    };
    for act in ["1. One pod", "2. A node is drained", "3. ECS is down", "4. kill -9", "The ledger"] {
        assert!(beginning(act), "{act}\n{shown}");
    }
    // What each act is there to show.
    for line in [
        "POST /?AccessKeyId=LTAI***0001&Action=AssignPrivateIpAddresses",
        "requests to ECS: 0",
        "one request a pod 30",
        "DEL api-0: exit status 0",
        "DEL api-1: exit status 0",
        "DEL api-2: exit status 0",
        "assigning - - pods job-0",
        "ECS: UnassignPrivateIpAddresses 192.168.0.68 was answered 200",
        "given 66",
        "released 65",
        "on the ENI 1 192.168.0.1 of db-0",
        "lost 0",
        "taken 0",
    ] {
        assert!(beginning(line), "{line}\n{shown}");
    }
    assert!(shown.contains("ServiceUnavailable"), "`list` says why\n{shown}");

    for line in shown.lines() {
        assert!(line.chars().count() <= 100, "too wide: {line}");
        assert!(line.chars().all(|c| !c.is_control()), "not plain: {line:?}");
    }
    let masked = shown.matches("&Signature=***").count();
    assert_eq!((masked, shown.matches("&Signature=").count()), (2, 2), "{shown}");
    for secret in [World::ACCESS_KEY_SECRET, World::ACCESS_KEY_ID] {
        assert!(!shown.contains(secret) && !errors.contains(secret));
    }
}

#[test]
fn the_demo_ends_quietly_when_nobody_reads_on() {
    let mut child = demo().spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("simulated"), "{first}");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
