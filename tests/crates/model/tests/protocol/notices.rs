//! The checker notices mistakes: what one change to the protocol, or one assumption lost, would break.

use std::collections::BTreeSet;

use protocol_model::mistake::Mistake;
use protocol_model::process::Verb::{Add, Del, Flush, Gc};
use protocol_model::properties::{IN_TIME, KEPT, NAMED, NOT_SENT, ON_ENI, ONE_OWNER, OVERTAKEN, RELEASED};
use protocol_model::protocol::{Left, Protocol};
use protocol_model::set::Set;
use protocol_model::state::Faults;
use stateright::HasDiscoveries;

use crate::{NONE, explore, tell};

/// Whether `mistake` breaks `property`.
#[track_caller]
pub(crate) fn notices(mistake: Mistake, property: &'static str, model: Protocol) {
    let model = Protocol { mistake: Some(mistake), recovers: property == RELEASED, ..model };
    let explored = explore(model, HasDiscoveries::AllOf(BTreeSet::from([property])));
    let found = explored.counterexamples.iter().find(|it| it.property == property);
    let found = found.unwrap_or_else(|| panic!("{mistake:?} goes unnoticed in {} states", explored.states));
    let (states, steps) = (explored.states, found.steps.len());
    tell(&format!("{mistake:?}: not {property:?}, after {steps} steps ({states} states)"));
}

/// A pod, its end, and a flush.
fn one_pod(faults: Faults) -> Protocol {
    Protocol { faults, ..Protocol::of(&[Add(0), Del(0), Flush]) }
}

/// A pod's end, and another pod that may get its address.
fn handed_out_again(faults: Faults) -> Protocol {
    Protocol { addresses: 1, active: vec![(0, 0)], faults, ..Protocol::of(&[Del(0), Add(1)]) }
}

/// Two pods that come after an ADD that was killed, and whose address has been released, and that one's DEL.
fn after_a_dead_add() -> Protocol {
    let left_behind = vec![(0, Left::Released(0))];
    Protocol { addresses: 1, left_behind, ..Protocol::of(&[Add(1), Del(0), Add(2)]) }
}

/// A pod of two addresses, the second of which is to be had only later.
fn two_addresses(faults: Faults) -> Protocol {
    let (wanted, tries, left_behind, elsewhere) = (2, 3, vec![(0, Left::Released(0))], Set::of(1));
    Protocol { wanted, tries, left_behind, elsewhere, faults, ..Protocol::of(&[Add(1), Flush]) }
}

const LATE: Faults = Faults { lost: 1, late: 1, ..NONE };
const KILLED: Faults = Faults { kills: 1, late: 1, ..NONE };

#[test]
fn letting_go_of_the_enis_lock_too_early() {
    notices(Mistake::EniLockEndsBeforeCommit, ON_ENI, after_a_dead_add());
    notices(Mistake::EniLockEndsBeforeCommit, ONE_OWNER, after_a_dead_add());
    notices(Mistake::EniLockEndsBeforeAbandon, ON_ENI, after_a_dead_add());
    notices(Mistake::LetsGoWithAnswers, ON_ENI, two_addresses(Faults { refused: 1, ..NONE }));
}

#[test]
fn releasing_what_is_somebodys_by_now() {
    notices(Mistake::NoInUseGuard, NOT_SENT, after_a_dead_add());
    let left_behind = vec![(0, Left::Noted(0))];
    let model = Protocol { addresses: 1, notes_answers: true, left_behind, ..Protocol::of(&[Add(1), Flush]) };
    notices(Mistake::NotedIsReleasedAtOnce, NOT_SENT, model);
    let (others, elsewhere) = (Set::of(1), Set::of(2));
    let model = Protocol { addresses: 3, others, elsewhere, ..two_addresses(NONE) };
    notices(Mistake::GotNotInUse, ON_ENI, model);
    notices(Mistake::SettleAfterCommit, NOT_SENT, handed_out_again(Faults { kills: 1, lost: 1, ..NONE }));
}

#[test]
fn forgetting_what_may_still_be_on_its_way() {
    notices(Mistake::NoDoubt, ON_ENI, handed_out_again(LATE));
    notices(Mistake::DoubtJudgedByAnswer, ON_ENI, handed_out_again(LATE));
    notices(Mistake::SendingNotWritten, ON_ENI, handed_out_again(KILLED));
    notices(Mistake::RefusalSettlesUnseen, NAMED, one_pod(Faults { lost: 1, refused: 1, ..NONE }));
}

#[test]
fn a_del_that_an_add_does_not_hear_of() {
    for mistake in [Mistake::DelDoesNotMark, Mistake::CommitDoesNotLook, Mistake::NoStoreLock] {
        notices(mistake, OVERTAKEN, one_pod(NONE));
    }
}

#[test]
fn releasing_what_another_add_has_got() {
    let faults = Faults { unread: 1, ..NONE };
    let model = Protocol { addresses: 1, faults, ..Protocol::of(&[Add(0), Del(0), Add(0)]) };
    notices(Mistake::ReleasesAnything, KEPT, model);
    let verbs = [Gc(Set::of(0)), Del(0), Add(0)];
    let model = Protocol { addresses: 1, active: vec![(0, 0)], ..Protocol::of(&verbs) };
    notices(Mistake::ReleasesAnything, KEPT, model);
}

#[test]
fn believing_what_is_not_an_answer() {
    let verbs = [Add(0), Add(1), Flush];
    let two_dead = |unfit| {
        let faults = Faults { kills: 2, unfit, ..NONE };
        Protocol { faults, ..Protocol::of(&verbs) }
    };
    notices(Mistake::UnfitBelieved, NAMED, two_dead(1));
}

#[test]
fn ending_a_request_that_may_have_had_an_effect() {
    let room_comes_first = Protocol { addresses: 1, room_comes_first: true, ..one_pod(KILLED) };
    notices(Mistake::RefusalCrossesOff, NAMED, room_comes_first);
    notices(Mistake::LapsedTooEarly, NAMED, one_pod(KILLED));
    notices(Mistake::LapseJudgedByAnswer, NAMED, one_pod(KILLED));
    let left_behind = vec![(0, Left::Nothing)];
    let model = Protocol { left_behind, faults: KILLED, ..Protocol::of(&[Del(0), Flush]) };
    notices(Mistake::RepetitionNotWritten, NAMED, model);
    let faults = Faults { kills: 1, lost: 2, late: 1, ..NONE };
    notices(Mistake::LapsedInOneRecord, NAMED, Protocol { faults, ..Protocol::of(&[Add(0), Del(0)]) });
    let left_behind = vec![(0, Left::OnEni(0))];
    notices(Mistake::EndsWithUnexplained, NAMED, Protocol { left_behind, ..Protocol::of(&[Flush]) });
    let (left_behind, faults) = (vec![(0, Left::Nothing)], Faults { kills: 1, ..NONE });
    let notes_answers = true;
    let model = Protocol { left_behind, notes_answers, faults, ..Protocol::of(&[Add(1), Flush]) };
    notices(Mistake::NotedIsEnded, NAMED, model);
}

#[test]
fn giving_a_pod_what_an_earlier_request_had_brought() {
    let left_behind = vec![(0, Left::Released(0))];
    notices(Mistake::ContinuesForThePod, ON_ENI, Protocol { left_behind, ..Protocol::of(&[Add(0)]) });
}

#[test]
fn what_takes_too_long() {
    let left_behind = vec![(0, Left::Nothing)];
    let model = Protocol { addresses: 1, left_behind, others: Set::of(0), ..Protocol::of(&[Flush]) };
    notices(Mistake::RefusedIsRepeated, RELEASED, model);
    notices(Mistake::WaitsWithoutDeadline, IN_TIME, Protocol::of(&[Add(0), Add(1)]));
}

#[test]
fn the_wrong_order_of_two_writes() {
    notices(Mistake::AskNotWritten, NAMED, one_pod(NONE));
    notices(Mistake::ForgetBeforeActive, NAMED, one_pod(NONE));
    notices(Mistake::AbandonForgetsFirst, NAMED, one_pod(NONE));
    notices(Mistake::BuryRemovesFirst, NAMED, one_pod(KILLED));
    notices(Mistake::CrossedOffBeforeNamed, NAMED, one_pod(KILLED));
    notices(Mistake::SettledBeforeReturn, NAMED, handed_out_again(LATE));
    notices(Mistake::SettleBeforeAnswer, NAMED, one_pod(NONE));
}

#[test]
fn what_nobody_releases() {
    notices(Mistake::EmptyRecordWritten, RELEASED, after_a_dead_add());
    let active = vec![(0, 0), (1, 1)];
    let faults = Faults { lost: 1, ..NONE };
    let two_pods = Protocol { active, faults, ..Protocol::of(&[Del(0), Del(1)]) };
    notices(Mistake::NobodyLooks, NAMED, two_pods);
}

/// What Alibaba Cloud does not promise: that no request is carried out later than a minute after it was given up.
#[test]
fn a_cloud_that_is_later_than_assumed() {
    notices(Mistake::LateWithoutBound, ON_ENI, handed_out_again(LATE));
}
