//! Many requests at once.

use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use crate::client::{ASSIGN, Client, DESCRIBE, ENI, UNASSIGN, single_node};

#[test]
fn a_second_mutation_of_a_busy_eni_is_a_conflict() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    simulator.assign(ENI, [192, 168, 0, 50].into());
    // Whichever begins is under way for as long as the test needs.
    simulator.set_latency(Duration::from_hours(1));
    thread::scope(|scope| {
        let (answers, first_answer) = mpsc::channel();
        let calls: [(&str, &[(&str, &str)]); 2] = [
            (UNASSIGN, &[("NetworkInterfaceId", ENI), ("PrivateIpAddress.1", "192.168.0.50")]),
            ("AssignIpv6Addresses", &[("NetworkInterfaceId", ENI), ("Ipv6AddressCount", "1")]),
        ];
        for (action, own) in calls {
            let (client, answers) = (client.clone(), answers.clone());
            scope.spawn(move || {
                if let Some(answer) = client.try_call(action, own) {
                    answers.send(answer).unwrap();
                }
            });
        }
        let answer = first_answer.recv().unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (403, "Operation.Conflict"));
        assert_eq!(simulator.overlaps(), 1);

        simulator.set_latency(Duration::ZERO);
        assert_eq!(client.call(DESCRIBE, &[]).status, 200, "looking never conflicts");
        let other = [("NetworkInterfaceId", "eni-other"), ("SecondaryPrivateIpAddressCount", "1")];
        assert_eq!(client.call(ASSIGN, &other).code(), "InvalidEniId.NotFound", "another ENI is not busy");
        assert_eq!(simulator.overlaps(), 1);
        // Ends the mutation that is under way.
        drop(simulator);
    });
}

#[test]
fn mutations_one_after_another_do_not_overlap() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    for _ in 0..20 {
        let addresses = client.assign(1);
        assert_eq!(client.unassign(&[&addresses[0]]).status, 200);
    }
    assert_eq!(simulator.overlaps(), 0);
}

#[test]
fn a_hundred_connections_are_served_at_once() {
    const CLIENTS: usize = 100;
    let simulator = single_node();
    let client = Client::new(&simulator);
    let start = Barrier::new(CLIENTS);
    let answered = thread::scope(|scope| {
        let spawn = |_| {
            scope.spawn(|| {
                start.wait();
                client.call(DESCRIBE, &[]).status
            })
        };
        let threads: Vec<_> = (0..CLIENTS).map(spawn).collect();
        threads
            .into_iter()
            .filter(|_| true)
            .map(|thread| thread.join().unwrap())
            .filter(|status| *status == 200)
            .count()
    });
    assert_eq!(answered, CLIENTS);
    let ledger = simulator.ledger();
    assert_eq!(ledger.len(), CLIENTS);
    assert!(ledger.windows(2).all(|two| two[0].seq < two[1].seq && two[0].started_ms <= two[1].started_ms));
    simulator.clear_ledger();
    assert!(simulator.ledger().is_empty());
}
