//! `metricsFile`, written by two calls at the same time, of which something happens to one.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use harness::{Need, Node, Running, eventually};

use crate::node;

harness::tests! {
    needs [Need::Strace]:
        whoever_writes_last_has_seen_the_last_change,
        whoever_is_stopped_while_writing_delays_nobody_and_loses_nothing,
        a_call_that_is_killed_while_writing_leaves_the_metrics_to_the_next,
        totals_that_cannot_be_kept_are_not_shown_and_the_gauges_are;
}

fn with_pods(pods: &[&str]) -> Node {
    let mut node = node();
    let file = file(&node);
    node.set("metricsFile", file.to_str().unwrap());
    for pod in pods {
        let _ = node.add(pod).address();
    }
    node
}

fn file(node: &Node) -> PathBuf {
    node.directory().join("aliyun_eni_ipam.prom")
}

/// The number of records in each state.
fn records(node: &Node) -> Vec<u64> {
    let text = fs::read_to_string(file(node)).unwrap();
    let samples = text.lines().filter(|line| line.starts_with("aliyun_eni_ipam_records{"));
    samples.map(|sample| sample.rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

/// How many DELs have succeeded.
fn dels(node: &Node) -> u64 {
    let text = fs::read_to_string(file(node)).unwrap();
    let count = "aliyun_eni_ipam_call_duration_seconds_count{verb=\"DEL\",result=\"ok\"} ";
    text.lines().find_map(|line| line.strip_prefix(count)).unwrap().parse().unwrap()
}

/// A DEL that has gathered its numbers, and to which something happens before it puts its file in place.
fn del_with<'n>(node: &'n Node, pod: &str, happens: &str) -> Running<'n> {
    let injection = format!("inject=fchmod:{happens}:when=1");
    let arguments = ["-f", "-o", "/dev/null", "-e", &injection].map(str::to_owned);
    let running = node.call("DEL", pod).under("strace", &arguments).start();
    eventually("the DEL is about to write", || has_draft(node));
    running
}

fn whoever_writes_last_has_seen_the_last_change() {
    let node = with_pods(&["c0", "c1"]);
    let first = del_with(&node, "c0", "delay_enter=3000000");
    // It leaves a line, and the first one looks for it.
    node.del("c1").ok();
    first.wait().ok();
    assert_eq!((records(&node), dels(&node)), (vec![0; 5], 2));
}

fn whoever_is_stopped_while_writing_delays_nobody_and_loses_nothing() {
    let node = with_pods(&["c0", "c1"]);
    let mut first = del_with(&node, "c0", "signal=SIGSTOP");
    node.del("c1").ok();
    let _ = node.add("c2").address();
    assert!(first.is_running());
    // strace has one child, the plugin.
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", first.pid())).unwrap();
    let status = Command::new("kill").arg("-CONT").args(children.split_whitespace()).status();
    assert!(status.unwrap().success());
    first.wait().ok();
    assert_eq!((records(&node), dels(&node)), (vec![0, 0, 1, 0, 0], 2));
}

fn a_call_that_is_killed_while_writing_leaves_the_metrics_to_the_next() {
    let node = with_pods(&["c0", "c1"]);
    let killed = del_with(&node, "c0", "signal=SIGKILL").wait();
    assert_ne!(killed.status(), 0);
    node.del("c1").ok();
    // What it had to add was in the totals already.
    assert_eq!((records(&node), dels(&node)), (vec![0; 5], 2));
}

fn totals_that_cannot_be_kept_are_not_shown_and_the_gauges_are() {
    let node = with_pods(&["c0", "c1"]);
    let totals = node.store().join("metrics/totals.new").display().to_string();
    let arguments = ["-f", "-o", "/dev/null", "-P", &totals, "-e", "inject=?open,openat:error=ENOSPC"];
    node.call("DEL", "c0").under("strace", &arguments.map(str::to_owned)).run().ok();
    assert_eq!((records(&node), dels(&node)), (vec![0, 0, 1, 0, 0], 0), "{}", node.log());
    assert!(node.log().contains("the metrics do not count this call"), "{}", node.log());
    node.del("c1").ok();
    assert_eq!((records(&node), dels(&node)), (vec![0; 5], 1));
}

/// Whether there is a file with a hidden name, in which what is to become the metrics file is written.
fn has_draft(node: &Node) -> bool {
    let mut names = fs::read_dir(node.directory()).unwrap().flatten().map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().starts_with('.'))
}
