//! What the store has, and whether somebody serves it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use harness::{Effect, Fault, Node};
use serde_json::Value;

use super::{doctor, expect, lines};
use crate::{eventually, node};

#[test]
fn a_store_that_others_can_get_at_is_said_to_be_one() {
    let node = node();
    let _ = node.add("c0").address();
    fs::set_permissions(node.store(), fs::Permissions::from_mode(0o755)).unwrap();
    expect(&doctor(&node), "store", "warn", &["755"]);
    fs::set_permissions(node.store(), fs::Permissions::from_mode(0o777)).unwrap();
    expect(&doctor(&node), "store", "fail", &["777", "700"]);
}

#[test]
fn records_that_need_a_person_are_counted_and_named() {
    let node = node();
    let _ = node.add("c0").address();
    let path = fs::read_dir(node.store().join("active")).unwrap().next().unwrap().unwrap().path();
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["allocation"]["bootId"] = "another boot".into();
    fs::write(&path, record.to_string()).unwrap();
    expect(&doctor(&node), "records", "warn", &["1 active", "earlier boot"]);
    fs::write(&path, "{").unwrap();
    expect(&doctor(&node), "records", "fail", &[path.to_str().unwrap(), "1 quarantined"]);
}

#[test]
fn a_held_lock_is_named() {
    let node = node();
    let _ = node.add("c0").address();
    let lock = fs::File::open(node.store().join("lock")).unwrap();
    lock.lock().unwrap();
    let answer = doctor(&node);
    expect(&answer, "locks", "warn", &[node.store().join("lock").to_str().unwrap()]);
    // Where the kernel does not tell who holds it, a command is named that may know.
    let who = format!("by process {} (", std::process::id());
    let line = &lines(&answer, "locks")[0];
    assert!(line.contains(&who) || line.contains("fuser"), "{line}");
}

#[test]
fn releases_that_fail_are_told_with_their_reason() {
    let node = node().with("timeoutSeconds", 1);
    for (code, status) in [("ServiceUnavailable", "warn"), ("Forbidden.RAM", "fail")] {
        let _ = node.add("c0").address();
        node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code(code)));
        node.del("c0").ok();
        node.cloud.clear_faults();
        expect(&doctor(&node), "releases", status, &[Node::ENI, code]);
        assert_eq!(node.operator(&["flush"]).status(), 0);
    }
}

#[test]
fn it_says_when_flush_last_ran_and_warns_where_nothing_runs_it() {
    let node = node();
    // A store without records has nothing to flush.
    assert!(lines(&doctor(&node), "flush").is_empty());
    let _ = node.add_pod("c0").address();
    expect(&doctor(&node), "flush", "warn", &["never", "conf-examples/systemd"]);
    assert_eq!(node.operator(&["flush"]).status(), 0);
    expect(&doctor(&node), "flush", "ok", &["last ran to its end at 20"]);
    node.let_time_pass(Duration::from_mins(59));
    expect(&doctor(&node), "flush", "ok", &["last ran"]);
    node.let_time_pass(Duration::from_mins(2));
    expect(&doctor(&node), "flush", "warn", &["has not run to its end since 20", "conf-examples/systemd"]);
}

#[test]
fn a_flush_that_leaves_something_has_run_and_one_without_a_store_makes_none() {
    let node = node();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert!(!node.store().exists());
    let _ = node.add_pod("c0").address();
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("ServiceUnavailable")));
    node.del("c0").ok();
    assert_eq!(node.operator(&["flush"]).status(), 1);
    expect(&doctor(&node), "flush", "ok", &["last ran"]);
}

#[test]
fn a_flush_is_as_old_as_it_is_however_the_clock_was_set_since() {
    let node = node();
    let _ = node.add_pod("c0").address();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    let file = node.store().join("cache/flushed.json");
    let flushed: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    // Written a moment ago, by a clock that was a day ahead: its boot seemed to begin a day later, too.
    let mut ahead = flushed.clone();
    for (from, key) in [(&flushed["at"], "/at"), (&flushed["clock"]["bootBegan"], "/clock/bootBegan")] {
        let moment = humantime::parse_rfc3339(from.as_str().unwrap()).unwrap() + Duration::from_hours(24);
        *ahead.pointer_mut(key).unwrap() = humantime::format_rfc3339_millis(moment).to_string().into();
    }
    fs::write(&file, ahead.to_string()).unwrap();
    expect(&doctor(&node), "flush", "ok", &["last ran"]);
    // When the boot began, two processes do not read to the millisecond.
    let mut early = flushed.clone();
    let began = humantime::parse_rfc3339(flushed["clock"]["bootBegan"].as_str().unwrap()).unwrap();
    let earlier = began - Duration::from_hours(24) - Duration::from_millis(500);
    early["clock"]["bootBegan"] = humantime::format_rfc3339_millis(earlier).to_string().into();
    let at = humantime::parse_rfc3339(flushed["at"].as_str().unwrap()).unwrap() - Duration::from_hours(24);
    early["at"] = humantime::format_rfc3339_millis(at).to_string().into();
    fs::write(&file, early.to_string()).unwrap();
    expect(&doctor(&node), "flush", "ok", &["last ran"]);
    // In an earlier boot nobody knows.
    ahead["clock"]["bootId"] = "another".into();
    ahead["bootId"] = "another".into();
    fs::write(&file, ahead.to_string()).unwrap();
    let flush = lines(&doctor(&node), "flush").join("");
    let expected = ["warn: `flush` last ran at", "ok: `flush` last ran to its end before this boot"];
    assert!(expected.iter().any(|it| flush.starts_with(it)), "{flush}");
}

#[test]
fn adds_that_were_killed_are_counted_and_living_ones_are_not() {
    let node = node().with("timeoutSeconds", 60);
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").effect(Effect::Stall));
    let [living, one, other] = ["c0", "c1", "c2"].map(|it| node.call("ADD", it).start());
    eventually("all ADDs have begun", || node.counts()[0] == 3);
    one.kill();
    other.kill();
    expect(&doctor(&node), "interrupted", "warn", &["2 ADDs were killed", "aliyun-eni-ipam flush"]);
    living.kill();
    // Nothing was changed by looking.
    assert_eq!(node.counts(), [3, 0, 0, 0]);
}

#[test]
fn a_disk_that_is_full_or_read_only_and_a_store_that_is_none_fail() {
    let node = node().with("dataDir", "/proc/store");
    expect(&doctor(&node), "store", "fail", &["/proc"]);
    let node = self::node();
    fs::write(node.store(), "").unwrap();
    let answer = doctor(&node);
    expect(&answer, "store", "fail", &["it is not a directory"]);
    assert!(lines(&answer, "eni")[0].starts_with("warn: not tested"), "{answer:?}");
}

#[test]
fn a_store_below_a_link_is_as_good_as_any() {
    let mut node = node();
    let way = node.directory().join("way");
    std::os::unix::fs::symlink(node.directory(), &way).unwrap();
    node.set("dataDir", way.join("store").to_str().unwrap());
    let _ = node.add_pod("c0").address();
    let answer = doctor(&node);
    expect(&answer, "store", "ok", &["mode 700"]);
    expect(&answer, "pods", "ok", &[]);
}
