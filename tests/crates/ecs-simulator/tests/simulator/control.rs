//! The control API.

use ecs_simulator::Simulator;
use serde_json::{Value, json};

use crate::client::{
    ASSIGN, Answer, Client, DESCRIBE, ENI, UNASSIGN, exchange, request, send_and_leave, single_node,
};

fn get(simulator: &Simulator, command: &str) -> Value {
    let answer = request(&simulator.metadata_endpoint(), "GET", &format!("/_control/{command}"), &[], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn post(simulator: &Simulator, command: &str, body: &Value) -> Answer {
    request(&simulator.metadata_endpoint(), "POST", &format!("/_control/{command}"), &[], &body.to_string())
}

#[test]
fn a_test_in_another_language_sees_what_happened() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let addresses = client.assign(2);
    client.unassign(&[&addresses[0]]);
    request(&simulator.metadata_endpoint(), "GET", "/latest/meta-data/mac", &[], "");

    let ledger = get(&simulator, "ledger");
    assert_eq!(ledger.as_array().unwrap().len(), 2);
    assert_eq!(ledger[1]["action"], UNASSIGN);
    assert_eq!(ledger[1]["addresses"], json!([addresses[0]]));
    assert_eq!(ledger[1]["executed"], true);
    assert_eq!(ledger[1]["parameters"]["NetworkInterfaceId"], ENI);
    assert_eq!(get(&simulator, &format!("count?action={UNASSIGN}")), 1);
    assert_eq!(get(&simulator, &format!("addresses?eni={ENI}")), json!([addresses[1]]));
    assert_eq!(get(&simulator, "overlaps"), 0);
    assert_eq!(get(&simulator, "metadata-requests"), json!([["GET", "/latest/meta-data/mac", false]]));

    assert_eq!(post(&simulator, "clear", &Value::Null).status, 200);
    assert_eq!(get(&simulator, "ledger"), json!([]));
    assert_eq!(get(&simulator, "metadata-requests"), json!([]));
}

#[test]
fn a_test_in_another_language_makes_things_go_wrong() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let faults = json!([
        {"action": UNASSIGN, "times": 1, "effect": "error", "code": "Throttling"},
        {"action": DESCRIBE, "effect": "html", "status": 502},
    ]);
    assert_eq!(post(&simulator, "faults", &faults).status, 200);
    assert_eq!(client.unassign(&["192.168.0.50"]).code(), "Throttling");
    assert_eq!(client.call(DESCRIBE, &[]).status, 502);

    let fault = json!({"path": "/latest/meta-data/mac", "effect": "empty", "status": 503});
    assert_eq!(post(&simulator, "metadata-faults", &fault).status, 200);
    let mac = || request(&simulator.metadata_endpoint(), "GET", "/latest/meta-data/mac", &[], "").status;
    assert_eq!(mac(), 503);
    post(&simulator, "clear", &json!({}));
    assert_eq!((client.call(DESCRIBE, &[]).status, mac()), (200, 200));
}

#[test]
fn a_test_in_another_language_changes_the_world() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let address = json!({"eni": ENI, "address": "192.168.0.50"});
    assert_eq!(post(&simulator, "assign", &address).status, 200);
    assert_eq!(get(&simulator, &format!("addresses?eni={ENI}")), json!(["192.168.0.50"]));
    assert_eq!(post(&simulator, "unassign", &address).status, 200);
    assert_eq!(get(&simulator, &format!("addresses?eni={ENI}")), json!([]));

    assert_eq!(post(&simulator, "world", &json!({"quota_ipv6": 7})).status, 200);
    assert_eq!(simulator.with_world(|world| world.quota.ipv6), 7);
    assert_eq!(post(&simulator, "latency", &json!({"ms": 3})).status, 200);
    assert_eq!(simulator.with_world(|world| world.latency.as_millis()), 3);
    assert_eq!(post(&simulator, "clock", &json!({"offset_seconds": -3600})).status, 200);
    assert_eq!(client.call(DESCRIBE, &[]).code(), "InvalidTimeStamp.Expired");
}

#[test]
fn a_test_in_another_language_holds_requests_back() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    assert_eq!(post(&simulator, "hold", &json!({"action": DESCRIBE})).status, 200);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| client.call(DESCRIBE, &[]).status);
        while get(&simulator, &format!("count?action={DESCRIBE}")) != 1 {}
        assert_eq!(get(&simulator, "ledger")[0]["ended_ms"], Value::Null);
        assert_eq!(post(&simulator, "let-go", &Value::Null).status, 200);
        assert_eq!(held.join().unwrap(), 200);
    });
}

#[test]
fn a_test_in_another_language_holds_back_what_is_late() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let address = "192.168.0.50".parse().unwrap();
    simulator.assign(ENI, address);
    let late = json!({"action": UNASSIGN, "effect": "late", "ms": 0});
    assert_eq!(post(&simulator, "faults", &late).status, 200);
    assert_eq!(post(&simulator, "hold-late", &Value::Null).status, 200);
    let bytes =
        client.bytes(UNASSIGN, &[("NetworkInterfaceId", ENI), ("PrivateIpAddress.1", "192.168.0.50")]);
    assert!(exchange(&client.endpoint, &bytes).unwrap_or_default().is_empty());
    assert!(simulator.addresses(ENI).contains(&address));
    assert_eq!(post(&simulator, "let-go", &Value::Null).status, 200);
    simulator.wait_until_idle().unwrap();
    assert!(simulator.addresses(ENI).is_empty());
}

#[test]
fn mistakes_are_explained() {
    let simulator = single_node();
    for (command, body, status, named) in [
        ("faults", json!({"effect": "explode"}), 400, "explode"),
        ("faults", Value::Null, 400, "not an object"),
        ("latency", json!({"seconds": 1}), 400, "ms is missing"),
        ("assign", json!({"eni": "eni-unknown", "address": "192.168.0.1"}), 400, "eni-unknown"),
        ("dance", json!({}), 404, "dance"),
    ] {
        let answer = post(&simulator, command, &body);
        assert_eq!(answer.status, status, "{command}");
        assert!(answer.json()["error"].as_str().unwrap().contains(named), "{answer:?}");
    }
    let endpoint = simulator.metadata_endpoint();
    assert_eq!(request(&endpoint, "POST", "/_control/faults", &[], "{").status, 400);
    assert_eq!(request(&endpoint, "GET", "/_control/addresses?eni=eni-unknown", &[], "").status, 400);
    assert_eq!(request(&endpoint, "DELETE", "/_control/ledger", &[], "").status, 405);
}

#[test]
fn each_fault_with_a_name_does_what_it_says() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let kept = client.assign(1).remove(0);
    let switch =
        |name: &str| assert_eq!(post(&simulator, &format!("fault/{name}"), &Value::Null).status, 200);
    for (name, assign, unassign, describe) in [
        ("outage", "ServiceUnavailable", "ServiceUnavailable", "ServiceUnavailable"),
        ("throttled", "Throttling.User", "Throttling.User", "Throttling.User"),
        ("denied", "Forbidden.RAM", "Forbidden.RAM", "Forbidden.RAM"),
        ("full", "QuotaExceeded.PrivateIpAddress", "InvalidIp.IpUnassigned", ""),
    ] {
        switch(name);
        let one = [("NetworkInterfaceId", ENI), ("SecondaryPrivateIpAddressCount", "1")];
        assert_eq!(client.call(ASSIGN, &one).code(), assign, "{name}");
        assert_eq!(client.unassign(&["192.168.0.200"]).code(), unassign, "{name}");
        assert_eq!(client.call(DESCRIBE, &[]).code(), describe, "{name}");
    }
    switch("lost-answer");
    assert!(
        client.try_call(UNASSIGN, &[("NetworkInterfaceId", ENI), ("PrivateIpAddress.1", &kept)]).is_none(),
        "no answer"
    );
    assert!(simulator.addresses(ENI).is_empty(), "it was carried out all the same");
    switch("silent");
    assert!(send_and_leave(&client.endpoint, &client.bytes(DESCRIBE, &[])).is_empty());
    switch("none");
    assert_eq!(client.assign(1).len(), 1);
}
