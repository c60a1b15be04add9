//! Faults: what the client sees of each, and what the inventory does.

use std::io::Read as _;
use std::time::{Duration, Instant};

use ecs_simulator::{Effect, Entry, Fault, Simulator, codes};

use crate::client::{
    ASSIGN, Client, DESCRIBE, ENI, UNASSIGN, connect, exchange, parse, send_and_leave, single_node,
};

const ADDRESS: &str = "192.168.0.50";

/// A simulator with an address on the ENI, and one fault.
fn with(effect: Effect) -> (Simulator, Client) {
    let simulator = single_node();
    simulator.assign(ENI, ADDRESS.parse().unwrap());
    simulator.inject(Fault::on(UNASSIGN).times(1).effect(effect));
    let client = Client::new(&simulator);
    (simulator, client)
}

fn unassign(client: &Client) -> Vec<u8> {
    client.bytes(UNASSIGN, &[("NetworkInterfaceId", ENI), ("PrivateIpAddress.1", ADDRESS)])
}

fn is_assigned(simulator: &Simulator) -> bool {
    simulator.addresses(ENI).contains(&ADDRESS.parse().unwrap())
}

/// The ledger's only entry.
fn entry(simulator: &Simulator) -> Entry {
    let [entry] = simulator.ledger().try_into().unwrap();
    entry
}

/// Waits for something that another thread is about to do.
fn eventually(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_mins(1), "it never happened");
        std::thread::yield_now();
    }
}

#[test]
fn every_code_of_the_table_can_be_answered() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    for known in codes::TABLE {
        simulator.inject(Fault::on(UNASSIGN).times(1).effect(Effect::code(known.code)));
        let answer = client.unassign(&[ADDRESS]);
        assert_eq!((answer.status, answer.code().as_str()), (known.status, known.code));
        assert_eq!(answer.json()["Message"], known.message);
    }
    let last = simulator.ledger().pop().unwrap();
    assert_eq!(last.code.as_deref(), codes::TABLE.last().map(|known| known.code));
    assert!(last.answered && !last.executed);
}

#[test]
fn an_error_can_say_when_to_come_back() {
    let (simulator, client) = with(Effect::code_with_retry_after("Throttling", Duration::from_millis(1500)));
    assert_eq!(client.unassign(&[ADDRESS]).header("x-acs-retry-after"), Some("1500"));
    assert!(is_assigned(&simulator));
    assert_eq!(client.unassign(&[ADDRESS]).status, 200, "it happens once");
}

#[test]
fn delays_change_nothing_else() {
    for effect in [Effect::Delay(Duration::from_millis(1)), Effect::DelayAnswer(Duration::from_millis(1))] {
        let (simulator, client) = with(effect);
        assert_eq!(client.unassign(&[ADDRESS]).status, 200);
        assert!(!is_assigned(&simulator));
    }
}

#[test]
fn a_request_that_is_held_back_waits_in_the_ledger_until_it_is_let_go() {
    let simulator = single_node();
    simulator.assign(ENI, ADDRESS.parse().unwrap());
    let client = Client::new(&simulator);
    simulator.hold(UNASSIGN);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| client.unassign(&[ADDRESS]).status);
        eventually(|| simulator.count(UNASSIGN) == 1);
        assert_eq!(client.call(DESCRIBE, &[]).status, 200);
        assert!(is_assigned(&simulator));
        assert!(!simulator.ledger()[0].executed);
        simulator.let_go();
        assert_eq!(held.join().unwrap(), 200);
    });
    assert!(!is_assigned(&simulator));
}

#[test]
fn a_connection_is_dropped_before_or_after_acting() {
    for (effect, acts) in [(Effect::DropBefore, false), (Effect::DropAfter, true)] {
        let (simulator, client) = with(effect);
        let received = exchange(&client.endpoint, &unassign(&client)).unwrap_or_default();
        assert!(received.is_empty());
        // The connection is closed after the act, so it has happened.
        assert_eq!(is_assigned(&simulator), !acts);
        let entry = entry(&simulator);
        assert_eq!((entry.executed, entry.answered, entry.status), (acts, false, 0));
    }
}

#[test]
fn a_late_request_is_carried_out_after_its_connection_is_gone() {
    let (simulator, client) = with(Effect::Late(Duration::from_millis(1)));
    assert!(exchange(&client.endpoint, &unassign(&client)).unwrap_or_default().is_empty());
    eventually(|| !is_assigned(&simulator));
    let entry = entry(&simulator);
    assert!(entry.executed && !entry.answered);
}

#[test]
fn who_waits_until_all_is_done_waits_for_late_requests_too() {
    let (simulator, client) = with(Effect::Late(Duration::from_millis(50)));
    assert!(exchange(&client.endpoint, &unassign(&client)).unwrap_or_default().is_empty());
    simulator.wait_until_idle().unwrap();
    assert!(!is_assigned(&simulator));
}

#[test]
fn a_late_request_that_is_held_back_is_carried_out_when_it_is_let_go() {
    let (simulator, client) = with(Effect::Late(Duration::ZERO));
    simulator.hold_late();
    assert!(exchange(&client.endpoint, &unassign(&client)).unwrap_or_default().is_empty());
    assert_eq!(client.unassign(&[ADDRESS]).status, 200, "others are not held back");
    simulator.assign(ENI, ADDRESS.parse().unwrap());
    simulator.let_go();
    simulator.wait_until_idle().unwrap();
    assert!(!is_assigned(&simulator), "it takes away what has come back meanwhile");
}

#[test]
fn a_request_that_is_held_is_answered_when_it_is_let_go() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let (held, other) = (ADDRESS, "192.168.0.51");
    for address in [held, other] {
        simulator.assign(ENI, address.parse().unwrap());
    }
    simulator.inject(Fault::on(UNASSIGN).address(held.parse().unwrap()).effect(Effect::Hold));
    simulator.hold_late();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.unassign(&[held]).status);
        eventually(|| simulator.count(UNASSIGN) == 1);
        assert_eq!(client.unassign(&[other]).status, 200, "others are not held back");
        assert!(is_assigned(&simulator) && !waiting.is_finished());
        simulator.let_go();
        assert_eq!(waiting.join().unwrap(), 200);
    });
    assert!(!is_assigned(&simulator));
}

#[test]
fn a_state_that_is_brought_back_knows_no_request_that_came_later() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let (before, token) = (simulator.save(), [("NetworkInterfaceId", ENI), ("ClientToken", "once")]);
    let assign =
        |count| client.call(ASSIGN, &[&token[..], &[("SecondaryPrivateIpAddressCount", count)]].concat());
    assert_eq!(assign("1").status, 200);
    let after = simulator.save();
    assert_eq!(after.assigned_under("once").len(), 1);
    simulator.restore(&before);
    assert!(simulator.addresses(ENI).is_empty() && before.assigned_under("once").is_empty());
    assert_eq!(assign("2").status, 200, "the token is new again");
    assert_eq!(simulator.addresses(ENI).len(), 2);
}

#[test]
fn a_late_request_that_is_very_late_does_not_hold_up_the_others() {
    let (simulator, client) = with(Effect::Late(Duration::from_hours(1)));
    assert!(exchange(&client.endpoint, &unassign(&client)).unwrap_or_default().is_empty());
    assert_eq!(client.unassign(&[ADDRESS]).status, 200);
    drop(simulator);
}

#[test]
fn a_stalled_request_gets_no_answer_until_its_client_leaves() {
    for (effect, acts) in [(Effect::Stall, false), (Effect::StallAfter, true)] {
        let (simulator, client) = with(effect);
        assert!(send_and_leave(&client.endpoint, &unassign(&client)).is_empty());
        assert_eq!(is_assigned(&simulator), !acts);
        eventually(|| entry(&simulator).ended_ms.is_some());
        assert_eq!((entry(&simulator).executed, entry(&simulator).answered), (acts, false));
    }
}

#[test]
fn a_simulator_that_ends_lets_stalled_clients_go() {
    let (simulator, client) = with(Effect::Stall);
    std::thread::scope(|scope| {
        let stalled = scope.spawn(|| exchange(&client.endpoint, &unassign(&client)));
        eventually(|| simulator.count(UNASSIGN) == 1);
        drop(simulator);
        assert!(stalled.join().unwrap().unwrap_or_default().is_empty());
    });
    assert!(connect(&client.endpoint).is_err(), "nobody listens any more");
}

#[test]
fn gateways_answer_with_pages_and_nothing() {
    for (effect, status, acts, body) in [
        (Effect::Html { status: 504 }, 504, false, "<html>"),
        (Effect::Html502AfterActing, 502, true, "<html>"),
        (Effect::Empty { status: 503 }, 503, false, ""),
        (Effect::Empty { status: 200 }, 200, false, ""),
        (Effect::Garbage, 200, false, "\0\u{fffd}{\"RequestId\": oops"),
    ] {
        let (simulator, client) = with(effect.clone());
        let answer = parse(&exchange(&client.endpoint, &unassign(&client)).unwrap()).unwrap();
        assert_eq!(answer.status, status, "{effect:?}");
        assert!(answer.text().starts_with(body) && (answer.body.is_empty() == body.is_empty()), "{effect:?}");
        assert_eq!(is_assigned(&simulator), !acts, "{effect:?}");
        let entry = entry(&simulator);
        assert_eq!((entry.executed, entry.answered, entry.status), (acts, false, status), "{effect:?}");
    }
}

#[test]
fn a_body_can_end_too_early() {
    let (simulator, client) = with(Effect::TruncatedBody);
    let answer = parse(&exchange(&client.endpoint, &unassign(&client)).unwrap()).unwrap();
    let promised: usize = answer.header("Content-Length").unwrap().parse().unwrap();
    assert!(answer.body.len() < promised);
    assert!(is_assigned(&simulator));
}

#[test]
fn a_body_can_have_no_end() {
    use std::io::Write as _;

    let (simulator, client) = with(Effect::EndlessBody);
    let mut socket = connect(&client.endpoint).unwrap();
    socket.write_all(&unassign(&client)).unwrap();
    let mut received = vec![0; 1024 * 1024];
    socket.read_exact(&mut received).unwrap();
    assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(is_assigned(&simulator));
    drop(simulator);
}

#[test]
fn headers_can_be_huge() {
    let (simulator, client) = with(Effect::HugeHeaders);
    let received = exchange(&client.endpoint, &unassign(&client)).unwrap();
    assert!(received.len() > 4 * 1024 * 1024);
    assert!(received.ends_with(b"\r\n\r\n{}"));
    assert!(is_assigned(&simulator));
}

#[test]
fn a_fault_leaves_other_requests_alone() {
    let simulator = single_node();
    simulator.assign(ENI, ADDRESS.parse().unwrap());
    simulator.assign(ENI, [192, 168, 0, 51].into());
    let client = Client::new(&simulator);
    simulator.inject(Fault::code("InternalError").action(UNASSIGN).address(ADDRESS.parse().unwrap()));
    assert_eq!(client.call(DESCRIBE, &[]).status, 200);
    assert_eq!(client.unassign(&["192.168.0.51"]).status, 200);
    assert_eq!(client.unassign(&[ADDRESS]).code(), "InternalError");
    simulator.clear_faults();
    assert_eq!(client.unassign(&[ADDRESS]).status, 200);
}

#[test]
fn a_request_that_is_refused_does_not_use_a_fault_up() {
    let (simulator, client) = with(Effect::code("InternalError"));
    let stranger = Client { secret: "wrong".to_owned(), ..client.clone() };
    assert_eq!(stranger.unassign(&[ADDRESS]).code(), "SignatureDoesNotMatch");
    assert_eq!(client.unassign(&[ADDRESS]).code(), "InternalError");
    drop(simulator);
}

#[test]
fn a_request_that_met_a_fault_has_used_its_nonce() {
    let (simulator, client) = with(Effect::DropBefore);
    let request = unassign(&client);
    assert!(exchange(&client.endpoint, &request).unwrap_or_default().is_empty());
    let answer = parse(&exchange(&client.endpoint, &request).unwrap()).unwrap();
    assert_eq!(answer.code(), "SignatureNonceUsed");
    assert!(is_assigned(&simulator));
}
