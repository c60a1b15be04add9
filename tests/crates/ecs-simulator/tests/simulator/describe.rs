//! Looking at ENIs, quotas and regions.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::client::{ASSIGN, Answer, Client, DESCRIBE, ENI, UNASSIGN, single_node};
use ecs_simulator::{Eni, Simulator, World};
use serde_json::Value;

fn enis(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["NetworkInterfaceSets"]["NetworkInterfaceSet"].as_array().unwrap().clone()
}

fn ids(answer: &Answer) -> Vec<String> {
    enis(answer).iter().map(|eni| eni["NetworkInterfaceId"].as_str().unwrap().to_owned()).collect()
}

/// A node with the two usual ENIs and 23 more that are attached to nothing.
fn crowd() -> Simulator {
    let mut world = World::single_node();
    for n in 0..23_u8 {
        let mut eni = Eni::new(
            &format!("eni-crowd{n:02}"),
            &format!("00:16:3e:00:01:{n:02x}"),
            Ipv4Addr::new(192, 168, 0, 100 + n),
        );
        eni.instance_id = None;
        world = world.with_eni(eni);
    }
    Simulator::start(world).unwrap()
}

#[test]
fn an_eni_is_described_with_all_its_addresses() {
    let simulator = single_node();
    simulator.assign(ENI, [192, 168, 0, 50].into());
    simulator.assign(ENI, "2001:db8:1234:1a00::5".parse().unwrap());
    let answer = Client::new(&simulator).call(DESCRIBE, &[("NetworkInterfaceId.1", ENI)]);
    let [eni] = enis(&answer).try_into().unwrap();
    assert_eq!(eni["Status"], "InUse");
    assert_eq!(eni["Type"], "Secondary");
    assert_eq!(eni["Attachment"]["InstanceId"], World::INSTANCE_ID);
    assert_eq!(eni["PrivateIpAddress"], "192.168.0.11");
    let ips = eni["PrivateIpSets"]["PrivateIpSet"].as_array().unwrap();
    let ips: Vec<_> =
        ips.iter().map(|ip| (ip["PrivateIpAddress"].as_str().unwrap(), &ip["Primary"])).collect();
    assert_eq!(ips, [("192.168.0.11", &Value::Bool(true)), ("192.168.0.50", &Value::Bool(false))]);
    assert_eq!(eni["Ipv6Sets"]["Ipv6Set"][0]["Ipv6Address"], "2001:db8:1234:1a00::5");
}

#[test]
fn a_description_that_lags_shows_neither_what_was_assigned_lately_nor_that_something_was_unassigned() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let of = |address: &'static str| [("NetworkInterfaceId", ENI), ("PrivateIpAddress.1", address)];
    let shown = || {
        let answer = client.call(DESCRIBE, &[("NetworkInterfaceId.1", ENI)]);
        enis(&answer)[0]["PrivateIpSets"]["PrivateIpSet"].as_array().unwrap().len() - 1
    };
    simulator.set_description_lag(ENI, Duration::from_hours(1));
    client.call(ASSIGN, &of("192.168.0.50"));
    assert_eq!((shown(), simulator.addresses(ENI).len()), (0, 1));
    client.call(UNASSIGN, &of("192.168.0.50"));
    assert_eq!((shown(), simulator.addresses(ENI).len()), (0, 0));
    client.call(ASSIGN, &of("192.168.0.51"));
    simulator.set_description_lag(ENI, Duration::ZERO);
    assert_eq!(shown(), 1);
    client.call(UNASSIGN, &of("192.168.0.51"));
    assert_eq!(shown(), 0);
}

#[test]
fn filters_are_all_to_be_met() {
    let simulator = crowd();
    simulator.assign(ENI, [192, 168, 0, 50].into());
    simulator.with_world(|world| {
        world.eni_mut(ENI).tags.insert("k8s.io/cluster name".to_owned(), "测试*~!'()".to_owned());
    });
    let client = Client::new(&simulator);
    let only_the_secondary: &[&[(&str, &str)]] = &[
        &[("NetworkInterfaceId.1", ENI)],
        &[("InstanceId", World::INSTANCE_ID), ("Type", "Secondary")],
        &[("PrivateIpAddress.1", "192.168.0.50")],
        &[("PrivateIpAddress.1", "192.168.0.11"), ("Status", "InUse"), ("ServiceManaged", "false")],
        &[("Tag.1.Key", "k8s.io/cluster name"), ("Tag.1.Value", "测试*~!'()")],
        &[("Tag.1.Key", "k8s.io/cluster name"), ("VSwitchId", World::VSWITCH_ID)],
    ];
    for filters in only_the_secondary {
        assert_eq!(ids(&client.call(DESCRIBE, filters)), [ENI], "{filters:?}");
    }
    let nothing: &[&[(&str, &str)]] = &[
        &[("NetworkInterfaceId.1", "eni-unknown")],
        &[("NetworkInterfaceId.1", ENI), ("Type", "Primary")],
        &[("NetworkInterfaceId.1", ENI), ("RegionId", "cn-beijing")],
        &[("Tag.1.Key", "k8s.io/cluster name"), ("Tag.1.Value", "other")],
        &[("Ipv6Address.1", "2001:db8:1234:1a00::1")],
        &[("Status", "Available")],
        &[("ServiceManaged", "true")],
    ];
    for filters in nothing {
        assert_eq!(ids(&client.call(DESCRIBE, filters)), Vec::<String>::new(), "{filters:?}");
    }
    assert_eq!(client.call(DESCRIBE, &[("RegionId", "")]).code(), "MissingParameter");
}

#[test]
fn tokens_lead_through_the_pages() {
    let simulator = crowd();
    let client = Client::new(&simulator);
    let (mut seen, mut sizes, mut token) = (BTreeSet::new(), Vec::new(), String::new());
    loop {
        // Too small a page is taken for the smallest one there is.
        let answer = client.call(DESCRIBE, &[("MaxResults", "1"), ("NextToken", &token)]);
        sizes.push(ids(&answer).len());
        seen.extend(ids(&answer));
        answer.json()["NextToken"].as_str().unwrap().clone_into(&mut token);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((sizes, seen.len()), (vec![10, 10, 5], 25));
}

#[test]
fn a_page_goes_on_where_the_last_one_ended_whatever_has_changed() {
    let simulator = crowd();
    let client = Client::new(&simulator);
    let first = client.call(DESCRIBE, &[("MaxResults", "10")]);
    let token = first.json()["NextToken"].as_str().unwrap().to_owned();
    simulator.with_world(|world| world.enis.remove(&ids(&first)[0]));
    let second = client.call(DESCRIBE, &[("MaxResults", "100"), ("NextToken", &token)]);
    assert_eq!(ids(&second).len(), 15);
}

#[test]
fn a_token_is_good_for_the_filters_that_it_came_with() {
    let simulator = crowd();
    let client = Client::new(&simulator);
    let first = client.call(DESCRIBE, &[]);
    assert_eq!(ids(&first).len(), 10, "without parameters a page has the smallest size");
    let token = first.json()["NextToken"].as_str().unwrap().to_owned();
    assert!(token.contains('+'), "{token}");
    let wrong =
        [[("NextToken", token.as_str()), ("Type", "Secondary")], [("NextToken", "made up"), ("Type", "")]];
    for own in wrong {
        assert_eq!(client.call(DESCRIBE, &own).code(), "InvalidParameter", "{own:?}");
    }
}

#[test]
fn pages_can_be_numbered() {
    let simulator = crowd();
    let client = Client::new(&simulator);
    let answer = client.call(DESCRIBE, &[("PageNumber", "3"), ("PageSize", "12")]);
    assert_eq!(ids(&answer).len(), 1);
    assert_eq!(answer.json()["TotalCount"], 25);
    assert_eq!(answer.json()["NextToken"], "");
}

#[test]
fn one_eni_can_be_described_alone() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let action = "DescribeNetworkInterfaceAttribute";
    let answer = client.call(action, &[("NetworkInterfaceId", ENI)]);
    assert_eq!(answer.json()["MacAddress"], "00:16:3e:00:00:02");
    assert_eq!(client.call(action, &[("NetworkInterfaceId", "eni-unknown")]).code(), "InvalidEniId.NotFound");
}

#[test]
fn the_instance_type_has_the_quotas() {
    let simulator = Simulator::start(World::single_node().with_quota(6, 3)).unwrap();
    let client = Client::new(&simulator);
    let types = |name: &str| {
        let answer = client.call("DescribeInstanceTypes", &[("InstanceTypes.1", name)]).json();
        answer["InstanceTypes"]["InstanceType"].clone()
    };
    assert_eq!(types("ecs.g7.large")[0]["EniPrivateIpAddressQuantity"], 6);
    assert_eq!(types("ecs.g7.large")[0]["EniIpv6AddressQuantity"], 3);
    assert_eq!(types("ecs.other"), Value::Array(Vec::new()));
}

#[test]
fn the_region_is_listed() {
    let simulator = single_node();
    let answer = Client::new(&simulator).call("DescribeRegions", &[]).json();
    assert_eq!(answer["Regions"]["Region"][0]["RegionId"], World::REGION_ID);
}
