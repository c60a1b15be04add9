//! A person takes pods' addresses off the ENI, and `reconcile --restore` asks for them again.

use protocol_model::mistake::Mistake;
use protocol_model::process::Verb::{Add, Del, Flush, Restore};
use protocol_model::properties::NAMED;
use protocol_model::protocol::{Left, Protocol};
use protocol_model::set::Set;
use protocol_model::state::Faults;

use crate::notices::notices;
use crate::{NONE, holds};

/// A pod whose address a person takes off the ENI, at any moment and as often as they like.
fn console(model: Protocol) -> Protocol {
    Protocol { console: true, active: vec![(0, 0)], ..model }
}

#[test]
fn a_restore_and_the_del_of_its_pod() {
    let faults = Faults { kills: 2, lost: 2, late: 2, refused: 1, ..NONE };
    holds("restore, DEL", console(Protocol { faults, ..Protocol::of(&[Restore(0), Del(0)]) }));
    let faults = Faults { kills: 1, lost: 1, late: 1, ..NONE };
    let model = Protocol { ghosts: true, faults, ..Protocol::of(&[Restore(0), Restore(0), Del(0)]) };
    holds("restore, restore, DEL, descriptions lag", console(model));
}

#[test]
fn a_restore_and_another_pod_that_gets_the_address() {
    let faults = Faults { lost: 1, late: 1, ..NONE };
    let verbs = [Restore(0), Del(0), Add(1)];
    holds(
        "restore, DEL, ADD, one address",
        console(Protocol { addresses: 1, faults, ..Protocol::of(&verbs) }),
    );
    let faults = Faults { kills: 1, late: 1, ..NONE };
    holds("restore, DEL, ADD, two addresses", console(Protocol { faults, ..Protocol::of(&verbs) }));
}

#[test]
fn a_restore_and_a_reboot() {
    let faults = Faults { reboots: 1, lost: 1, late: 1, ..NONE };
    let model = Protocol { addresses: 1, faults, ..Protocol::of(&[Restore(0), Add(0), Flush]) };
    holds("restore, ADD of the same pod, flush, a reboot", console(model));
}

#[test]
fn a_restore_of_what_another_node_has_got() {
    let faults = Faults { kills: 1, lost: 1, late: 1, refused: 1, ..NONE };
    let model = Protocol { elsewhere: Set::of(0), faults, ..Protocol::of(&[Restore(0), Del(0), Flush]) };
    holds("restore, DEL, flush, the address is elsewhere", console(model));
}

#[test]
fn a_restore_beside_others_addresses() {
    let faults = Faults { kills: 1, lost: 1, late: 1, ..NONE };
    let (others, left_behind) = (Set::of(1), vec![(1, Left::OnEni(2))]);
    let model = Protocol { addresses: 3, others, left_behind, faults, ..Protocol::of(&[Restore(0), Flush]) };
    holds("restore, flush, another request left, others", console(model));
}

#[test]
fn what_a_restore_must_not_do() {
    let faults = Faults { kills: 0, lost: 1, late: 1, refused: 1, ..NONE };
    let deleted = |faults| console(Protocol { faults, ..Protocol::of(&[Restore(0), Del(0)]) });
    notices(Mistake::RestoreNotWritten, NAMED, deleted(Faults { kills: 1, late: 1, ..NONE }));
    notices(Mistake::RestoreUnknownEnds, NAMED, deleted(faults));
    notices(Mistake::RestoreRefusalEnds, NAMED, deleted(faults));
    let left_behind = vec![(1, Left::OnEni(1))];
    let faults = Faults { kills: 1, ..NONE };
    let model = Protocol { left_behind, faults, ..Protocol::of(&[Restore(0), Flush]) };
    notices(Mistake::ProofOfOneEndsAll, NAMED, console(model));
}
