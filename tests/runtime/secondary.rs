//! Pods on a secondary ENI: behind `ptp` the plugin routes them by the ENI, or their interfaces are made on top of the ENI's.

use std::net::IpAddr;

use harness::simulator::World;
use harness::{NameSpace, Need, Node};
use serde_json::json;

use crate::stage::Stage;

/// The table of the ENI with the hardware address `00:16:3e:00:00:02`.
const TABLE: &str = "1000000002";

harness::tests! {
    needs [Need::Root, Need::Containerd, Need::NetworkNamespaces]:
        pods_behind_ptp_are_routed_by_the_eni_that_has_their_addresses;
    needs [Need::Root, Need::Containerd, Need::Ipvlan]:
        ipvlan_pods_have_addresses_of_the_eni_that_their_interfaces_are_made_on;
}

/// In a network namespace, because it changes the node's rules.
fn pods_behind_ptp_are_routed_by_the_eni_that_has_their_addresses() {
    NameSpace::new().run(|| {
        let stage = Stage::new();
        attach_enis(&stage);
        let mut conflist = stage.node.ptp_conflist();
        let mut chained = json!({"type": "aliyun-eni-ipam"});
        for key in ["dataDir", "metadataEndpoint", "logLevel", "logFile"] {
            chained[key] = stage.node.ipam[key].clone();
        }
        conflist["plugins"].as_array_mut().expect("a list").push(chained);
        stage.use_conflist(&conflist);

        let pods = [stage.runtime.run_pod("web-0"), stage.runtime.run_pod("web-1")];
        stage.expect_pods(&[&pods[0], &pods[1]]);
        let addresses = [stage.address(&pods[0]), stage.address(&pods[1])];
        let routed = |address: &IpAddr| {
            let rules = stage.runtime.run(&["ip", "rule", "list", "from", &address.to_string()]);
            rules.contains(&format!("lookup {TABLE}"))
        };
        assert!(addresses.iter().all(routed), "{}", stage.node.scene());
        // To somebody elsewhere by the ENI that has the address, and to a pod of this node directly.
        let way = |to: &str| {
            stage.runtime.run(&["ip", "route", "get", to, "from", &addresses[0].to_string(), "iif", "lo"])
        };
        assert!(way("192.0.2.1").contains(" dev eth1 "), "{}", way("192.0.2.1"));
        assert!(way(&addresses[1].to_string()).contains(" dev veth"), "{}", way(&addresses[1].to_string()));

        stage.runtime.stop_pod(&pods[0]);
        assert!(!routed(&addresses[0]) && routed(&addresses[1]), "{}", stage.node.scene());
        stage.runtime.stop_pod(&pods[1]);
        assert!(!routed(&addresses[1]), "{}", stage.node.scene());
        for pod in &pods {
            stage.runtime.remove_pod(pod);
        }
        stage.expect_pods(&[]);
    });
}

/// Makes the links of both ENIs, of which the primary one is configured, in the network namespace of this thread, and shows the node
/// its links below `/sys`.
fn attach_enis(stage: &Stage) {
    let (enis, gateway) = stage.node.cloud.with_world(|world| {
        let enis = [World::PRIMARY_ENI, World::SECONDARY_ENI].map(|id| world.eni_mut(id).clone());
        (enis, world.vswitches[World::VSWITCH_ID].gateway)
    });
    stage.runtime.run(&["ip", "netns", "add", "vpc"]);
    for (index, eni) in enis.iter().enumerate() {
        let (name, peer) = (format!("eth{index}"), format!("eth{index}"));
        stage.runtime.run(&[
            "ip", "link", "add", &name, "address", &eni.mac, "type", "veth", "peer", "name", &peer, "netns",
            "vpc",
        ]);
        stage.runtime.run(&["ip", "-netns", "vpc", "link", "set", &peer, "up"]);
    }
    let primary = format!("{}/24", enis[0].primary_ip);
    stage.runtime.run(&["ip", "addr", "add", &primary, "dev", "eth0"]);
    stage.runtime.run(&["ip", "link", "set", "eth0", "up"]);
    stage.runtime.run(&["ip", "route", "add", "default", "via", &gateway.to_string()]);
    let links = "mkdir /run/netns/sys; mount -t sysfs none /run/netns/sys; \
                 mount --bind /run/netns/sys/devices/virtual/net /sys/devices/virtual/net; \
                 mount --bind /run/netns/sys/class/net /sys/class/net";
    stage.runtime.run(&["sh", "-ec", links]);
}

fn ipvlan_pods_have_addresses_of_the_eni_that_their_interfaces_are_made_on() {
    let stage = Stage::new();
    let interface = attach_eni(&stage);
    let mut conflist = stage.node.ptp_conflist();
    let plugin = &mut conflist["plugins"][0];
    plugin["type"] = json!("ipvlan");
    plugin["master"] = json!(interface);
    plugin["mode"] = json!("l2");
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
