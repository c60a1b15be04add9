//! Reboots: no pod survives one, and every record does.

use protocol_model::mistake::Mistake;
use protocol_model::process::Verb::{Add, Del, Flush, Gc};
use protocol_model::properties::{KEPT, NOT_SENT};
use protocol_model::protocol::Protocol;
use protocol_model::set::Set;
use protocol_model::state::Faults;

use crate::notices::notices;
use crate::{NONE, holds};

const REBOOT: Faults = Faults { reboots: 1, ..NONE };

/// A pod from before the reboot.
fn one_pod(verbs: &[protocol_model::process::Verb], faults: Faults) -> Protocol {
    Protocol { active: vec![(0, 0)], faults, ..Protocol::of(verbs) }
}

#[test]
fn a_reboot_a_flush_and_the_same_pod_again() {
    let faults = Faults { kills: 1, unread: 1, ..REBOOT };
    holds("reboot, flush, ADD", one_pod(&[Flush, Add(0)], faults));
    holds("reboot, flush, ADD, DEL", one_pod(&[Flush, Add(0), Del(0)], REBOOT));
}

#[test]
fn a_reboot_two_flushes_and_another_pod() {
    let faults = Faults { kills: 1, lost: 1, late: 1, ..REBOOT };
    let model = Protocol { addresses: 1, ..one_pod(&[Flush, Add(1)], faults) };
    holds("reboot, flush, ADD of another pod, one address", model);
    holds("reboot, flush, flush, DEL", one_pod(&[Flush, Flush, Del(0)], REBOOT));
}

#[test]
fn a_reboot_in_the_middle_of_everything() {
    let faults = Faults { kills: 1, late: 1, ..REBOOT };
    let model = Protocol { addresses: 1, faults, ..Protocol::of(&[Add(0), Flush, Add(0)]) };
    holds("ADD, reboot, flush, ADD of the same pod", model);
    let faults = Faults { reboots: 2, ..NONE };
    holds("two reboots, ADD, ADD, flush", one_pod(&[Add(0), Add(0), Flush], faults));
}

#[test]
fn a_reboot_a_gc_that_knows_less_and_the_same_pod_again() {
    holds("reboot, GC, ADD, flush", one_pod(&[Gc(Set::of(0)), Add(0), Flush], REBOOT));
}

#[test]
fn taking_a_living_pod_for_one_of_an_earlier_boot() {
    notices(Mistake::AnswersWithEarlierBoot, KEPT, one_pod(&[Add(0), Flush], REBOOT));
    notices(Mistake::FlushDoesNotLookAgain, KEPT, one_pod(&[Add(0), Flush], REBOOT));
    notices(Mistake::RenewsUnlooked, NOT_SENT, one_pod(&[Add(0), Flush], REBOOT));
}
