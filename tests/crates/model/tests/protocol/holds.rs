//! What must hold does, in every state that can be reached.

use protocol_model::process::Verb::{Add, Del, Flush, Gc, Restore};
use protocol_model::protocol::{Left, Protocol, steps_left_out};
use protocol_model::set::Set;
use protocol_model::state::Faults;

use crate::{NONE, holds};

#[test]
fn an_add_and_its_del_that_cross() {
    let faults = Faults { kills: 2, lost: 2, late: 2, refused: 1, unread: 1, unfit: 0, reboots: 0 };
    holds("ADD, DEL of one pod", Protocol { faults, ..Protocol::of(&[Add(0), Del(0)]) });
}

#[test]
fn an_add_and_two_dels_of_the_same_pod() {
    let faults = Faults { kills: 1, lost: 1, unread: 1, ..NONE };
    holds("ADD, DEL, DEL of one pod", Protocol { faults, ..Protocol::of(&[Add(0), Del(0), Del(0)]) });
}

#[test]
fn two_adds_and_a_del_of_the_same_pod() {
    let faults = Faults { kills: 1, unread: 1, ..NONE };
    let model = Protocol { addresses: 1, faults, ..Protocol::of(&[Add(0), Add(0), Del(0)]) };
    holds("ADD, ADD, DEL of one pod", model);
}

#[test]
fn an_address_that_is_handed_out_again() {
    let faults = Faults { kills: 1, lost: 2, late: 2, refused: 1, unread: 0, unfit: 0, reboots: 0 };
    let active = vec![(0, 0)];
    let model = Protocol { addresses: 1, active, faults, ..Protocol::of(&[Del(0), Add(1)]) };
    holds("DEL, ADD of another pod, one address", model);
}

#[test]
fn an_address_that_is_handed_out_again_or_another_one() {
    let faults = Faults { kills: 2, lost: 2, late: 2, refused: 0, unread: 0, unfit: 0, reboots: 0 };
    let model = Protocol { active: vec![(0, 0)], faults, ..Protocol::of(&[Del(0), Add(1)]) };
    holds("DEL, ADD of another pod, two addresses", model);
}

#[test]
fn a_leader_a_follower_and_an_add() {
    let faults = Faults { lost: 1, late: 1, ..NONE };
    let active = vec![(0, 0), (1, 1)];
    let model = Protocol { active, faults, ..Protocol::of(&[Del(0), Del(1), Add(2)]) };
    holds("DEL, DEL, ADD of three pods, an answer lost", model);
}

#[test]
fn a_leader_that_is_killed_a_follower_and_an_add() {
    let faults = Faults { kills: 1, late: 1, ..NONE };
    let active = vec![(0, 0), (1, 1)];
    let model = Protocol { active, faults, ..Protocol::of(&[Del(0), Del(1), Add(2)]) };
    holds("DEL, DEL, ADD of three pods, one killed", model);
}

#[test]
fn batches_smaller_than_what_is_releasing() {
    let faults = Faults { kills: 1, late: 1, ..NONE };
    let active = vec![(0, 0), (1, 1), (2, 2)];
    let model = Protocol { addresses: 3, active, faults, ..Protocol::of(&[Del(0), Del(1), Del(2)]) };
    holds("three DELs, batches of two", model);
}

#[test]
fn an_interrupted_add_and_another_pod() {
    for remembers_refusals in [false, true] {
        let faults = Faults { kills: 1, lost: 1, late: 1, ..NONE };
        let verbs = [Add(0), Del(0), Add(1)];
        let model = Protocol { addresses: 1, remembers_refusals, faults, ..Protocol::of(&verbs) };
        holds(&format!("ADD, DEL, ADD of two pods, ECS remembers refusals: {remembers_refusals}"), model);
    }
}

#[test]
fn a_dead_adds_request_whose_address_has_a_new_owner() {
    let left_behind = vec![(0, Left::Released(0))];
    let faults = Faults { kills: 1, lost: 1, ..NONE };
    let verbs = [Add(1), Del(0), Add(2)];
    let model = Protocol { addresses: 1, left_behind: left_behind.clone(), faults, ..Protocol::of(&verbs) };
    holds("ADD, the dead one's DEL, ADD", model);
    let verbs = [Add(1), Del(1), Add(0), Flush];
    holds(
        "ADD, DEL, the dead one's ADD, flush",
        Protocol { addresses: 1, left_behind, ..Protocol::of(&verbs) },
    );
}

#[test]
fn a_dead_adds_request_that_is_answered_with_something_else() {
    let faults = Faults { kills: 1, late: 1, unfit: 2, ..NONE };
    let verbs = [Add(0), Del(0), Flush];
    holds("ADD, DEL, flush, two unfit answers", Protocol { faults, ..Protocol::of(&verbs) });
    let faults = Faults { kills: 1, unfit: 2, ..NONE };
    let verbs = [Add(1), Del(1), Flush];
    let left_behind = vec![(0, Left::Released(0))];
    holds(
        "the same after a dead ADD",
        Protocol { addresses: 1, left_behind, faults, ..Protocol::of(&verbs) },
    );
    let faults = Faults { kills: 2, unfit: 2, ..NONE };
    holds(
        "ADD, ADD, flush, two unfit answers",
        Protocol { faults, ..Protocol::of(&[Add(0), Add(1), Flush]) },
    );
}

#[test]
fn pods_of_two_addresses() {
    let (wanted, tries, left_behind, elsewhere) = (2, 3, vec![(0, Left::Released(0))], Set::of(1));
    let faults = Faults { kills: 1, lost: 1, late: 1, ..NONE };
    let verbs = [Add(1), Flush];
    let model = Protocol { wanted, tries, left_behind, elsewhere, faults, ..Protocol::of(&verbs) };
    holds("ADD of two addresses after a dead ADD, flush", model);
}

#[test]
fn garbage_collection() {
    let active = vec![(0, 0)];
    let faults = Faults { kills: 1, lost: 1, late: 1, ..NONE };
    let verbs = [Gc(Set::of(0)), Add(1)];
    holds("GC, ADD of another pod", Protocol { active: active.clone(), faults, ..Protocol::of(&verbs) });
    let verbs = [Gc(Set::of(0)), Del(0), Add(1), Flush];
    let model = Protocol { active: active.clone(), ..Protocol::of(&verbs) };
    holds("GC, DEL of the same pod, ADD, flush", model);
    let verbs = [Gc(Set::of(0)), Del(0), Add(0)];
    let faults = Faults { kills: 1, ..NONE };
    holds("GC, DEL, ADD of the same pod", Protocol { addresses: 1, active, faults, ..Protocol::of(&verbs) });
}

#[test]
#[ignore = "takes two minutes: `cargo test -p protocol-model -- --ignored`"]
fn a_leader_a_follower_and_an_add_with_everything_that_may_go_wrong() {
    let faults = Faults { kills: 1, lost: 1, late: 1, ..NONE };
    let active = vec![(0, 0), (1, 1)];
    let model = Protocol { active, faults, ..Protocol::of(&[Del(0), Del(1), Add(2)]) };
    holds("DEL, DEL, ADD of three pods, an answer lost and one killed", model);
}

#[test]
#[ignore = "takes ten minutes: `cargo test -p protocol-model -- --ignored`"]
fn two_adds_and_a_del_of_the_same_pod_with_everything_that_may_go_wrong() {
    let faults = Faults { kills: 1, lost: 1, late: 1, refused: 0, unread: 1, unfit: 0, reboots: 0 };
    let model = Protocol { faults, ..Protocol::of(&[Add(0), Add(0), Del(0)]) };
    holds("ADD, ADD, DEL of one pod, two addresses", model);
}

/// A step that no configuration comes to would not be checked.
#[test]
fn every_step_of_the_code_is_taken() {
    let faults = Faults { kills: 1, lost: 1, late: 1, refused: 1, unread: 0, unfit: 0, reboots: 0 };
    let recovers = false;
    let in_use = |active| Protocol { recovers, faults, active, ..Protocol::of(&[]) };
    let unread = Faults { unread: 1, ..NONE };
    let taken = [
        Protocol { recovers, faults: Faults { kills: 1, ..unread }, ..Protocol::of(&[Add(0), Add(0)]) },
        Protocol { recovers, faults: unread, ..Protocol::of(&[Add(0), Del(0)]) },
        Protocol { verbs: vec![Del(0), Add(1)], addresses: 1, ..in_use(vec![(0, 0)]) },
        Protocol { verbs: vec![Gc(Set::below(2)), Del(1)], ..in_use(vec![(0, 0), (1, 1)]) },
        Protocol { verbs: vec![Add(0), Flush], wanted: 2, ..in_use(vec![(1, 1)]) },
        Protocol {
            recovers,
            addresses: 3,
            backlog: true,
            active: vec![(1, 1)],
            others: Set::of(0),
            left_behind: vec![(0, Left::Released(1))],
            ..Protocol::of(&[Add(0), Flush])
        },
        Protocol {
            recovers,
            addresses: 1,
            notes_answers: true,
            left_behind: vec![(0, Left::Noted(0))],
            ..Protocol::of(&[Add(1), Flush])
        },
        Protocol {
            recovers,
            faults: Faults { reboots: 1, ..NONE },
            active: vec![(0, 0), (1, 1)],
            ..Protocol::of(&[Add(0), Flush])
        },
        Protocol { verbs: vec![Restore(0)], console: true, ..in_use(vec![(0, 0)]) },
    ]
    .map(|model| holds("to see every step", model))
    .into_iter()
    .fold(0, |all, taken| all | taken);
    assert_eq!(steps_left_out(taken), 0, "taken: {taken:b}");
}
