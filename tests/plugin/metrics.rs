//! `metricsFile`: what a monitoring system is told.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use harness::{Effect, Fault, HANGS, Node, World, at_once_while};

use crate::{node, node_in};

const ASSIGN: &str = "AssignPrivateIpAddresses";
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
        if let ["#", "TYPE", name, "gauge" | "counter" | "histogram"] = words[..] {
            let known = explained.iter().any(|(it, _)| *it == name);
            assert!(text.contains(&format!("# HELP {name} ")) && !known, "{text}");
            explained.push((name, words[3]));
        } else if !line.starts_with('#') {
            let (name, kind) = *explained.last().unwrap();
            let suffix = line.split(['{', ' ']).next().unwrap().strip_prefix(name).unwrap();
            let expected: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(expected.contains(&suffix), "{line}\n{text}");
        }
    }
    assert_eq!(explained.len(), 15, "{text}");
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

/// How many calls of a verb the file has counted, by whether they succeeded.
#[track_caller]
fn calls(node: &Node, verb: &str) -> [u64; 2] {
    ["ok", "error"].map(|result| {
        let name = format!("call_duration_seconds_count{{verb=\"{verb}\",result=\"{result}\"}}");
        sample(node, &name).unwrap_or_default()
    })
}

/// How many requests of an action ended so.
#[track_caller]
fn requests(node: &Node, action: &str, result: &str) -> Option<u64> {
    sample(node, &format!("ecs_requests_total{{action=\"{action}\",result=\"{result}\"}}"))
}

#[test]
fn calls_are_counted_by_verb_and_code_and_requests_by_action_and_class() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    assert_eq!((calls(&node, "ADD"), calls(&node, "DEL")), ([1, 0], [0, 0]), "there from the beginning");
    assert_eq!(requests(&node, ASSIGN, "ok"), Some(1));
    assert_eq!(requests(&node, ASSIGN, "throttled"), Some(0), "there as soon as the action is");
    assert_eq!(requests(&node, UNASSIGN, "ok"), None);
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::code("QuotaExceeded.PrivateIpAddress")));
    let _ = node.add("c1").error(112);
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::code("Throttling.User")));
    node.del("c0").ok();
    status(&node);
    assert_eq!((calls(&node, "ADD"), calls(&node, "DEL"), calls(&node, "STATUS")), ([1, 1], [1, 0], [1, 0]));
    assert_eq!(sample(&node, "call_errors_total{verb=\"ADD\",code=\"112\"}"), Some(1));
    assert_eq!((requests(&node, ASSIGN, "ok"), requests(&node, ASSIGN, "full")), (Some(1), Some(1)));
    assert_eq!(requests(&node, UNASSIGN, "throttled"), Some(1));
    let of_cloud = node.cloud.count(ASSIGN) as u64;
    let of_file = sample(&node, &format!("ecs_request_duration_seconds_count{{action=\"{ASSIGN}\"}}"));
    assert_eq!(of_file, Some(of_cloud));
}

#[test]
fn a_call_is_counted_in_the_bucket_of_its_duration() {
    let node = with_metrics();
    node.cloud.set_latency(Duration::from_millis(600));
    let _ = node.add("c0").address();
    let bucket = |name: &str, labels: &str, bound: &str| {
        sample(&node, &format!("{name}_bucket{{{labels},le=\"{bound}\"}}")).unwrap()
    };
    let add = "verb=\"ADD\",result=\"ok\"";
    let request = format!("action=\"{ASSIGN}\"");
    for (name, labels) in [("call_duration_seconds", add), ("ecs_request_duration_seconds", request.as_str())]
    {
        assert_eq!((bucket(name, labels, "0.5"), bucket(name, labels, "+Inf")), (0, 1), "{name}");
        let text = fs::read_to_string(file(&node)).unwrap();
        let sum = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("aliyun_eni_ipam_{name}_sum{{{labels}}} ")));
        assert!(sum.unwrap().parse::<f64>().unwrap() >= 0.6, "{text}");
    }
}

#[test]
fn calls_that_are_made_at_once_are_all_counted() {
    const CALLS: u64 = 100;
    let world = World::single_node().with_vswitch("192.168.0.0/20", "192.168.15.253").with_quota(2100, 10);
    let mut node = node_in(world).with("timeoutSeconds", 300).with("logLevel", "warn");
    let path = file(&node);
    node.set("metricsFile", path.to_str().unwrap());
    let all = |verb: &str| {
        let calls = (0..CALLS).map(|number| node.call(verb, &format!("c{number}")));
        at_once_while(calls, || ()).into_iter().map(|it| it.answer).collect::<Vec<_>>()
    };
    for answer in all("ADD") {
        let _ = answer.address();
    }
    for answer in all("DEL") {
        answer.ok();
    }
    status(&node);
    assert_eq!((calls(&node, "ADD"), calls(&node, "DEL")), ([CALLS, 0], [CALLS, 0]), "{}", node.scene());
    for action in [ASSIGN, UNASSIGN] {
        assert_eq!(requests(&node, action, "ok"), Some(node.cloud.count(action) as u64), "{action}");
    }
    assert_eq!(records(&node), [0; 4]);
}

#[test]
fn nobody_waits_for_whoever_keeps_the_totals_and_what_is_left_counts_later() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    let lock = File::options().write(true).open(node.store().join("metrics/lock")).unwrap();
    lock.lock().unwrap();
    let before = fs::read_to_string(file(&node)).unwrap();
    let _ = node.call("ADD", "c1").run_within(HANGS).address();
    node.call("DEL", "c0").run_within(HANGS).ok();
    assert_eq!(fs::read_to_string(file(&node)).unwrap(), before);
    drop(lock);
    status(&node);
    assert_eq!((calls(&node, "ADD"), calls(&node, "DEL")), ([2, 0], [1, 0]));
    assert_eq!(records(&node), [0, 1, 0, 0]);
    assert_eq!(node.log().matches("metrics").count(), 0, "{}", node.log());
}

#[test]
fn what_is_damaged_begins_anew_and_is_nobodys_failure() {
    let node = with_metrics();
    let state = |name: &str| node.store().join("metrics").join(name);
    let damage: [(&str, Vec<u8>); 8] = [
        ("totals", Vec::new()),
        ("totals", b"aliyun-eni-ipam totals 1\nca".to_vec()),
        ("totals", vec![0; 4096]),
        ("totals", vec![0xff; 1_000_000]),
        ("totals.new", b"left by a killed process".to_vec()),
        ("pending-0", vec![0; 100_000]),
        ("pending-1", b"call ADD\n\n\xff\nfact\n".to_vec()),
        ("pending-2", vec![b'x'; 1_000_000]),
    ];
    for (number, (name, content)) in damage.iter().enumerate() {
        let _ = node.add("before").address();
        fs::write(state(name), content).unwrap();
        let _ = node.add(&format!("c{number}")).address();
        let begins_anew = *name == "totals";
        assert!(begins_anew == (calls(&node, "ADD") == [1, 0]), "{name}: {:?}", calls(&node, "ADD"));
        node.del(&format!("c{number}")).ok();
        assert_eq!((calls(&node, "DEL")[0] == 1), begins_anew || number == 0, "{name}");
    }
    assert_eq!(node.log().matches("WARN").count(), 0, "{}", node.log());
}

#[test]
fn totals_that_cannot_be_kept_are_a_line_in_the_log_and_no_more() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    fs::remove_dir_all(node.store().join("metrics")).unwrap();
    fs::write(node.store().join("metrics"), "").unwrap();
    node.del("c0").ok();
    let _ = node.add("c1").address();
    let warning = format!("{}/metrics", node.store().display());
    assert!(node.log().contains(&warning), "{}", node.log());
}

#[test]
fn nothing_is_kept_where_no_metrics_file_is_set() {
    let node = node();
    let _ = node.add("c0").address();
    status(&node);
    node.del("c0").ok();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert!(!node.store().join("metrics").exists());
    assert_eq!(node.cloud.count("DescribeInstanceTypes"), 0);
}

#[test]
fn the_oldest_release_of_an_eni_can_be_seen_until_ecs_has_confirmed() {
    let node = with_metrics();
    let oldest = || sample(&node, &format!("oldest_release_timestamp_seconds{{eni=\"{}\"}}", Node::ENI));
    let (_, _) = (node.add("c0").address(), node.add("c1").address());
    assert_eq!(oldest(), None);
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    let first = oldest().unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!((now - 3600..=now).contains(&first), "{first}");
    // The name of a release says when it began.
    let releasing = node.store().join("releasing");
    let name = fs::read_dir(&releasing).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    let began = name.split('.').nth(1).unwrap();
    fs::rename(releasing.join(&name), releasing.join(name.replace(began, "2026-01-01T00:00:00Z"))).unwrap();
    node.del("c1").ok();
    assert_eq!(oldest(), Some(1_767_225_600));
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert_eq!(oldest(), None);
}

#[test]
fn addresses_are_shown_by_eni_family_and_state() {
    let node = with_metrics().with("ipv6", true);
    let addresses = |family: &str, state: &str| {
        let name = format!("addresses{{eni=\"{}\",family=\"{family}\",state=\"{state}\"}}", Node::ENI);
        sample(&node, &name)
    };
    for pod in ["c0", "c1", "c2"] {
        assert_eq!(node.add(pod).addresses().len(), 2);
    }
    node.reserve("192.168.0.77".parse().unwrap(), Duration::ZERO);
    assert_eq!(addresses("ipv4", "active"), None, "nobody has counted them");
    status(&node);
    assert_eq!((addresses("ipv4", "active"), addresses("ipv6", "active")), (Some(3), Some(3)));
    node.cloud.inject(Fault::on("UnassignIpv6Addresses").effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    assert_eq!(addresses("ipv6", "releasing"), Some(1));
    assert_eq!(addresses("ipv4", "reserved"), Some(1));
    assert_eq!(addresses("ipv4", "active"), Some(3), "as they were counted last");
    status(&node);
    assert_eq!((addresses("ipv4", "active"), addresses("ipv6", "active")), (Some(2), Some(2)));
}

#[test]
fn a_flush_shows_when_it_was_and_asks_once_a_boot_for_the_quota() {
    let node = with_metrics();
    let quota = |family: &str| {
        sample(&node, &format!("eni_quota_addresses{{eni=\"{}\",family=\"{family}\"}}", Node::ENI))
    };
    let _ = node.add("c0").address();
    assert_eq!((quota("ipv4"), sample(&node, "flush_timestamp_seconds")), (None, None));
    let before = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for _ in 0..3 {
        assert_eq!(node.operator(&["flush"]).status(), 0);
    }
    let flushed = sample(&node, "flush_timestamp_seconds").unwrap();
    assert!((before..=SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).contains(&flushed));
    assert_eq!(node.cloud.count("DescribeInstanceTypes"), 1);
    node.del("c0").ok();
    assert!(quota("ipv4").is_some() && quota("ipv6").is_some());
    assert_eq!(requests(&node, "DescribeInstanceTypes", "ok"), Some(1));
}

#[test]
fn a_flush_that_is_not_told_the_quota_succeeds_and_does_not_ask_again_at_once() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    node.cloud.inject(Fault::on("DescribeInstanceTypes").effect(Effect::code("Forbidden.RAM")));
    for _ in 0..3 {
        assert_eq!(node.operator(&["flush"]).status(), 0);
    }
    assert_eq!(node.cloud.count("DescribeInstanceTypes"), 1);
    assert_eq!(requests(&node, "DescribeInstanceTypes", "denied"), Some(1));
    assert!(sample(&node, "flush_timestamp_seconds").is_some());
    node.let_time_pass(Duration::from_hours(2));
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert_eq!(node.cloud.count("DescribeInstanceTypes"), 2);
}

#[test]
fn the_file_says_which_version_wrote_it_and_when() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    let version = format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(sample(&node, &version), Some(1));
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!((now - 3600..=now).contains(&sample(&node, "written_timestamp_seconds").unwrap()));
}

/// Files with a hidden name, in which what is to become the file is written.
fn drafts(node: &Node) -> Vec<String> {
    let names = fs::read_dir(node.directory()).unwrap().flatten().map(|it| it.file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with('.')).collect()
}
