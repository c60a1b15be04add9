//! The walks.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use harness::simulator::AddressPolicy;
use harness::{Effect, Fault, Need, Node, World};
use serde_json::json;

use super::walk::Walk;
use crate::lost_store::copy;
use crate::{eventually, node, node_in};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// All of them.
pub(super) const ALL: &[fn() -> Walk] = &[
    an_orphan,
    a_lost_store,
    a_lost_store_and_a_damaged_cache,
    an_old_backup,
    a_reboot_after_which_nobody_calls_del,
    an_address_that_somebody_unassigned,
    an_address_that_something_else_has_got,
    addresses_of_other_software,
    two_stores_on_one_eni,
    an_interrupted_add,
    an_outage,
    a_removed_role,
    a_moved_eni,
    set_ups_that_do_not_work,
    pods_that_do_not_start,
];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn an_orphan() -> Walk {
    let mut walk = Walk::on(node(), "An address that nobody has recorded");
    walk.start("web-0");
    walk.node.cloud.assign(Node::ENI, address("192.168.0.77"));
    walk.happens("Somebody assigns an address in the console.");
    walk.asks_doctor();
    walk.types(&["reconcile"]);
    walk.types(&["reconcile", "--release-orphans", "--yes"]);
    walk.types(&["reconcile"]);
    walk
}

fn a_lost_store() -> Walk {
    let mut walk = Walk::on(node(), "A lost store");
    let pods = ["web-0", "web-1", "web-2"];
    walk.start_all(&pods);
    fs::remove_dir_all(walk.node.store()).unwrap();
    walk.happens("The store is lost while three pods run.");
    walk.types(&["list"]);
    walk.asks_doctor();
    walk.types(&["reconcile"]);
    walk.types(&["reconcile", "--release-orphans", "--yes"]);
    walk.types(&["reconcile", "--adopt"]);
    walk.types(&["list"]);
    walk.asks_doctor();
    walk.types(&["reconcile"]);
    for pod in pods {
        walk.stop(pod);
    }
    assert!(walk.node.on_eni().is_empty());
    walk
}

fn a_lost_store_and_a_damaged_cache() -> Walk {
    let mut walk = Walk::on(node(), "A lost store, and a damaged file in libcni's cache");
    walk.start_all(&["web-0", "web-1"]);
    fs::remove_dir_all(walk.node.store()).unwrap();
    let file = walk.node.cached("web-1");
    let content = fs::read_to_string(&file).unwrap();
    fs::write(&file, &content[..content.len() - 2]).unwrap();
    walk.happens("The store is lost, and libcni's file of web-1 ends too early.");
    walk.types(&["reconcile", "--adopt"]);
    walk.types(&["reconcile", "--release-orphans", "--yes"]);
    walk.stop("web-0");
    walk
}

fn an_old_backup() -> Walk {
    let world = World::single_node().with_policy(AddressPolicy::LowestFree);
    let mut walk = Walk::on(node_in(world), "An old backup of the store");
    let old = walk.start("web-0");
    let (store, backup) = (walk.node.store(), walk.node.directory().join("backup"));
    copy(&store, &backup);
    walk.stop("web-0");
    let new = walk.start("web-1");
    assert_eq!(old, new, "the lowest free address");
    fs::remove_dir_all(&store).unwrap();
    copy(&backup, &store);
    walk.node.let_time_pass(Duration::from_mins(10));
    walk.happens("Web-1 has got the address of web-0, and then a backup of the store is restored, in which web-0 has it.");
    walk.types(&["list"]);
    walk.asks_doctor();
    walk.types(&["reconcile"]);
    walk.types(&["release", &old.to_string(), "--yes"]);
    walk.types(&["reconcile", "--adopt"]);
    walk.types(&["reconcile"]);
    walk.node.del_pod("web-0").ok();
    walk.looks("The runtime deletes web-0 once more.");
    walk.stop("web-1");
    assert!(walk.node.on_eni().is_empty());
    walk
}

fn a_reboot_after_which_nobody_calls_del() -> Walk {
    let mut walk = Walk::on(node(), "A reboot after which nobody calls DEL");
    // How long the machine has been up makes a difference.
    if let Some(why) = Need::MountNamespaces.missing() {
        return walk.skipped(&why);
    }
    walk.start_all(&["web-0", "web-1"]);
    walk.boots(Duration::from_mins(11));
    walk.end("web-0");
    walk.end("web-1");
    walk.node.forget_pod("web-1");
    walk.start("web-2");
    walk.happens(
        "The node boots, and its runtime has lost its state. Web-2 starts more than ten minutes later.",
    );
    walk.asks_doctor();
    walk.types(&["reconcile"]);
    walk.types(&["flush"]);
    walk.stop("web-2");
    walk
}

fn two_stores_on_one_eni() -> Walk {
    let mut walk = Walk::on(node(), "Two stores on one ENI");
    walk.start("web-0");
    let directory = walk.node.directory().join("net.d");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("10-pods.conflist"), walk.node.conflist().to_string()).unwrap();
    let mut second = walk.node.conflist();
    second["name"] = "second".into();
    second["plugins"][0]["ipam"]["dataDir"] = "/var/lib/cni/second".into();
    fs::write(directory.join("20-second.conflist"), second.to_string()).unwrap();
    walk.configured_in(directory);
    walk.happens("A second network with a `dataDir` of its own uses the same ENI.");
    walk.asks_doctor();
    walk
}

fn an_address_that_somebody_unassigned() -> Walk {
    let mut walk = Walk::on(node(), "A pod's address that somebody unassigned in the console");
    let address = walk.node.add_pod("web-0").address();
    walk.node.let_time_pass(Duration::from_mins(10));
    walk.node.cloud.unassign(Node::ENI, address);
    walk.happens("Somebody unassigns the address of web-0.");
    walk.asks_doctor();
    walk.types(&["reconcile"]);
    walk.types(&["reconcile", "--restore"]);
    walk.lives("web-0", address);
    walk.types(&["reconcile"]);
    walk.stop("web-0");
    walk
}

fn an_address_that_something_else_has_got() -> Walk {
    let mut walk = Walk::on(node(), "A pod's address that something else has got since");
    let address = walk.node.add_pod("web-0").address();
    walk.node.let_time_pass(Duration::from_mins(10));
    walk.node.cloud.unassign(Node::ENI, address);
    walk.node.cloud.assign(World::PRIMARY_ENI, address);
    walk.happens("Somebody unassigns the address of web-0, and something on another ENI gets it.");
    walk.types(&["reconcile", "--restore"]);
    walk
}

fn addresses_of_other_software() -> Walk {
    let mut walk = Walk::on(node(), "Addresses of other software");
    walk.start("web-0");
    walk.node.cloud.assign(Node::ENI, address("192.168.0.200"));
    walk.node.set("foreignAddresses", vec!["192.168.0.200/29"]);
    walk.lives("other software", address("192.168.0.200"));
    walk.happens("Other software has an address on the ENI, and `foreignAddresses` says so.");
    walk.asks_doctor();
    walk.types(&["reconcile"]);
    walk.types(&["reconcile", "--release-orphans", "--yes"]);
    walk.stop("web-0");
    walk
}

fn an_interrupted_add() -> Walk {
    let mut walk = Walk::on(node(), "An ADD that was killed");
    walk.node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let add = walk.node.call("ADD", "web-0").start();
    eventually("the address is assigned", || !walk.node.on_eni().is_empty());
    add.kill();
    walk.happens("An ADD is killed before it hears what it got.");
    walk.types(&["list"]);
    walk.asks_doctor();
    walk.types(&["reconcile", "--release-orphans", "--yes"]);
    walk.types(&["flush"]);
    walk
}

fn an_outage() -> Walk {
    let mut walk = Walk::on(node(), "ECS refuses to release");
    walk.start_all(&["web-0", "web-1"]);
    walk.node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    walk.stop("web-0");
    walk.types(&["list"]);
    walk.asks_doctor();
    walk.types(&["reconcile"]);
    walk.types(&["flush"]);
    walk.node.cloud.clear_faults();
    walk.happens("The permission is granted.");
    walk.types(&["flush"]);
    walk
}

fn a_removed_role() -> Walk {
    let world = World::single_node().with_role_lifetime(Duration::from_secs(1));
    let mut walk =
        Walk::on(node_in(world).with("credentials", json!({"source": "ecs-ram-role"})), "A removed RAM role");
    walk.start_all(&["web-0", "web-1"]);
    let role = walk.node.cloud.with_world(|world| std::mem::take(&mut world.role.name));
    // The key that is kept has expired by then.
    fs::remove_dir_all(walk.node.store().join("cache")).unwrap();
    walk.happens("Somebody removes the RAM role from the instance.");
    walk.stop("web-0");
    walk.asks_doctor();
    walk.fails_to_start("web-2", "");
    walk.node.cloud.with_world(|world| world.role.name = role);
    walk.happens("The role is attached again.");
    walk.types(&["flush"]);
    walk
}

fn a_moved_eni() -> Walk {
    let mut walk = Walk::on(node(), "An ENI that was moved to another instance");
    walk.node.cloud.with_world(|world| world.eni_mut(Node::ENI).mac = "00:00:00:00:00:00".into());
    let address = walk.start("web-0");
    walk.start("web-1");
    walk.node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = Some("i-another".to_owned()));
    let link = walk.node.store().join(format!("cache/link-{}.json", Node::ENI));
    let known = fs::read_to_string(&link).unwrap();
    fs::write(&link, known.replace("00:00:00:00:00:00", "00:16:3e:00:00:77")).unwrap();
    walk.node.let_time_pass(Duration::from_mins(10));
    walk.happens("Somebody detaches the ENI while its pods run, and attaches it to i-another.");
    walk.asks_doctor();
    walk.stop("web-0");
    walk.types(&["list"]);
    walk.types(&["flush"]);
    walk.node.cloud.unassign(Node::ENI, address);
    walk.happens("On i-another, `reconcile --release-orphans` releases the address.");
    walk.types(&["flush"]);
    walk.types(&["list"]);
    walk
}

fn set_ups_that_do_not_work() -> Walk {
    let mut walk = Walk::on(node(), "Set-ups that do not work");
    walk.start("web-0");
    assert_eq!(walk.node.operator(&["flush"]).status(), 0);
    let (ipam, directory) = (walk.node.ipam.clone(), walk.node.directory().to_owned());
    let in_node = |name: &str| directory.join(name).display().to_string();
    for (what, key, value) in [
        ("`regionId` is not this instance's region.", "regionId", "cn-beijing".to_owned()),
        ("`metricsFile` is in a directory that does not exist.", "metricsFile", in_node("none/node.prom")),
        ("`metricsFile` does not end in .prom.", "metricsFile", in_node("node.txt")),
        ("`logFile` is in a directory that does not exist.", "logFile", in_node("none/log")),
        ("`networkInterfaceId` is misspelt.", "networkInterfaceID", Node::ENI.to_owned()),
        ("`credentials` is a string.", "credentials", "default".to_owned()),
        ("`proxy` has no scheme.", "proxy", "proxy.example.com:3128".to_owned()),
        ("Nobody listens at the endpoint.", "endpoint", "http://127.0.0.1:1".to_owned()),
    ] {
        walk.node.set(key, value);
        walk.happens(what);
        walk.asks_doctor();
        walk.node.ipam.clone_from(&ipam);
    }
    let refusal =
        Effect::Error { code: "Brand.New".into(), message: "No.".into(), status: 403, retry_after_ms: None };
    walk.node.cloud.inject(Fault::on(UNASSIGN).effect(refusal));
    walk.happens("ECS refuses to unassign with a code that the plugin does not know, and HTTP 403.");
    walk.asks_doctor();
    walk.node.cloud.clear_faults();
    let files = walk.node.directory().join("broken.d");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("10-pods.conflist"), "{\"name\": \"pods\", \"plugins\": [").unwrap();
    fs::write(files.join("20-second.conflist"), walk.node.conflist().to_string()).unwrap();
    walk.configured_in(files.clone());
    walk.happens("The first of two files of networks ends too early.");
    walk.asks_doctor();
    fs::remove_file(files.join("20-second.conflist")).unwrap();
    walk.happens("There is only that file.");
    walk.types(&["reconcile"]);
    walk
}

fn pods_that_do_not_start() -> Walk {
    let mut walk = Walk::on(node(), "Pods that do not start");
    let taken = walk.start("web-0");
    let refusals = [
        ("ECS has no room on the ENI.", "MaxEniPrivateIpsCountExceeded"),
        ("The vSwitch has no free address.", "InvalidVSwitchId.IpNotEnough"),
        ("ECS denies the permission.", "Forbidden.RAM"),
        // After that ECS is not asked before the next minute.
        ("ECS limits the requests of the account.", "Throttling.User"),
    ];
    walk.fails_to_start("web-1", &format!("IP={taken}"));
    for (what, code) in refusals {
        // For longer than any call lasts, so that it gives up after one answer.
        let effect = Effect::code_with_retry_after(code, Duration::from_hours(1));
        walk.node.cloud.inject(Fault::on(ASSIGN).effect(effect));
        walk.happens(what);
        walk.fails_to_start("web-1", "");
        walk.node.cloud.clear_faults();
    }
    walk.node.set("metadataEndpoint", "http://127.0.0.1:1");
    fs::remove_dir_all(walk.node.store().join("cache")).unwrap();
    walk.happens("The instance has no metadata service any more.");
    walk.fails_to_start("web-1", "");
    walk.asks_doctor();
    walk
}
