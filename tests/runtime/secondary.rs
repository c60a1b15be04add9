//! Pods on a secondary ENI: their interfaces are made on top of the ENI's.

use harness::{Need, Node};
use serde_json::json;

use crate::stage::Stage;

harness::tests! {
    needs [Need::Root, Need::Containerd, Need::Macvlan]:
        macvlan_pods_have_addresses_of_the_eni_that_their_interfaces_are_made_on;
    needs [Need::Root, Need::Containerd, Need::Ipvlan]:
        ipvlan_pods_have_addresses_of_the_eni_that_their_interfaces_are_made_on;
}

fn macvlan_pods_have_addresses_of_the_eni_that_their_interfaces_are_made_on() {
    expect_pods_on_the_eni("macvlan", "bridge");
}

fn ipvlan_pods_have_addresses_of_the_eni_that_their_interfaces_are_made_on() {
    expect_pods_on_the_eni("ipvlan", "l2");
}

fn expect_pods_on_the_eni(kind: &str, mode: &str) {
    let stage = Stage::new();
    let interface = attach_eni(&stage);
    let mut conflist = stage.node.conflist();
    let plugin = &mut conflist["plugins"][0];
    plugin["type"] = json!(kind);
    plugin["master"] = json!(interface);
    plugin["mode"] = json!(mode);
    let ipam = plugin["ipam"].as_object_mut().expect("the ipam section");
    ipam.remove("networkInterfaceId");
    ipam.insert("interface".into(), json!(interface));
    stage.use_conflist(&conflist);

    let pods = [stage.runtime.run_pod("web-0"), stage.runtime.run_pod("web-1")];
    stage.expect_pods(&[&pods[0], &pods[1]]);
    for record in stage.node.records() {
        assert_eq!(record.0["networkInterfaceId"], Node::ENI);
    }
    for pod in &pods {
        stage.runtime.stop_pod(pod);
        stage.runtime.remove_pod(pod);
    }
    stage.expect_pods(&[]);
}

/// Gives the machine an interface with the hardware address of the simulated ENI; returns its name. Its other end lies in
/// a network namespace of the node's own: with the node both are gone.
fn attach_eni(stage: &Stage) -> String {
    let port = stage.node.cloud.endpoint();
    let name = format!("eni{}", port.rsplit(':').next().unwrap_or_default());
    let mac = stage.node.cloud.with_world(|world| world.eni_mut(Node::ENI).mac.clone());
    stage.runtime.run(&["ip", "netns", "add", "vpc"]);
    stage.runtime.run(&[
        "ip", "link", "add", &name, "address", &mac, "type", "veth", "peer", "name", "eth0", "netns", "vpc",
    ]);
    stage.runtime.run(&["ip", "link", "set", &name, "up"]);
    stage.runtime.run(&["ip", "-netns", "vpc", "link", "set", "eth0", "up"]);
    name
}
