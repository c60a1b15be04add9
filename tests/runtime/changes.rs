//! Pods and networks of other kinds, and networks that change while pods are there.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use harness::Need;
use serde_json::json;
use tempfile::TempDir;

use crate::stage::{Stage, UNASSIGN};

harness::tests! {
    needs [Need::Root, Need::Containerd]:
        a_pod_on_the_nodes_network_takes_no_address,
        a_pod_whose_network_was_removed_is_deleted_when_it_is_back,
        a_pod_whose_network_was_renamed_gives_its_address_back,
        a_port_of_the_node_leads_to_the_pods_address;
}

fn a_pod_on_the_nodes_network_takes_no_address() {
    let stage = Stage::new();
    let pod = stage.runtime.run_pod_with("agent", &["--host-network"]);
    stage.runtime.stop_pod(&pod);
    stage.runtime.remove_pod(&pod);
    assert!(stage.commands().is_empty());
    assert!(stage.node.cloud.ledger().is_empty() && !stage.node.store().exists());
}

fn a_pod_whose_network_was_removed_is_deleted_when_it_is_back() {
    let stage = Stage::new();
    let pod = stage.runtime.run_pod("web-0");
    let address = stage.address(&pod);

    stage.runtime.remove_conflist("pods");
    for result in [stage.runtime.try_stop_pod(&pod), stage.runtime.try_remove_pod(&pod)] {
        let failure = result.expect_err("containerd has no network");
        assert!(failure.stderr.contains("cni plugin not initialized"), "{failure}");
    }
    assert_eq!(stage.commands(), ["ADD"]);
    stage.node.expect_in_use([address]);

    stage.use_conflist(&stage.node.ptp_conflist());
    stage.runtime.stop_pod(&pod);
    stage.runtime.remove_pod(&pod);
    stage.expect_pods(&[]);
}

/// The runtime has only the new name to offer, and no result of the ADD.
fn a_pod_whose_network_was_renamed_gives_its_address_back() {
    let stage = Stage::new();
    let pod = stage.runtime.run_pod("web-0");

    let mut conflist = stage.node.ptp_conflist();
    conflist["name"] = json!("renamed");
    stage.use_conflist(&conflist);
    stage.runtime.stop_pod(&pod);
    let del = stage.calls.calls().pop().expect("a DEL");
    assert!(del.command == "DEL" && del.config["name"] == "renamed" && del.config["prevResult"].is_null());
    assert_eq!(stage.node.cloud.count(UNASSIGN), 1);
    stage.expect_pods(&[]);
    stage.runtime.remove_pod(&pod);
}

/// Ports of the node lead to the pod's address. The rules for that go into a network namespace of the test's own instead
/// of the machine's.
fn a_port_of_the_node_leads_to_the_pods_address() {
    let directory = TempDir::new().expect("temporary directory");
    let portmap = directory.path().join("portmap");
    let script = "#!/bin/sh\nexec nsenter --net=/run/netns/ports /usr/lib/cni/portmap\n";
    fs::write(&portmap, script).expect("script");
    fs::set_permissions(&portmap, PermissionsExt::from_mode(0o755)).expect("mode of the script");
    let stage = Stage::with_plugins(&[("portmap", &portmap)]);
    stage.runtime.run(&["ip", "netns", "add", "ports"]);
    let rules = || stage.runtime.run(&["ip", "netns", "exec", "ports", "iptables", "-t", "nat", "-S"]);
    let mut conflist = stage.node.ptp_conflist();
    let plugins = conflist["plugins"].as_array_mut().expect("a list");
    plugins.push(json!({"type": "portmap", "capabilities": {"portMappings": true}, "snat": false}));
    stage.use_conflist(&conflist);

    let pod = stage.runtime.run_pod_with("web-0", &["--host-port", "8080:80"]);
    let target = format!("--to-destination {}:80", stage.address(&pod));
    assert!(rules().contains(&target), "{target} in {}", rules());
    assert!(stage.calls.calls()[0].config["runtimeConfig"].is_null());
    stage.expect_pods(&[&pod]);

    stage.runtime.stop_pod(&pod);
    stage.runtime.remove_pod(&pod);
    assert!(!rules().contains(&target), "{target} in {}", rules());
    stage.expect_pods(&[]);
}
