//! What metadata and ECS say.

use harness::simulator::{EniStatus, Permission, TokenMode};
use harness::{Answer, Effect, Fault, Node, World};

use super::{doctor, expect, lines};
use crate::{node, node_in};

#[test]
fn a_permission_that_is_missing_is_named() {
    for missing in ["DescribeNetworkInterfaces", "UnassignPrivateIpAddresses", "AssignPrivateIpAddresses"] {
        let all = ["DescribeNetworkInterfaces", "UnassignPrivateIpAddresses", "AssignPrivateIpAddresses"];
        let others = all.into_iter().filter(|action| *action != missing);
        let mut world = World::single_node();
        world.access_keys.get_mut(World::ACCESS_KEY_ID).unwrap().permission = Permission::only(others);
        let answer = doctor(&node_in(world));
        expect(&answer, "permissions", "fail", &[&format!("grant ecs:{missing}")]);
        expect_endpoint(&answer);
    }
}

/// That ECS refuses something does not mean that it does not answer.
#[track_caller]
fn expect_endpoint(answer: &Answer) {
    assert!(lines(answer, "endpoint")[0].starts_with("ok"), "{answer:?}");
}

#[test]
fn what_cannot_be_tested_is_said_not_to_be() {
    let mut world = World::single_node();
    let permitted = ["DescribeNetworkInterfaces", "UnassignPrivateIpAddresses", "AssignPrivateIpAddresses"];
    world.access_keys.get_mut(World::ACCESS_KEY_ID).unwrap().permission = Permission::only(permitted);
    let node = node_in(world);
    expect(&doctor(&node), "quota", "warn", &["not tested", "ecs:DescribeInstanceTypes"]);
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").effect(Effect::code("InvalidParameter")));
    expect(&doctor(&node), "permissions", "warn", &["not tested", "InvalidParameter"]);
}

#[test]
fn without_credentials_the_sources_are_named() {
    let node = node();
    let answer = node.command(&["doctor", "--json"]).without("ALIBABA_CLOUD_ACCESS_KEY_ID").run();
    expect(&answer, "credentials", "fail", &["ALIBABA_CLOUD_ACCESS_KEY_ID"]);
    assert!(lines(&answer, "endpoint")[0].contains("not tested"), "{answer:?}");
}

#[test]
fn a_temporary_key_is_shown_with_its_end_and_without_its_secret() {
    let mut node = node();
    node.ipam.insert("credentials".into(), serde_json::json!({"source": "ecs-ram-role"}));
    let answer = doctor(&node);
    expect(&answer, "credentials", "ok", &["STS.", "ecs_ram_role", "expires at 20"]);
}

#[test]
fn the_mode_of_the_metadata_service_is_told() {
    let node = node_in(World::single_node().with_token_mode(TokenMode::Required));
    expect(&doctor(&node), "metadata", "ok", &["hardened"]);
    let node = self::node();
    node.cloud.inject_metadata("/latest/api/token", Effect::Empty { status: 404 }, None);
    expect(&doctor(&node), "metadata", "ok", &["normal"]);
    let node = self::node().with("metadataEndpoint", "http://127.0.0.1:1");
    expect(&doctor(&node), "metadata", "fail", &["127.0.0.1:1"]);
}

#[test]
fn an_endpoint_that_does_not_answer_is_named() {
    let node = node().with("endpoint", "http://127.0.0.1:1");
    expect(&doctor(&node), "endpoint", "fail", &["127.0.0.1:1"]);
    let node = self::node();
    node.cloud.inject(Fault::on("DescribeNetworkInterfaces").effect(Effect::Html { status: 502 }));
    expect(&doctor(&node), "endpoint", "fail", &["HTTP 502"]);
}

#[test]
fn a_clock_that_is_wrong_is_told_by_how_much() {
    let node = node();
    node.cloud.set_clock_offset(3600);
    expect(&doctor(&node), "clock", "warn", &["behind that of ECS"]);
}

#[test]
fn an_eni_that_pods_cannot_get_addresses_of_fails() {
    let node = node();
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).service_managed = true);
    expect(&doctor(&node), "eni", "fail", &["cloud service"]);
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = None);
    expect(&doctor(&node), "eni", "fail", &["not attached"]);
    assert_eq!(node.cloud.count("UnassignPrivateIpAddresses"), 0);
}

#[test]
fn an_eni_that_is_on_its_way_elsewhere_is_a_warning() {
    let node = node();
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).status = EniStatus::Detaching);
    expect(&doctor(&node), "eni", "warn", &[Node::ENI, "Detaching", "not InUse"]);
}

#[test]
fn an_eni_without_an_address_left_is_worth_a_warning() {
    let node = node_in(World::single_node().with_quota(2, 2));
    let _ = node.add("c0").address();
    expect(&doctor(&node), "quota", "warn", &["2 of 2"]);
}

#[test]
fn an_unknown_refusal_that_looks_like_a_missing_permission_fails() {
    for (code, status) in [("Brand.New", 403), ("Brand.New", 401), ("NoPermission.Later", 400)] {
        for action in ["DescribeNetworkInterfaces", "UnassignPrivateIpAddresses", "AssignPrivateIpAddresses"]
        {
            let node = node();
            let refusal =
                Effect::Error { code: code.into(), message: "No.".into(), status, retry_after_ms: None };
            node.cloud.inject(Fault::on(action).effect(refusal));
            let grant = format!("grant ecs:{action}");
            expect(
                &doctor(&node),
                "permissions",
                "fail",
                &[code, "probably a permission is missing", &grant],
            );
        }
    }
    let node = node();
    let refusal =
        Effect::Error { code: "Brand.New".into(), message: "No.".into(), status: 400, retry_after_ms: None };
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").effect(refusal));
    expect(&doctor(&node), "permissions", "warn", &["not tested", "Brand.New"]);
}

#[test]
fn a_permission_that_a_refusal_only_suggests_is_called_probable() {
    let answer = doctor(&node());
    let line = &lines(&answer, "permissions")[0];
    let (granted, probably) = line.split_once("; probably granted").unwrap();
    assert!(granted.contains("DescribeNetworkInterfaces") && !granted.contains("Assign"), "{line}");
    assert!(probably.contains("UnassignPrivateIpAddresses, AssignPrivateIpAddresses"), "{line}");
}

#[test]
fn a_key_that_ecs_does_not_take_is_not_called_a_permission() {
    let node = node();
    node.cloud
        .inject(Fault::on("DescribeNetworkInterfaces").effect(Effect::code("InvalidAccessKeyId.NotFound")));
    expect(&doctor(&node), "credentials", "fail", &["InvalidAccessKeyId"]);
    node.cloud.clear_faults();
    node.cloud.inject(Fault::on("DescribeNetworkInterfaces").effect(Effect::code("Throttling.User")));
    expect(&doctor(&node), "permissions", "warn", &["not tested", "Throttling.User"]);
}

#[test]
fn a_region_that_is_not_this_instances_fails() {
    let node = node().with("regionId", "cn-beijing");
    let answer = doctor(&node);
    expect(&answer, "region", "fail", &["cn-beijing", "cn-hangzhou", "leave it out"]);
    assert_eq!(answer.json()["summary"]["first"]["name"], "region");
    let node = self::node().with("regionId", "cn-hangzhou");
    assert!(lines(&doctor(&node), "region").is_empty());
}

#[test]
fn a_subnet_that_has_not_every_address_of_the_vswitch_fails() {
    for subnet in ["10.0.0.0/24", "192.168.0.0/25"] {
        let mut node = node().with("subnet", subnet);
        let gateway = if subnet.starts_with("10.") { "10.0.0.253" } else { "192.168.0.100" };
        node.set("gateway", gateway);
        expect(&doctor(&node), "subnet", "fail", &[subnet, "192.168.0.0/24"]);
    }
    let node = node().with("subnet", "10.0.0.0/24");
    expect(&doctor(&node), "subnet", "fail", &["10.0.0.0/24", "192.168.0.0/24"]);
    assert!(!doctor(&node).stdout().contains("the gateway"));
    let mut conflist = node.conflist();
    conflist["plugins"][0]["type"] = "ipvlan".into();
    let path = node.directory().join("ipvlan.conflist");
    std::fs::write(&path, conflist.to_string()).unwrap();
    let answer = node.operator_with(&path, &["doctor", "--json"]);
    expect(&answer, "subnet", "fail", &["the gateway 192.168.0.253 is not in 10.0.0.0/24"]);
    let mut node = self::node().with("subnet", "192.168.0.0/16");
    assert!(lines(&doctor(&node), "subnet").is_empty());
    node.set("ipv6", true);
    node.set("subnet6", "2001:db8:ffff::/64");
    expect(&doctor(&node), "subnet", "fail", &["ipam.subnet6 is 2001:db8:ffff::/64"]);
}

#[test]
fn without_ipv6_in_the_vswitch_ipv6_fails() {
    let node = node().with("ipv6", true);
    node.cloud.inject_metadata(
        "/latest/meta-data/network/interfaces/macs/",
        Effect::Empty { status: 404 },
        None,
    );
    let answer = doctor(&node);
    assert_eq!(answer.status(), 1, "{answer:?}");
}

#[test]
fn a_stalled_endpoint_is_waited_for_once() {
    let mut node = node();
    node.set("timeoutSeconds", 2);
    node.cloud.inject(Fault::on("DescribeNetworkInterfaces").effect(Effect::Stall));
    expect(&doctor(&node), "endpoint", "fail", &[]);
    assert_eq!(node.cloud.count("DescribeNetworkInterfaces"), 1);
}
