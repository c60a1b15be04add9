//! Assigning and unassigning addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::client::{ASSIGN, Client, ENI, UNASSIGN, assigned, single_node};
use ecs_simulator::{AddressPolicy, EniStatus, InstanceState, Quota, Simulator, World};

const V6_ASSIGN: &str = "AssignIpv6Addresses";
const V6_UNASSIGN: &str = "UnassignIpv6Addresses";
const COUNT: &str = "SecondaryPrivateIpAddressCount";

fn set(addresses: &[&str]) -> BTreeSet<IpAddr> {
    addresses.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn assigned_addresses_are_on_the_eni_until_they_are_unassigned() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let addresses = client.assign(3);
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    assert_eq!(simulator.addresses(ENI), set(&addresses));
    let answer = client.unassign(&addresses[..2]);
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), ["RequestId"]);
    assert_eq!(simulator.addresses(ENI), set(&addresses[2..]));

    let ledger = simulator.ledger();
    assert!(ledger.iter().all(|entry| entry.executed && entry.answered && entry.status == 200));
    assert_eq!(ledger[0].addresses.len(), 3, "an Assign by number is noted with what it answered");
    assert_eq!(ledger[1].eni.as_deref(), Some(ENI));
    assert!(ledger[1].ended_ms.unwrap() >= ledger[1].started_ms);
    assert_eq!((simulator.count(ASSIGN), simulator.count(UNASSIGN)), (1, 1));
}

#[test]
fn one_address_that_is_not_there_saves_the_others() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    simulator.assign(ENI, [192, 168, 0, 50].into());
    for stranger in ["192.168.0.51", "192.168.0.11"] {
        let answer = client.unassign(&["192.168.0.50", stranger]);
        assert_eq!((answer.status, answer.code().as_str()), (403, "InvalidIp.IpUnassigned"));
        assert!(answer.json()["Message"].as_str().unwrap().contains(stranger));
    }
    assert_eq!(simulator.addresses(ENI), set(&["192.168.0.50"]));
    assert!(simulator.ledger().iter().all(|entry| !entry.executed && entry.answered));
}

#[test]
fn an_unassign_names_one_to_thirty_two_addresses() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    assert_eq!(client.unassign(&[]).code(), "MissingParameter");
    let many: Vec<_> = (100..133).map(|last| format!("192.168.0.{last}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(client.unassign(&many).code(), "InvalidParameter");
    assert_eq!(client.unassign(&many[1..]).code(), "InvalidIp.IpUnassigned");
    assert_eq!(client.unassign(&["192.168.0.256"]).code(), "InvalidParameter");
    assert_eq!(client.unassign(&["2001:db8:1234:1a00::1"]).code(), "InvalidParameter");
    assert_eq!(client.unassign(&["192.168.0.1", "192.168.0.1"]).code(), "InvalidPrivateIpAddress.Duplicated");
}

#[test]
fn parameters_that_have_to_be_there() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    for (action, name) in [
        (UNASSIGN, "RegionId"),
        (UNASSIGN, "NetworkInterfaceId"),
        (ASSIGN, "RegionId"),
        (ASSIGN, "NetworkInterfaceId"),
    ] {
        let all = [("NetworkInterfaceId", ENI), ("PrivateIpAddress.1", "192.168.0.1")];
        let mut own: Vec<_> = all.into_iter().filter(|(key, _)| *key != name).collect();
        own.push((name, ""));
        let answer = client.call(action, &own);
        assert_eq!(answer.code(), "MissingParameter", "{action}");
        assert!(answer.json()["Message"].as_str().unwrap().contains(name));
    }
}

#[test]
fn an_eni_of_another_region_is_unknown() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    simulator.assign(ENI, [192, 168, 0, 50].into());
    let address = ("PrivateIpAddress.1", "192.168.0.50");
    let elsewhere =
        client.call(UNASSIGN, &[("NetworkInterfaceId", ENI), address, ("RegionId", "cn-beijing")]);
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (404, "InvalidEniId.NotFound"));
    let unknown = client.call(UNASSIGN, &[("NetworkInterfaceId", "eni-unknown"), address]);
    assert_eq!(unknown.code(), "InvalidEniId.NotFound");
}

#[test]
fn states_decide_whether_an_eni_can_be_changed() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    simulator.assign(ENI, [192, 168, 0, 50].into());
    simulator.assign(World::PRIMARY_ENI, [192, 168, 0, 51].into());
    let code = |eni: &str, last: &str| {
        client.call(UNASSIGN, &[("NetworkInterfaceId", eni), ("PrivateIpAddress.1", last)]).code()
    };

    for status in [EniStatus::Attaching, EniStatus::Detaching, EniStatus::Deleting] {
        simulator.with_world(|world| world.eni_mut(ENI).status = status);
        assert_eq!(code(ENI, "192.168.0.50"), "InvalidOperation.InvalidEniState");
    }
    simulator.with_world(|world| world.eni_mut(ENI).status = EniStatus::Available);
    simulator.with_world(|world| world.instance.state = InstanceState::Stopping);
    assert_eq!(code(World::PRIMARY_ENI, "192.168.0.51"), "InvalidOperation.InvalidEcsState");
    assert_eq!(code(ENI, "192.168.0.50"), "", "only the primary ENI depends on the instance");
    simulator.with_world(|world| world.instance.state = InstanceState::Stopped);
    assert_eq!(code(World::PRIMARY_ENI, "192.168.0.51"), "");
    simulator.with_world(|world| world.eni_mut(ENI).service_managed = true);
    assert_eq!(code(ENI, "192.168.0.50"), "InvalidOperation.EniServiceManaged");
}

#[test]
fn addresses_can_be_asked_for_by_name() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let ask =
        |address: &str| client.call(ASSIGN, &[("NetworkInterfaceId", ENI), ("PrivateIpAddress.1", address)]);
    assert_eq!(assigned(&ask("192.168.0.77")), ["192.168.0.77"]);
    for (address, code) in [
        ("192.168.0.77", "InvalidIp.IpAssigned"),
        ("192.168.0.10", "InvalidIp.IpAssigned"),
        ("192.168.1.77", "InvalidVSwitchId.IpInvalid"),
        ("192.168.0.254", "InvalidVSwitchId.IpInvalid"),
        ("192.168.0", "InvalidParameter"),
    ] {
        assert_eq!(ask(address).code(), code, "{address}");
    }
}

#[test]
fn an_assign_asks_for_addresses_or_for_a_number_of_them() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let code =
        |own: &[(&str, &str)]| client.call(ASSIGN, &[&[("NetworkInterfaceId", ENI)], own].concat()).code();
    assert_eq!(code(&[]), "MissingParameter");
    assert_eq!(code(&[(COUNT, "0")]), "InvalidParameter");
    assert_eq!(code(&[(COUNT, "50")]), "InvalidParameter");
    assert_eq!(code(&[(COUNT, "two")]), "InvalidParameter");
    assert_eq!(code(&[(COUNT, "1"), ("PrivateIpAddress.1", "192.168.0.1")]), "InvalidParameter");
    assert_eq!(code(&[("Ipv4PrefixCount", "1")]), "UnsupportedParameter");
    assert!(simulator.addresses(ENI).is_empty());
}

/// The code of a request about so many addresses, which are on the ENI where they are to be unassigned.
fn code_of_many(simulator: &Simulator, action: &str, count: usize) -> String {
    let client = Client::new(simulator);
    let (listed, number, start) = match action {
        ASSIGN | UNASSIGN => ("PrivateIpAddress", COUNT, "192.168.0."),
        _ => ("Ipv6Address", "Ipv6AddressCount", "2001:db8:1234:1a00::"),
    };
    let count = count.to_string();
    let addresses: Vec<_> = (0..count.parse().unwrap()).map(|it| format!("{start}{}", 100 + it)).collect();
    let names: Vec<_> = (1..=addresses.len()).map(|it| format!("{listed}.{it}")).collect();
    let mut own = vec![("NetworkInterfaceId", ENI)];
    if action.starts_with("Assign") {
        own.push((number, &count));
    } else {
        own.extend(names.iter().map(String::as_str).zip(addresses.iter().map(String::as_str)));
        simulator.with_world(|world| world.eni_mut(ENI).addresses = set(&own_values(&own[1..])));
    }
    client.call(action, &own).code()
}

fn own_values<'a>(own: &[(&str, &'a str)]) -> Vec<&'a str> {
    own.iter().map(|(_, value)| *value).collect()
}

#[test]
fn how_many_addresses_a_request_may_be_about_can_be_chosen() {
    let actions = [ASSIGN, UNASSIGN, V6_ASSIGN, V6_UNASSIGN];
    for (most, accepted, refused) in [(Some(10), 10, Some(11)), (Some(32), 32, Some(33)), (None, 60, None)] {
        let simulator = Simulator::start(World::single_node().with_most_per_request(most)).unwrap();
        for action in actions {
            assert_eq!(code_of_many(&simulator, action, accepted), "", "{action} {most:?}");
            if let Some(refused) = refused {
                assert_eq!(
                    code_of_many(&simulator, action, refused),
                    "InvalidParameter",
                    "{action} {most:?}"
                );
            }
        }
    }
    // What the documents say, and another code.
    for (action, most) in actions.into_iter().zip([49, 32, 10, 10]) {
        let simulator = single_node();
        simulator.with_world(|world| world.per_request.code = "Brand.New".to_owned());
        assert_eq!(code_of_many(&simulator, action, most), "", "{action}");
        assert_eq!(code_of_many(&simulator, action, most + 1), "Brand.New", "{action}");
    }
}

#[test]
fn an_eni_may_have_a_quota_of_its_own() {
    let simulator = Simulator::start(World::single_node().with_quota(2, 1)).unwrap();
    simulator.with_world(|world| world.eni_mut(ENI).quota = Some(Quota { ipv4: 4, ipv6: 1 }));
    let client = Client::new(&simulator);
    assert_eq!(client.assign(3).len(), 3);
    assert_eq!(
        client.call(ASSIGN, &[("NetworkInterfaceId", ENI), (COUNT, "1")]).code(),
        "QuotaExceeded.PrivateIpAddress"
    );
}

#[test]
fn the_quota_includes_the_primary_address() {
    let simulator = Simulator::start(World::single_node().with_quota(4, 1)).unwrap();
    let client = Client::new(&simulator);
    client.assign(3);
    let answer = client.call(ASSIGN, &[("NetworkInterfaceId", ENI), (COUNT, "1")]);
    assert_eq!((answer.status, answer.code().as_str()), (403, "QuotaExceeded.PrivateIpAddress"));
    let v6 = || client.call(V6_ASSIGN, &[("NetworkInterfaceId", ENI), ("Ipv6AddressCount", "1")]).code();
    assert_eq!((v6().as_str(), v6().as_str()), ("", "InvalidOperation.Ipv6CountExceeded"));
}

#[test]
fn a_vswitch_runs_out_of_addresses() {
    let world = World::single_node().with_vswitch("10.0.0.0/28", "10.0.0.13");
    let simulator = Simulator::start(world).unwrap();
    let client = Client::new(&simulator);
    client.assign(9);
    let ask = |count: &str| client.call(ASSIGN, &[("NetworkInterfaceId", ENI), (COUNT, count)]);
    assert_eq!(ask("2").code(), "InvalidVSwitchId.IpNotEnough");
    assert_eq!(assigned(&ask("1")), ["10.0.0.12"]);
    assert_eq!(ask("1").code(), "InvalidVSwitchId.IpNotEnough");
}

#[test]
fn a_released_address_comes_back_at_once_or_late() {
    for (policy, again) in [(AddressPolicy::LowestFree, true), (AddressPolicy::RoundRobin, false)] {
        let simulator = Simulator::start(World::single_node().with_policy(policy)).unwrap();
        let client = Client::new(&simulator);
        let first = client.assign(1);
        client.unassign(&[&first[0]]);
        assert_eq!(client.assign(1) == first, again, "{policy:?}");
    }
}

#[test]
fn two_hundred_addresses_fit_on_an_eni() {
    let world = World::single_node().with_vswitch("192.168.0.0/20", "192.168.15.253");
    let simulator = Simulator::start(world).unwrap();
    let client = Client::new(&simulator);
    for _ in 0..5 {
        client.assign(40);
    }
    assert_eq!(simulator.addresses(ENI).len(), 200);
}

#[test]
fn a_client_token_makes_an_assign_repeatable() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let ask = |token: &str, count: &str| {
        client.call(ASSIGN, &[("NetworkInterfaceId", ENI), (COUNT, count), ("ClientToken", token)])
    };
    let first = assigned(&ask("token-1", "2"));
    assert_eq!(assigned(&ask("token-1", "2")), first);
    assert_eq!(simulator.addresses(ENI).len(), 2, "nothing more was assigned");

    let answer = ask("token-1", "3");
    assert_eq!((answer.status, answer.code().as_str()), (400, "IdempotentParameterMismatch"));
    assert_ne!(assigned(&ask("token-2", "2")), first);

    client.unassign(&[&first[0], &first[1]]);
    assert_eq!(assigned(&ask("token-1", "2")), first, "the answer stays the same");
    assert_eq!(simulator.addresses(ENI).len(), 2, "but the addresses do not come back");

    let executed: Vec<_> = simulator.ledger().iter().map(|entry| entry.executed).collect();
    assert_eq!(executed, [true, false, false, true, true, false]);
    assert_eq!(simulator.ledger()[0].client_token.as_deref(), Some("token-1"));
    assert_eq!(ask(&"x".repeat(65), "1").code(), "InvalidParameter");
}

#[test]
fn a_client_token_holds_whatever_the_signature_method() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let own = [("NetworkInterfaceId", ENI), (COUNT, "1"), ("ClientToken", "t")];
    let first = assigned(&client.call(ASSIGN, &own));
    let query = [&own[..], &[("RegionId", World::REGION_ID)]].concat();
    assert_eq!(assigned(&client.acs3(ASSIGN, &query)), first);
}

#[test]
fn a_failed_assign_leaves_its_token_free() {
    let simulator = Simulator::start(World::single_node().with_quota(1, 0)).unwrap();
    let client = Client::new(&simulator);
    let ask = || client.call(ASSIGN, &[("NetworkInterfaceId", ENI), (COUNT, "1"), ("ClientToken", "t")]);
    assert_eq!(ask().code(), "QuotaExceeded.PrivateIpAddress");
    simulator.with_world(|world| world.quota.ipv4 = 2);
    assert_eq!(assigned(&ask()).len(), 1);
}

#[test]
fn ipv6_addresses_have_actions_of_their_own() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let answer = client.call(V6_ASSIGN, &[("NetworkInterfaceId", ENI), ("Ipv6AddressCount", "2")]);
    let json = answer.json();
    assert_eq!(json["NetworkInterfaceId"], ENI);
    assert_eq!(json["Ipv6Sets"]["Ipv6Address"][0], "2001:db8:1234:1a00::1");
    let unassign = |address: &str| {
        client.call(V6_UNASSIGN, &[("NetworkInterfaceId", ENI), ("Ipv6Address.1", address)]).code()
    };
    // An address has many spellings.
    assert_eq!(unassign("2001:DB8:1234:1a00:0::1"), "");
    assert_eq!(unassign("2001:db8:1234:1a00::1"), "InvalidIp.IpUnassigned");
    assert_eq!(unassign("192.168.0.1"), "InvalidParameter");
    assert_eq!(simulator.addresses(ENI), set(&["2001:db8:1234:1a00::2"]));
}

#[test]
fn tests_can_change_an_eni_behind_the_apis_back() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let orphan = IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1));
    simulator.assign(ENI, orphan);
    assert_eq!(client.assign(1), ["192.168.0.2"], "an orphan is not handed out");
    simulator.unassign(ENI, orphan);
    assert_eq!(client.unassign(&["192.168.0.1"]).code(), "InvalidIp.IpUnassigned");
}
