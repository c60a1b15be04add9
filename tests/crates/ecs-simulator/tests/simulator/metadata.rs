//! The instance metadata service.

use std::time::Duration;

use ecs_simulator::{Effect, Simulator, TokenMode, World};
use serde_json::Value;

use crate::client::{
    ASSIGN, Answer, Client, DESCRIBE, ENI, UNASSIGN, compose, request, send_and_leave, single_node,
};

const MAC: &str = "00:16:3e:00:00:02";
const TTL: &str = "X-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN: &str = "X-aliyun-ecs-metadata-token";

fn get(simulator: &Simulator, path: &str) -> Answer {
    request(&simulator.metadata_endpoint(), "GET", &format!("/latest/meta-data/{path}"), &[], "")
}

fn text(simulator: &Simulator, path: &str) -> String {
    let answer = get(simulator, path);
    assert_eq!(answer.status, 200, "{path}");
    answer.text()
}

fn token(simulator: &Simulator, headers: &[(&str, &str)]) -> Answer {
    request(&simulator.metadata_endpoint(), "PUT", "/latest/api/token", headers, "")
}

fn credentials(simulator: &Simulator) -> Value {
    get(simulator, "ram/security-credentials/NodeRole").json()
}

#[test]
fn the_node_is_described() {
    let simulator = single_node();
    for (path, value) in [
        ("region-id", "cn-hangzhou"),
        ("zone-id", "cn-hangzhou-i"),
        ("instance-id", World::INSTANCE_ID),
        ("instance/instance-type", "ecs.g7.large"),
        ("mac", "00:16:3e:00:00:01"),
        ("vpc-id", "vpc-bp1simulated0000001"),
        ("vswitch-id", World::VSWITCH_ID),
        ("vpc-cidr-block", "192.168.0.0/16"),
        ("vswitch-cidr-block", "192.168.0.0/24"),
        ("private-ipv4", "192.168.0.10"),
        ("network/interfaces/macs/", "00:16:3e:00:00:01/\n00:16:3e:00:00:02/"),
        ("network/interfaces/macs", "00:16:3e:00:00:01/\n00:16:3e:00:00:02/"),
        ("ram/security-credentials/", "NodeRole"),
    ] {
        assert_eq!(text(&simulator, path), value, "{path}");
    }
    assert!(text(&simulator, "").contains("region-id\n"));
}

#[test]
fn metadata_that_lags_shows_neither_what_was_assigned_lately_nor_that_something_was_unassigned() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let of = [("NetworkInterfaceId", ENI), ("PrivateIpAddress.1", "192.168.0.50")];
    let path = format!("network/interfaces/macs/{MAC}/private-ipv4s");
    let shows = || text(&simulator, &path).contains("192.168.0.50");
    simulator.set_metadata_lag(ENI, Duration::from_hours(1));
    client.call(ASSIGN, &of);
    assert!(!shows() && simulator.addresses(ENI).len() == 1);
    // A description lags by a time of its own.
    let described = client.call(DESCRIBE, &[("NetworkInterfaceId.1", ENI)]).text();
    assert!(described.contains("192.168.0.50"), "{described}");
    simulator.set_metadata_lag(ENI, Duration::ZERO);
    assert!(shows());
    simulator.set_metadata_lag(ENI, Duration::from_hours(1));
    client.call(UNASSIGN, &of);
    assert!(shows() && simulator.addresses(ENI).is_empty());
}

#[test]
fn a_primary_ipv6_address_is_described_as_such_and_shown() {
    let simulator = single_node();
    let primary = "2001:db8:1234:1a00::9";
    simulator.with_world(|world| world.eni_mut(ENI).primary_ipv6 = Some(primary.parse().unwrap()));
    let answer = Client::new(&simulator).call(DESCRIBE, &[("NetworkInterfaceId.1", ENI)]);
    let of_eni = &answer.json()["NetworkInterfaceSets"]["NetworkInterfaceSet"][0]["Ipv6Sets"]["Ipv6Set"];
    assert_eq!(of_eni[0], serde_json::json!({"Ipv6Address": primary, "Primary": true}));
    assert_eq!(text(&simulator, &format!("network/interfaces/macs/{MAC}/ipv6s")), format!("[{primary}]"));
}

#[test]
fn each_eni_is_described() {
    let simulator = single_node();
    simulator.assign(ENI, [192, 168, 0, 50].into());
    for (item, value) in [
        ("network-interface-id", ENI),
        ("primary-ip-address", "192.168.0.11"),
        ("private-ipv4s", r#"["192.168.0.11","192.168.0.50"]"#),
        ("netmask", "255.255.255.0"),
        ("gateway", "192.168.0.253"),
        ("vswitch-id", World::VSWITCH_ID),
        ("vswitch-cidr-block", "192.168.0.0/24"),
        ("vpc-id", "vpc-bp1simulated0000001"),
        ("vpc-cidr-block", "192.168.0.0/16"),
        ("ipv6-gateway", "2001:db8:1234:1a00:ffff:ffff:ffff:fff5"),
        ("vswitch-ipv6-cidr-block", "2001:db8:1234:1a00::/64"),
        ("vpc-ipv6-cidr-blocks", "[2001:db8:1234:1a00::/56]"),
    ] {
        assert_eq!(text(&simulator, &format!("network/interfaces/macs/{MAC}/{item}")), value, "{item}");
    }
}

#[test]
fn ipv6_addresses_are_listed_without_quotes_and_only_where_there_are_any() {
    let simulator = single_node();
    let path = format!("network/interfaces/macs/{MAC}/ipv6s");
    assert_eq!(get(&simulator, &path).status, 404);
    for last in 1..=2_u16 {
        simulator.assign(ENI, [0x2001, 0xdb8, 0x1234, 0x1a00, 0, 0, 0, last].into());
    }
    assert_eq!(text(&simulator, &path), "[2001:db8:1234:1a00::1,2001:db8:1234:1a00::2]");
    assert!(text(&simulator, &format!("network/interfaces/macs/{MAC}/")).contains("ipv6s\n"));
}

#[test]
fn what_is_not_there_is_not_found() {
    let simulator = single_node();
    for path in [
        "unknown",
        "network/interfaces/macs/00:16:3e:00:00:99/gateway",
        "network/interfaces/macs/00:16:3e:00:00:02/unknown",
        "ram/security-credentials/OtherRole",
    ] {
        assert_eq!(get(&simulator, path).status, 404, "{path}");
    }
    simulator.with_world(|world| world.role.name.clear());
    assert_eq!(get(&simulator, "ram/security-credentials/").status, 404);
}

#[test]
fn tokens_are_issued_with_a_lifetime_and_not_through_proxies() {
    let simulator = single_node();
    for (headers, status) in [
        (&[(TTL, "21600")][..], 200),
        (&[(TTL, "1")], 200),
        (&[(TTL, "0")], 400),
        (&[(TTL, "21601")], 400),
        (&[(TTL, "soon")], 400),
        (&[], 400),
        (&[(TTL, "60"), ("X-Forwarded-For", "192.0.2.1")], 403),
    ] {
        assert_eq!(token(&simulator, headers).status, status, "{headers:?}");
    }
}

#[test]
fn a_token_can_be_demanded_and_is_checked_in_any_case() {
    let simulator = Simulator::start(World::single_node().with_token_mode(TokenMode::Required)).unwrap();
    let get = |headers: &[(&str, &str)]| {
        request(&simulator.metadata_endpoint(), "GET", "/latest/meta-data/region-id", headers, "").status
    };
    let issued = token(&simulator, &[(TTL, "60")]).text();
    assert_eq!(get(&[]), 403);
    assert_eq!(get(&[(TOKEN, &issued)]), 200);
    simulator.with_world(|world| world.token_mode = TokenMode::Optional);
    assert_eq!(get(&[(TOKEN, "made up")]), 401);
    simulator.set_clock_offset(61);
    assert_eq!(get(&[(TOKEN, &issued)]), 401, "it has ended");
    assert_eq!(get(&[]), 200);
    let had_token: Vec<_> = simulator.metadata_requests().iter().map(|request| request.2).collect();
    assert_eq!(had_token, [false, false, true, true, true, false]);
    assert_eq!(simulator.metadata_requests()[0].0, "PUT");
}

#[test]
fn credentials_of_the_role_are_good_until_they_end() {
    let world = World::single_node().with_role_lifetime(Duration::from_mins(10));
    let simulator = Simulator::start(world).unwrap();
    let first = credentials(&simulator);
    assert_eq!(first["Code"], "Success");
    assert_eq!(credentials(&simulator), first);
    let code =
        |document: &Value| Client::new(&simulator).with_credentials(document).call(DESCRIBE, &[]).code();
    assert_eq!(code(&first), "");

    simulator.set_clock_offset(301);
    let second = credentials(&simulator);
    assert_ne!(second["AccessKeyId"], first["AccessKeyId"]);
    assert_eq!((code(&first), code(&second)), (String::new(), String::new()));

    simulator.set_clock_offset(601);
    assert_eq!(code(&first), "InvalidSecurityToken.Expired");
    assert_eq!(code(&second), "");
}

#[test]
fn a_credentials_uri_answers_the_same() {
    let simulator = single_node();
    let answer = request(&simulator.endpoint(), "GET", "/credentials", &[], "");
    assert_eq!(answer.json(), credentials(&simulator));
    simulator.inject_metadata("/credentials", Effect::Html { status: 502 }, 1);
    assert_eq!(request(&simulator.endpoint(), "GET", "/credentials", &[], "").status, 502);
    assert_eq!(request(&simulator.endpoint(), "GET", "/credentials", &[], "").status, 200);
}

#[test]
fn metadata_fails_by_path() {
    let simulator = single_node();
    let error = |status| Effect::Error {
        code: String::new(),
        message: "busy".to_owned(),
        status,
        retry_after_ms: None,
    };
    simulator.inject_metadata("/latest/meta-data/region", error(429), 1);
    simulator.inject_metadata("/latest/meta-data/zone", Effect::Garbage, None);
    simulator.inject_metadata("/latest/meta-data/mac", Effect::Stall, None);
    let answer = get(&simulator, "region-id");
    assert_eq!((answer.status, answer.text().as_str()), (429, "busy"));
    assert_eq!(get(&simulator, "region-id").status, 200);
    assert!(get(&simulator, "zone-id").body.starts_with(b"\0"));
    let stalled = compose("GET", "/latest/meta-data/mac", &[], "");
    assert!(send_and_leave(&simulator.metadata_endpoint(), &stalled).is_empty());
    assert_eq!(get(&simulator, "instance-id").status, 200);
    simulator.clear_faults();
    assert_eq!(text(&simulator, "zone-id"), "cn-hangzhou-i");
}

#[test]
fn metadata_is_read_only() {
    let simulator = single_node();
    let answer = request(&simulator.metadata_endpoint(), "POST", "/latest/meta-data/region-id", &[], "x");
    assert_eq!(answer.status, 405);
}
