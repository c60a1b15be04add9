//! ADD.

use std::time::Duration;

use harness::{Effect, Fault, World};
use serde_json::json;

use crate::node;

#[test]
fn an_add_gets_an_address_that_is_on_the_eni_and_recorded() {
    let node = node();
    let answer = node.add("c1");
    let address = answer.address();
    assert_eq!(
        answer.result()["ips"],
        json!([{"address": format!("{address}/24"), "gateway": "192.168.0.11"}])
    );
    assert!(node.on_eni().contains(&address));
    assert_eq!(node.on_eni(), node.recorded());
    assert_eq!(node.counts(), [0, 1, 0, 0]);
}

#[test]
fn an_add_that_is_repeated_gets_the_same_address_again() {
    let node = node();
    assert_eq!(node.add("c1").address(), node.add("c1").address());
    assert_eq!(node.on_eni().len(), 1);
    assert_eq!(node.cloud.count("AssignPrivateIpAddresses"), 1);
}

#[test]
fn the_full_result_has_the_addresses_routes_and_dns_of_the_configuration() {
    let node = node().with("routes", json!([{"dst": "0.0.0.0/0"}])).with("ipv6", true);
    let resolv_conf = node.directory().join("resolv.conf");
    std::fs::write(&resolv_conf, "nameserver 100.100.2.136\nsearch example.com\n").unwrap();
    let node = node.with("resolvConf", resolv_conf.to_str());
    let result = node.add("c0").result();
    assert_eq!(result["routes"], json!([{"dst": "0.0.0.0/0"}]));
    assert_eq!(result["dns"], json!({"nameservers": ["100.100.2.136"], "search": ["example.com"]}));
    let ips = result["ips"].as_array().unwrap();
    assert_eq!(ips[1]["gateway"], "fe80::1");
    assert!(ips[1]["address"].as_str().unwrap().ends_with("/64"));
}

#[test]
fn with_the_subnet_off_a_pod_gets_an_ipv6_address_only() {
    let node = node().with("ipv6", true).with("subnet", "off");
    let addresses = node.add("c0").addresses();
    assert!(addresses.len() == 1 && addresses[0].is_ipv6());
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.cloud.count("UnassignPrivateIpAddresses") == 0);
}

#[test]
fn a_requested_address_is_assigned() {
    let node = node();
    for (container, wanted, answer) in [
        (
            "c0",
            "192.168.0.50",
            node.call("ADD", "c0").env("CNI_ARGS", "IgnoreUnknown=1;IP=192.168.0.50").run(),
        ),
        (
            "c1",
            "192.168.0.51",
            node.call("ADD", "c1").config(|it| it["args"] = json!({"cni": {"ips": ["192.168.0.51"]}})).run(),
        ),
        (
            "c2",
            "192.168.0.52",
            node.call("ADD", "c2")
                .config(|it| it["runtimeConfig"] = json!({"ips": ["192.168.0.52/24"]}))
                .run(),
        ),
    ] {
        assert_eq!(answer.address().to_string(), wanted);
        node.del(container).ok();
    }
    assert!(node.on_eni().is_empty());
}

#[test]
fn a_requested_address_that_cannot_be_had_is_refused_and_nothing_is_left() {
    let node = node();
    let outside = node.call("ADD", "c0").env("CNI_ARGS", "IP=10.0.0.1").run().error(114);
    assert!(outside.contains("10.0.0.1") && outside.contains("192.168.0.0/24"), "{outside}");
    let taken = node.add("c1").address();
    let refused = node.call("ADD", "c2").env("CNI_ARGS", format!("IP={taken}")).run().error(114);
    assert!(refused.contains("InvalidIp.IpAssigned"), "{refused}");
    assert_eq!(node.counts(), [0, 1, 0, 0]);
}

#[test]
fn a_requested_address_that_is_in_use_is_said_to_be_whichever_code_ecs_has_for_that() {
    let node = node();
    for code in [
        "InvalidIp.IpAssigned",
        "InvalidIp.IpRepeated",
        "InvalidPrivateIpAddress.Duplicated",
        "InvalidIPAddress.AlreadyUsed",
    ] {
        node.cloud.inject(Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::code(code)));
        let text = node.call("ADD", "c0").env("CNI_ARGS", "IP=192.168.0.9").run().error(114);
        assert!(text.contains("192.168.0.9 was requested but is already in use: choose another"), "{text}");
        assert!(text.contains(code), "{text}");
    }
    assert!(node.records().is_empty() && node.on_eni().is_empty(), "{}", node.scene());
}

#[test]
fn what_the_configuration_leaves_out_comes_from_metadata_and_is_asked_for_once() {
    let mut node = node();
    node.ipam.remove("networkInterfaceId");
    let address = node.add("c0").address();
    assert!(node.cloud.addresses(harness::World::PRIMARY_ENI).contains(&address));
    let asked = node.cloud.metadata_requests().len();
    assert!(asked > 0);
    let _ = node.add("c1").address();
    node.del("c0").ok();
    node.del("c1").ok();
    assert_eq!(node.cloud.metadata_requests().len(), asked);
    assert_eq!(node.cloud.count("DescribeNetworkInterfaces"), 1);
}

#[test]
fn a_role_is_opened_at_the_sts_server_of_the_configuration() {
    let mut node = node();
    let sts = node.cloud.endpoint();
    node.set("credentials", json!({"source": "oidc", "stsEndpoint": sts}));
    let token = node.directory().join("token");
    std::fs::write(&token, node.cloud.with_world(|world| world.oidc_token.clone())).unwrap();
    let answer = node
        .call("ADD", "c0")
        .env("ALIBABA_CLOUD_ROLE_ARN", node.cloud.with_world(|world| world.role_arn()))
        .env("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", World::OIDC_PROVIDER_ARN)
        .env("ALIBABA_CLOUD_OIDC_TOKEN_FILE", &token)
        .run();
    let _ = answer.address();
    assert_eq!(node.cloud.count("AssumeRoleWithOIDC"), 1, "{}", node.scene());
}

#[test]
fn a_gateway_that_is_not_on_the_link_is_refused_before_an_address_is_assigned() {
    for (key, value) in [("gateway", "10.0.0.1"), ("subnet", "192.168.0.128/25")] {
        let node = node().with(key, value);
        let text = node.add("c0").error(7);
        assert!(text.contains(&format!("ipam.{key} is {value}")), "{text}");
        assert_eq!(node.cloud.count("AssignPrivateIpAddresses"), 0);
    }
}

#[test]
fn an_eni_that_is_not_this_nodes_is_not_touched() {
    let mut other = harness::simulator::Eni::new(
        "eni-bp1other00000000000001",
        "00:16:3e:00:00:99",
        [192, 168, 0, 99].into(),
    );
    other.instance_id = Some("i-another".into());
    let node = crate::node_in(harness::World::single_node().with_eni(other))
        .with("networkInterfaceId", "eni-bp1other00000000000001");
    let text = node.add("c0").error(113);
    assert!(text.contains("eni-bp1other00000000000001") && text.contains("networkInterfaceId"), "{text}");
    assert_eq!(node.cloud.count("AssignPrivateIpAddresses"), 0);
}

#[test]
fn an_eni_of_a_cloud_service_is_not_touched() {
    let node = node();
    node.cloud.with_world(|world| world.eni_mut(harness::Node::ENI).service_managed = true);
    let _ = node.add("c0").error(113);
    assert_eq!(node.cloud.count("AssignPrivateIpAddresses"), 0);
}

#[test]
fn the_secret_is_in_no_log_and_no_file() {
    let node = node().with("logLevel", "trace");
    let _ = node.add("c0").address();
    node.cloud.inject(
        harness::Fault::on("UnassignPrivateIpAddresses")
            .effect(harness::Effect::code("SignatureDoesNotMatch")),
    );
    node.del("c0").ok();
    let scene = node.scene().to_string();
    assert!(scene.contains("SignatureDoesNotMatch"));
    assert!(!scene.contains(harness::World::ACCESS_KEY_SECRET));
}

#[test]
fn after_a_refusal_for_the_quota_the_next_adds_do_not_ask_ecs() {
    let node = node().with("timeoutSeconds", 5);
    // Longer than any call.
    let effect = Effect::code_with_retry_after("Throttling.User", Duration::from_mins(2));
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").times(1).effect(effect));
    for pod in ["c1", "c2", "c1"] {
        let said = node.add(pod).error(11);
        assert!(said.contains("Throttling.User") && said.contains("Quota Center"), "{said}");
    }
    assert_eq!(node.cloud.count("AssignPrivateIpAddresses"), 1, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}
