//! `metricsFile`, written by two calls at the same time.

use std::fs;

use harness::{Need, Node, eventually};

use crate::node;

harness::tests! {
    needs [Need::Strace]: whoever_writes_last_has_seen_the_last_change;
}

fn whoever_writes_last_has_seen_the_last_change() {
    let mut node = node();
    let file = node.directory().join("aliyun_eni_ipam.prom");
    node.set("metricsFile", file.to_str().unwrap());
    let records = || {
        let text = fs::read_to_string(&file).unwrap();
        let samples = text.lines().filter(|line| line.starts_with("aliyun_eni_ipam_records{"));
        samples.map(|sample| sample.rsplit(' ').next().unwrap().parse().unwrap()).collect::<Vec<u64>>()
    };
    let _ = (node.add("c0").address(), node.add("c1").address());
    // The first DEL has counted when the second one begins, and puts its file in place when the second one has.
    let late = ["-f", "-o", "/dev/null", "-e", "inject=fchmod:delay_enter=3000000:when=1"];
    let first = node.call("DEL", "c0").under("strace", &late.map(str::to_owned)).start();
    eventually("the first DEL is about to write", || has_draft(&node));
    node.del("c1").ok();
    assert_eq!(records(), [0; 5]);
    first.wait().ok();
    assert_eq!(records(), [0; 5]);
}

/// Whether there is a file with a hidden name, in which what is to become the metrics file is written.
fn has_draft(node: &Node) -> bool {
    let mut names = fs::read_dir(node.directory()).unwrap().flatten().map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().starts_with('.'))
}
