//! `metricsFile`: what a monitoring system is told.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use harness::{Effect, Fault, Node};

use crate::node;

const UNASSIGN: &str = "UnassignPrivateIpAddresses";

fn file(node: &Node) -> PathBuf {
    node.directory().join("aliyun_eni_ipam.prom")
}

fn with_metrics() -> Node {
    let mut node = node();
    let path = file(&node);
    node.set("metricsFile", path.to_str().unwrap());
    node
}

/// The value of a sample; `None` where there is none.
#[track_caller]
fn sample(node: &Node, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file(node)).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("aliyun_eni_ipam_{name} ")));
    value.map(|value| value.parse().unwrap())
}

/// The number of records in each state: assigning, active, releasing, quarantined.
#[track_caller]
fn records(node: &Node) -> [u64; 4] {
    ["assigning", "active", "releasing", "quarantined"]
        .map(|state| sample(node, &format!("records{{state=\"{state}\"}}")).unwrap())
}

#[test]
fn every_call_that_changes_something_brings_the_file_up_to_date() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    assert_eq!(records(&node), [0, 1, 0, 0]);
    let _ = node.add("c1").address();
    assert_eq!(records(&node), [0, 2, 0, 0]);
    node.del("c0").ok();
    assert_eq!(records(&node), [0, 1, 0, 0]);
    let mode = fs::metadata(file(&node)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(drafts(&node), [""; 0], "nothing is left beside it");
}

/// STATUS, which counts what ADD and DEL do not.
fn status(node: &Node) {
    let without = ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"];
    without.into_iter().fold(node.call("STATUS", ""), harness::Calling::without).run().ok();
}

#[test]
fn an_add_and_a_del_know_how_many_records_are_active_without_listing_them() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    // What nobody has counted is seen by those who list.
    let stray = |number: usize| node.store().join(format!("active/stray-{number}"));
    (0..5).for_each(|number| fs::write(stray(number), "{").unwrap());
    let _ = node.add("c1").address();
    assert_eq!(records(&node), [0, 2, 0, 0]);
    node.del("c1").ok();
    assert_eq!(records(&node), [0, 1, 0, 0]);
    // As after a kill: whoever counts puts the number right.
    status(&node);
    assert_eq!(records(&node), [0, 6, 0, 0]);
    (0..5).for_each(|number| fs::remove_file(stray(number)).unwrap());
    node.del("c0").ok();
    assert_eq!(records(&node), [0, 5, 0, 0]);
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert_eq!(records(&node), [0; 4]);
}

#[test]
fn the_number_of_active_records_survives_networks_and_calls_without_metrics() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    let without =
        |config: &mut serde_json::Value| drop(config["ipam"].as_object_mut().unwrap().remove("metricsFile"));
    let _ = node.call("ADD", "c1").config(without).run().address();
    let _ = node.call("ADD", "c2").config(without).run().address();
    node.call("DEL", "c1").config(without).run().ok();
    let _ = node.add("c3").address();
    assert_eq!(records(&node), [0, 3, 0, 0]);
    // An earlier version leaves a lock of any length alone, and a new one of none is counted anew.
    fs::write(node.store().join("lock"), "").unwrap();
    node.del("c3").ok();
    assert_eq!(records(&node), [0, 2, 0, 0]);
}

#[test]
fn each_metric_is_explained_once_before_its_samples() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    let text = fs::read_to_string(file(&node)).unwrap();
    let mut explained = Vec::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        if let ["#", "TYPE", name, "gauge"] = words[..] {
            assert!(text.contains(&format!("# HELP {name} ")) && !explained.contains(&name), "{text}");
            explained.push(name);
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next();
            assert_eq!(name, explained.last().copied(), "{text}");
        }
    }
    assert_eq!(explained.len(), 5, "{text}");
}

#[test]
fn failing_releases_and_a_full_eni_can_be_seen() {
    let node = with_metrics();
    let of_eni = |name: &str| sample(&node, &format!("{name}{{eni=\"{}\"}}", Node::ENI));
    let _ = node.add("c0").address();
    node.cloud.inject(
        Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::code("QuotaExceeded.PrivateIpAddress")),
    );
    let _ = node.add("c1").error(112);
    assert_eq!(of_eni("eni_full"), Some(1));
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    assert_eq!(records(&node), [0, 0, 1, 0]);
    assert_eq!(of_eni("release_failures"), Some(1));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let since = of_eni("releases_failing_since_timestamp_seconds").unwrap();
    assert!((now - 3600..=now).contains(&since), "{since}");
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert_eq!(records(&node), [0; 4]);
    assert_eq!((of_eni("release_failures"), of_eni("eni_full")), (Some(0), Some(0)));
    assert_eq!(of_eni("releases_failing_since_timestamp_seconds"), None);
}

#[test]
fn status_and_reconcile_bring_the_file_up_to_date_too() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    fs::remove_file(file(&node)).unwrap();
    status(&node);
    assert_eq!(records(&node), [0, 1, 0, 0]);
    fs::remove_file(file(&node)).unwrap();
    assert_eq!(node.operator(&["reconcile"]).status(), 0);
    assert_eq!(records(&node), [0, 1, 0, 0]);
}

#[test]
fn a_del_without_a_record_does_not_even_write_metrics() {
    let node = with_metrics();
    node.del("c0").ok();
    assert!(!file(&node).exists());
}

#[test]
fn records_are_counted_and_not_read() {
    let node = with_metrics().with("logLevel", "warn");
    let _ = node.add("c0").address();
    fs::write(node.store().join("active/damaged"), "{").unwrap();
    node.del("c0").ok();
    status(&node);
    assert_eq!(records(&node), [0, 1, 0, 0]);
    assert_eq!(node.log(), "");
}

#[test]
fn a_file_that_cannot_be_written_is_a_line_in_the_log_and_no_more() {
    let mut node = with_metrics();
    node.set("metricsFile", node.directory().join("missing/metrics.prom").to_str().unwrap());
    let _ = node.add("c0").address();
    assert!(node.log().contains("missing/metrics.prom"), "{}", node.log());
    node.del("c0").ok();
    // A wrong value keeps no pod from being deleted either.
    let call = node.call("DEL", "c0").config(|config| config["ipam"]["metricsFile"] = 7.into());
    call.run().ok();
}

#[test]
fn a_flush_sweeps_up_what_killed_calls_have_left_and_nothing_else() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    let unique = "0123456789abcdef0123456789abcdef";
    let draft = |name: &str| node.directory().join(name);
    let (old, fresh) =
        (format!(".aliyun_eni_ipam.prom.{unique}"), format!(".aliyun_eni_ipam.prom.f{}", &unique[1..]));
    // Of others: another file's draft, names that only begin like one, a directory, a link.
    let foreign = [
        format!(".node.prom.{unique}"),
        format!(".aliyun_eni_ipam.prom.{unique}0"),
        ".aliyun_eni_ipam.prom.swp".to_owned(),
        format!("aliyun_eni_ipam.prom.{unique}"),
    ];
    let (directory, link) = (
        format!(".aliyun_eni_ipam.prom.d{}", &unique[1..]),
        format!(".aliyun_eni_ipam.prom.e{}", &unique[1..]),
    );
    let long_ago = SystemTime::now() - Duration::from_hours(2);
    for name in foreign.iter().chain([&old, &fresh]) {
        fs::write(draft(name), "").unwrap();
        if *name != fresh {
            File::options().write(true).open(draft(name)).unwrap().set_modified(long_ago).unwrap();
        }
    }
    fs::create_dir(draft(&directory)).unwrap();
    File::open(draft(&directory)).unwrap().set_modified(long_ago).unwrap();
    symlink(&foreign[0], draft(&link)).unwrap();
    let touch = Command::new("touch").args(["-h", "-d", "2020-01-01"]).arg(draft(&link)).status();
    assert!(touch.unwrap().success());

    node.del("c0").ok();
    assert!(draft(&old).exists(), "a DEL has something else to do");
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert!(!draft(&old).exists());
    for name in foreign.iter().chain([&fresh, &directory, &link]) {
        assert!(fs::symlink_metadata(draft(name)).is_ok(), "{name}");
    }
}

/// Files with a hidden name, in which what is to become the file is written.
fn drafts(node: &Node) -> Vec<String> {
    let names = fs::read_dir(node.directory()).unwrap().flatten().map(|it| it.file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with('.')).collect()
}
