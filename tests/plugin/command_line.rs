//! The plugin as a person starts it, without a runtime.

use std::fs;

use harness::{Effect, Fault, Node};
use serde_json::{Value, json};

use crate::{eventually, node};

#[test]
fn help_and_version_go_to_stdout() {
    let node = node();
    for arguments in [&["--help"][..], &["-h"], &["help"], &["nonsense", "--help"]] {
        let help = node.program(arguments).run();
        assert_eq!((help.status(), help.stderr()), (0, String::new()));
        for word in ["list", "flush", "--config", "--network", "--json", "/etc/cni/net.d", "Exit status"] {
            assert!(help.stdout().contains(word), "{word}: {}", help.stdout());
        }
    }
    for arguments in [&["help", "list"][..], &["list", "--help"], &["-h", "list"]] {
        let help = node.program(arguments).run();
        assert_eq!((help.status(), help.stderr()), (0, String::new()));
        assert!(help.stdout().starts_with("Usage: aliyun-eni-ipam list "), "{}", help.stdout());
    }
    for arguments in [&["--version"][..], &["-V"], &["version"]] {
        let version = node.program(arguments).run();
        assert_eq!(version.status(), 0);
        assert_eq!(version.stdout(), format!("aliyun-eni-ipam {}\n", env!("CARGO_PKG_VERSION")));
    }
}

/// How each sentence reads is in `tests/plugin/messages.txt`.
#[test]
fn what_cannot_be_made_out_is_wrong_usage() {
    let node = node();
    for (arguments, word) in [
        (&["lst"][..], "`lst`"),
        (&["list", "flush"], "`flush`"),
        (&["--json"], "command"),
        (&["list", "--verbose"], "`--verbose`"),
        (&["list", "--jsn"], "`--jsn`"),
        (&["doctor", "now"], "`now`"),
        (&["list", "--config"], "`--config`"),
        (&["ADD"], "`ADD`"),
        (&[""], "``"),
    ] {
        let answer = node.program(arguments).run();
        assert_eq!((answer.status(), answer.stdout()), (2, String::new()), "{arguments:?}");
        let told = answer.stderr();
        let why = told.strip_prefix("aliyun-eni-ipam: ");
        let why = why.and_then(|it| it.strip_suffix("\nTry `aliyun-eni-ipam --help`.\n"));
        assert!(why.is_some_and(|why| why.contains(word) && !why.contains('\n')), "{told}");
    }
}

#[test]
fn an_argument_makes_it_a_persons_command_whatever_the_environment_says() {
    let node = node();
    let answer = node.program(&["--version"]).env("CNI_COMMAND", "ADD").run();
    assert_eq!(answer.status(), 0);
    assert!(answer.stdout().starts_with("aliyun-eni-ipam "));
}

#[test]
fn where_no_network_uses_the_plugin_the_files_that_were_seen_are_named() {
    let node = node();
    let files = [
        (
            "00-other.conflist",
            json!({"name": "a", "plugins": [{"type": "bridge", "ipam": {"type": "host-local"}}]}),
        ),
        ("99-loopback.conf", json!({"name": "lo", "type": "loopback"})),
    ];
    let answer = list_with(&node, &files, &[]);
    assert_eq!((answer.status(), answer.stdout()), (2, String::new()));
    let seen = "00-other.conflist uses bridge with host-local, 99-loopback.conf uses loopback";
    assert!(answer.stderr().contains(seen) && answer.stderr().contains("--config"), "{}", answer.stderr());
    let answer = list_with(&node, &[], &[]);
    assert!(answer.stderr().contains("no .conf, .conflist or .json file"), "{}", answer.stderr());
}

/// What `list` is told by a configuration directory with these files.
fn list_with(node: &Node, files: &[(&str, Value)], arguments: &[&str]) -> harness::Answer {
    let directory = node.directory().join("net.d");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    for (name, content) in files {
        fs::write(directory.join(name), content.to_string()).unwrap();
    }
    let directory = directory.display().to_string();
    node.program(&[&["list", "--config", &directory], arguments].concat()).run()
}

fn conflist(node: &Node, name: &str) -> Value {
    json!({"cniVersion": "1.0.0", "name": name, "plugins": [{"type": "ptp", "ipam": node.ipam}, {"type": "portmap"}]})
}

#[test]
fn the_network_is_found_among_those_of_other_plugins() {
    let node = node();
    let other = json!({"name": "other", "type": "bridge", "ipam": {"type": "host-local"}});
    let answer = list_with(
        &node,
        &[
            ("00-other.conf", other),
            ("10-pods.conflist", conflist(&node, "pods")),
            ("20-loopback.conf", json!({"name": "lo", "type": "loopback"})),
            ("README", json!("no configuration")),
        ],
        &["--json"],
    );
    assert_eq!(answer.result(), json!({"records": []}));
}

#[test]
fn of_several_networks_one_is_to_be_named_where_a_command_needs_one() {
    let node = node();
    let files = [("10-a.conflist", conflist(&node, "a")), ("20-b.conflist", conflist(&node, "b"))];
    for options in [&["--json"][..], &["--network", "b", "--json"]] {
        assert_eq!(
            list_with(&node, &files, options).result(),
            json!({"records": []}),
            "`list` shows all of them"
        );
    }
    let answer = node.operator_with(&node.directory().join("net.d"), &["reconcile"]);
    assert_eq!((answer.status(), answer.stdout()), (2, String::new()));
    assert!(answer.stderr().contains("several networks use this plugin (a, b): choose one with --network"));
    let answer = list_with(&node, &files, &["--network", "c"]);
    assert_eq!(answer.status(), 2);
    assert!(answer.stderr().contains("no network `c` in "), "{}", answer.stderr());
}

#[test]
fn a_configuration_that_cannot_be_had_is_wrong_usage() {
    let node = node();
    let answer = list_with(&node, &[("10-pods.conflist", json!("{"))], &[]);
    assert_eq!(answer.status(), 2);
    let missing = node.directory().join("none").display().to_string();
    let answer = node.program(&["list", "--config", &missing]).run();
    assert_eq!((answer.status(), answer.stdout()), (2, String::new()));
    assert!(
        answer.stderr().contains(&missing) && answer.stderr().contains("--config"),
        "{}",
        answer.stderr()
    );
}

#[test]
fn a_missing_and_an_empty_store_have_no_records() {
    let node = node();
    for _ in 0..2 {
        assert_eq!(node.operator(&["list", "--json"]).result(), json!({"records": []}));
        let table = node.operator(&["list"]);
        assert_eq!(table.status(), 0);
        assert!(table.stdout().starts_with("STATE") && table.stdout().lines().count() == 1, "{table:?}");
        fs::create_dir_all(node.store()).unwrap();
    }
    assert_eq!(fs::read_dir(node.store()).unwrap().count(), 0);
}

#[test]
fn list_prints_one_object_with_exactly_the_promised_keys() {
    let node = node().with("timeoutSeconds", 2);
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0";
    let address = node.call("ADD", "c1").env("CNI_ARGS", args).run().address();
    let listed = |state: &str| {
        let listed = node.operator(&["list", "--json"]).result();
        assert_eq!(listed.as_object().unwrap().len(), 1, "{listed}");
        let mut records = listed["records"].as_array().unwrap().clone();
        records.retain(|record| record["state"] == state);
        assert_eq!(records.len(), 1, "{listed}");
        let mut record = records.remove(0);
        let since = record["since"].take();
        (record, since)
    };
    let mut expected = json!({
        "state": "active", "network": "pods", "containerId": "c1", "ifname": "eth0",
        "addresses": [address], "networkInterfaceId": Node::ENI, "regionId": "cn-hangzhou",
        "pod": "default/web-0", "since": null, "restsSince": null, "releasingSince": null, "nextTry": null, "attempts": 0, "lastError": null,
    });
    let (active, since) = listed("active");
    assert_eq!(active, expected);
    assert_is_time(&since);

    node.cloud.inject(Fault::code("Forbidden.RAM").action("UnassignPrivateIpAddresses"));
    node.del("c1").ok();
    let (mut releasing, released_since) = listed("releasing");
    assert_is_time(&releasing["releasingSince"].take());
    assert_is_time(&releasing["nextTry"].take());
    expected["state"] = "releasing".into();
    expected["attempts"] = 1.into();
    let why = releasing["lastError"].as_str().unwrap().to_owned();
    assert!(why.contains("Forbidden.RAM"), "{why}");
    expected["lastError"] = why.into();
    assert_eq!((releasing, released_since), (expected.clone(), since));

    let directory = node.store().join("quarantine");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("active-c9.1"), "damaged").unwrap();
    let (quarantined, _) = listed("quarantined");
    assert!(quarantined["lastError"].as_str().unwrap().contains("set aside"), "{quarantined}");
    assert_eq!(keys(&quarantined), keys(&expected));

    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").effect(Effect::Stall));
    let stalled = node.call("ADD", "c2").start();
    eventually("ECS is asked", || node.cloud.count("AssignPrivateIpAddresses") == 2);
    let (assigning, since) = listed("assigning");
    assert_eq!((&assigning["containerId"], &assigning["addresses"]), (&json!("c2"), &json!([])));
    assert_is_time(&since);
    assert_eq!(keys(&assigning), keys(&expected));
    let _ = stalled.wait().any_error();
}

#[test]
fn a_release_that_was_not_tried_waits_for_what_keeps_its_eni_waiting() {
    let node = node().with("timeoutSeconds", 2);
    let _ = (node.add("c1").address(), node.add("c2").address());
    node.cloud.inject(Fault::code("Forbidden.RAM").action("UnassignPrivateIpAddresses"));
    node.del("c1").ok();
    node.del("c2").ok();
    let listed = node.operator(&["list", "--json"]).result();
    let records = listed["records"].as_array().unwrap();
    let untried = records.iter().find(|record| record["attempts"] == 0).unwrap();
    assert_eq!((&untried["containerId"], &untried["state"]), (&json!("c2"), &json!("releasing")));
    assert!(untried["lastError"].as_str().unwrap().contains("Forbidden.RAM"), "{untried}");
    let table = node.operator(&["list"]).stdout();
    assert_eq!(table.matches("Forbidden.RAM").count(), 2, "{table}");
}

#[test]
fn a_release_that_an_older_version_began_is_listed_without_a_time_and_released() {
    let node = node();
    let _ = node.add("c1").address();
    node.cloud.inject(Fault::code("Forbidden.RAM").action("UnassignPrivateIpAddresses"));
    node.del("c1").ok();
    node.cloud.clear_faults();
    let record = fs::read_dir(node.store().join("releasing")).unwrap().next().unwrap().unwrap().path();
    let name = record.file_name().unwrap().to_str().unwrap();
    let (key, unique) = (name.split('.').next().unwrap(), name.rsplit('.').next().unwrap());
    fs::rename(&record, record.with_file_name(format!("{key}.{unique}"))).unwrap();
    let listed = node.operator(&["list", "--json"]).result();
    assert_eq!(listed["records"][0]["releasingSince"], Value::Null);
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert!(node.on_eni().is_empty() && node.records().is_empty());
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Expects a time as `2026-11-22T09:12:44Z`.
#[track_caller]
fn assert_is_time(value: &Value) {
    let text = value.as_str().unwrap_or_default();
    let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000-00-00T00:00:00Z", "{value}");
}

#[test]
fn the_table_shows_what_the_json_has() {
    let node = node();
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0";
    let address = node.call("ADD", "c1").env("CNI_ARGS", args).run().address().to_string();
    let anonymous = node.add(&"f".repeat(64)).address().to_string();
    let table = node.operator(&["list"]).stdout();
    let row = |address: &str| {
        let line = table.lines().find(|line| line.contains(address)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let named = row(&format!("{address} "));
    assert_eq!(named[..6], ["active", &address, "default/web-0", "pods", "c1", Node::ENI]);
    assert_eq!(row(&format!("{anonymous} "))[2..5], ["-", "pods", &"f".repeat(13)]);
    assert!(named[6].ends_with('s'), "{table}");
    assert_eq!(named[7..], ["this", "0", "-", "-"]);
    let head = table.lines().next().unwrap().split_whitespace().count();
    assert!(table.lines().all(|line| line.split_whitespace().count() == head), "{table}");
}

#[test]
fn nobody_reading_is_no_failure_of_a_command() {
    let node = node();
    let _ = node.add("c1").address();
    let config = node.directory().join("pods.conflist");
    fs::write(&config, conflist(&node, "pods").to_string()).unwrap();
    let config = config.display().to_string();
    for arguments in [
        &["list", "--config", &config][..],
        &["list", "--json", "--config", &config],
        &["--help"],
        &["--version"],
    ] {
        let answer = node.program(arguments).run_unread();
        assert_eq!((answer.status(), answer.stderr()), (0, String::new()), "{arguments:?}");
    }
}

#[test]
fn a_list_that_does_not_fit_on_the_disk_is_a_failure() {
    let node = node();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let answer = node.program(&["--help"]).run_into(full);
    assert_eq!(answer.status(), 1);
    assert!(answer.stderr().starts_with("aliyun-eni-ipam: "), "{}", answer.stderr());
}

#[test]
fn a_store_that_cannot_be_read_fails_the_list() {
    let mut node = node();
    fs::write(node.store(), "a file").unwrap();
    let answer = node.operator(&["list", "--json"]);
    assert_eq!((answer.status(), answer.stdout()), (1, String::new()));
    assert!(answer.stderr().contains("it is not a directory"), "{}", answer.stderr());
    node.set("dataDir", 5);
    let answer = node.operator(&["list"]);
    assert_eq!(answer.status(), 1);
    assert!(answer.stderr().contains("ipam.dataDir is 5"), "{}", answer.stderr());
}
