//! The books: which pod had which address when. At the end they are compared with what the cloud and the store say.

use std::io;
use std::net::IpAddr;

use crate::stage::Stage;

/// From the end of a pod's ADD to the beginning of its DEL, an active record names its address.
#[derive(Debug)]
struct Holding {
    pod: String,
    address: IpAddr,
    /// How many requests ECS had received when it began.
    from: usize,
    /// The same for its end, where it has ended.
    to: Option<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    holdings: Vec<Holding>,
}

/// Whether every address is accounted for.
pub(crate) enum Verdict {
    AllAccountedFor,
    LostOrTaken,
}

impl Books {
    pub(crate) fn pod_has(&mut self, pod: &str, address: IpAddr, requests: usize) {
        self.holdings.push(Holding { pod: pod.to_owned(), address, from: requests, to: None });
    }

    pub(crate) fn pod_goes(&mut self, pod: &str, requests: usize) {
        let held = self.holdings.iter_mut().filter(|holding| holding.pod == pod && holding.to.is_none());
        held.for_each(|holding| holding.to = Some(requests));
    }

    /// Whether a pod had this address when request `number`, counted from 0, was received.
    fn somebody_had(&self, address: IpAddr, number: usize) -> bool {
        self.holdings.iter().any(|holding| {
            holding.address == address
                && holding.from <= number
                && holding.to.is_none_or(|requests| number < requests)
        })
    }
}

/// Shows the ledger: all its numbers are counted in the simulator's ledger, its inventory, and the store.
pub(crate) fn close(stage: &Stage) -> io::Result<Verdict> {
    let (ledger, on_eni, recorded) = (stage.node.cloud.ledger(), stage.node.on_eni(), stage.node.recorded());
    let (mut given, mut released, mut taken) = (0, 0, 0);
    for (number, entry) in ledger.iter().enumerate().filter(|(_, entry)| entry.executed) {
        if entry.action.starts_with("Assign") {
            given += entry.addresses.len();
        } else {
            released += entry.addresses.len();
            let had = entry.addresses.iter().filter(|address| stage.books.somebody_had(**address, number));
            taken += had.count();
        }
    }
    let running = stage.books.holdings.iter().filter(|holding| holding.to.is_none());
    let (kept, gone): (Vec<_>, Vec<_>) = running.partition(|holding| on_eni.contains(&holding.address));
    // What went in another way than by a request, too.
    taken = taken.max(gone.len());
    let lost = on_eni.difference(&recorded).count();

    let kept: Vec<_> = kept.iter().map(|holding| format!("{} of {}", holding.address, holding.pod)).collect();
    let screen = &stage.screen;
    screen.heading("The ledger")?;
    for (name, number, meaning) in [
        ("requests", ledger.len(), "received by ECS"),
        ("given", given, "addresses that ECS assigned to the ENI"),
        ("released", released, "addresses that ECS took off it"),
        ("on the ENI", on_eni.len(), kept.join(", ").as_str()),
        ("lost", lost, "on the ENI, and in no record"),
        ("taken", taken, "released while a running pod had them"),
    ] {
        screen.output(&format!("{name:12} {number:4}   {meaning}"))?;
    }
    if lost == 0 && taken == 0 {
        screen.heading("No address was lost, and none was taken from a running pod.")?;
        return Ok(Verdict::AllAccountedFor);
    }
    screen.heading("An address was lost or taken: this is a defect of the plugin.")?;
    Ok(Verdict::LostOrTaken)
}
