//! The simulated cloud: a node whose pods fill one ENI or three, and what its ledger tells.

use std::net::Ipv4Addr;
use std::time::Duration;

use harness::simulator::{Eni, Entry, Quota, Simulator};
use harness::{Node, World};

use super::size::Outcome;

/// The ENIs, in the order in which they are filled.
pub(super) const ENIS: [&str; 3] = [Node::ENI, "eni-bp1secondary000000002", "eni-bp1secondary000000003"];

/// A node with so many secondary ENIs. ECS takes 32 addresses in a request.
pub(super) fn world(enis: usize, places: usize) -> World {
    let world = World::single_node().with_vswitch("192.168.0.0/20", "192.168.15.253");
    let mut world = world.with_most_per_request(32);
    for (number, id) in (3_u8..).zip(&ENIS[1..enis]) {
        let mac = format!("00:16:3e:00:00:{number:02x}");
        world = world.with_eni(Eni::new(id, &mac, Ipv4Addr::new(192, 168, 0, 9 + number)));
    }
    set_places(&mut world, enis, places);
    world
}

/// So many pods have room on each of the ENIs.
pub(super) fn set_places(world: &mut World, enis: usize, places: usize) {
    for id in &ENIS[..enis] {
        // The primary address counts.
        world.eni_mut(id).quota = Some(Quota { ipv4: places + 1, ipv6: places });
    }
}

/// What the cloud was asked since its ledger was cleared, which took this time.
pub(super) fn outcome(cloud: &Simulator, wall: Duration, failed: usize) -> Outcome {
    let ledger = cloud.ledger();
    let conflicts = ledger.iter().filter(|entry| entry.code.as_deref() == Some("Operation.Conflict"));
    Outcome { requests: ledger.len(), conflicts: conflicts.count(), failed, wall, overlap: overlap(&ledger) }
}

/// The most mutations of one ENI at once, those included that ECS refused because of it.
fn overlap(ledger: &[Entry]) -> usize {
    let mutations: Vec<_> = ledger.iter().filter(|entry| entry.action.contains("ssign")).collect();
    let with_earlier = |nth: usize| {
        let one = mutations[nth];
        // The ledger is in the order of arrival.
        let under_way = mutations[..nth].iter().filter(|earlier| {
            earlier.eni == one.eni && earlier.ended_ms.is_none_or(|end| end > one.started_ms)
        });
        1 + under_way.count()
    };
    (0..mutations.len()).map(with_earlier).max().unwrap_or_default()
}
