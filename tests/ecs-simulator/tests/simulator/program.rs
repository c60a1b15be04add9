//! The program, as tests in other languages start it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::request;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-simulator"));
    command.args(arguments).stdin(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn wait_for(ready_file: &Path, child: &mut Child) -> Value {
    let start = Instant::now();
    loop {
        if let Ok(text) = fs::read_to_string(ready_file) {
            return serde_json::from_str(&text).unwrap();
        }
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        assert!(start.elapsed() < Duration::from_mins(1), "it never was ready");
        std::thread::yield_now();
    }
}

#[test]
fn it_runs_until_stdin_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let (ready_file, world_file) = (directory.path().join("ready"), directory.path().join("world.json"));
    fs::write(&world_file, json!({"vswitch_cidr": "10.0.0.0/20"}).to_string()).unwrap();
    let ready = ready_file.to_str().unwrap();
    let world = world_file.to_str().unwrap();
    let mut child =
        program(&["--ready-file", ready, "--world", world, "--api", "127.0.0.1:0"]).spawn().unwrap();

    let ready = wait_for(&ready_file, &mut child);
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
fn it_explains_its_usage() {
    for arguments in [&["--api"][..], &["--api", "here"], &["--help"], &["--world", "/nonexistent"]] {
        let output = program(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage:"), "{arguments:?}");
    }
}
