//! What `doctor` says of a machine that a test has to make ill: full and read-only disks, and a call that hangs.

use std::time::Duration;

use harness::{Answer, Calling, Effect, Fault, Need, Node, eventually};

use crate::node;

harness::tests! {
    needs [Need::MountNamespaces]:
        a_full_disk_and_a_read_only_one_fail_with_what_to_do,
        a_call_that_outlasts_every_deadline_fails_with_its_process,
        flush_is_not_missed_in_the_hour_after_a_boot;
}

#[track_caller]
fn expect(answer: &Answer, name: &str, status: &str, words: &[&str]) {
    let checks = answer.json()["checks"].as_array().cloned().unwrap();
    let fits = |check: &serde_json::Value| {
        let detail = check["detail"].as_str().unwrap();
        check["name"] == name && check["status"] == status && words.iter().all(|word| detail.contains(word))
    };
    if !checks.iter().any(fits) {
        answer.fail(&format!("{name} to be {status} with {words:?}"));
    }
}

/// Runs it with a small disk in the place of the store, for this call alone.
fn with_disk<'a>(node: &'a Node, calling: Calling<'a>, prepare: &str) -> Answer {
    let script = format!(r#"mount -t tmpfs -o size=8k,mode=700 none "$0" && {prepare} && exec "$@""#);
    let arguments = ["--mount", "sh", "-c", &script, node.store().to_str().unwrap()].map(str::to_owned);
    calling.under("unshare", &arguments).run()
}

fn a_full_disk_and_a_read_only_one_fail_with_what_to_do() {
    let node = node();
    std::fs::create_dir(node.store()).unwrap();
    let doctor = || node.command(&["doctor", "--json"]);
    let full = r#"{ head -c 20000 /dev/zero > "$0/big" 2> /dev/null; true; }"#;
    expect(&with_disk(&node, doctor(), full), "store", "fail", &["No space left", "free some space"]);
    let read_only = r#"mount -o remount,ro "$0""#;
    expect(&with_disk(&node, doctor(), read_only), "store", "fail", &["Read-only", "make it writable"]);
}

fn a_call_that_outlasts_every_deadline_fails_with_its_process() {
    let node = node().with("timeoutSeconds", 60);
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").effect(Effect::Stall));
    let add = node.call("ADD", "c0").start();
    eventually("ECS is asked", || node.cloud.count("AssignPrivateIpAddresses") == 1);
    let doctor = || node.command(&["doctor", "--json"]);
    let pid = format!("process {} (aliyun-eni-ipam)", add.pid());
    expect(&doctor().run(), "locks", "warn", &[&pid, "look again"]);
    // On a machine that has been up for ten years, it has run for nearly as long.
    let late = doctor().up_for(Duration::from_hours(24 * 3650)).run();
    expect(&late, "locks", "fail", &[&pid, &format!("kill -9 {}", add.pid())]);
    add.kill();
}

fn flush_is_not_missed_in_the_hour_after_a_boot() {
    let node = node();
    let _ = node.add("c0").address();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    node.let_time_pass(Duration::from_hours(12));
    node.reboot();
    let doctor = || node.command(&["doctor", "--json"]);
    let young = doctor().up_for(Duration::from_mins(3)).run();
    expect(&young, "flush", "ok", &["before this boot"]);
    let old = doctor().up_for(Duration::from_hours(3)).run();
    expect(&old, "flush", "warn", &["has not run to its end since"]);
}
