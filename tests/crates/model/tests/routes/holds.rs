//! What must hold does, in every state that can be reached.

use protocol_model::routes::model::{Routes, steps_left_out};
use protocol_model::routes::process::Verb::{self, Add, Del, Release, Remove, Repair};
use protocol_model::routes::state::Faults;
use protocol_model::set::Set;

use crate::holds;

const FAULTS: Faults = Faults { kills: 2, removals: 1 };

fn up(verbs: &[Verb], faults: Faults) -> Routes {
    Routes { one_is_up: true, faults, ..Routes::of(verbs) }
}

#[test]
fn an_add_and_its_dels_that_cross_and_another_pod_that_gets_the_address() {
    let verbs = [Add(0), Del(0), Del(0), Add(1)];
    holds("ADD, two DELs, ADD of another pod", Routes { faults: FAULTS, ..Routes::of(&verbs) });
}

#[test]
fn a_repair_while_the_address_changes_hands_and_a_second_del_is_late() {
    holds("two DELs, ADD of another pod, repair", up(&[Del(0), Del(0), Add(1), Repair], FAULTS));
}

#[test]
fn two_repairs_while_the_address_changes_hands() {
    holds("DEL, ADD of another pod, two repairs", up(&[Del(0), Add(1), Repair, Repair], FAULTS));
}

#[test]
fn an_address_that_changes_hands_twice() {
    let faults = Faults { kills: 1, removals: 0 };
    let verbs = [Del(0), Add(1), Del(1), Add(2), Repair];
    holds("DEL, ADD, DEL, ADD of three pods, repair", up(&verbs, faults));
}

#[test]
fn a_record_that_ends_without_a_chained_del() {
    holds("release, ADD of another pod, late DEL, repair", up(&[Release(0), Add(1), Del(0), Repair], FAULTS));
}

#[test]
fn all_of_it_at_once() {
    let faults = Faults { kills: 3, removals: 2 };
    holds(
        "ADD, two DELs, ADD, repair",
        Routes { faults, ..Routes::of(&[Add(0), Del(0), Del(0), Add(1), Repair]) },
    );
    holds("DEL, two ADDs of others, repair, remove", up(&[Del(0), Add(1), Add(2), Repair, Remove], faults));
}

#[test]
fn rules_that_were_left_over() {
    let verbs = [Add(0), Del(0), Add(1), Repair];
    let left_over = Set::below(2);
    holds("ADD, DEL, ADD of another pod, repair", Routes { left_over, faults: FAULTS, ..Routes::of(&verbs) });
}

#[test]
fn a_person_who_removes_all_rules_and_repairs_them() {
    holds("remove, repair, DEL, ADD of another pod", up(&[Remove, Repair, Del(0), Add(1)], FAULTS));
}

#[test]
fn every_step_is_taken() {
    let taken = [
        holds("all of ADD, DEL and repair", up(&[Del(0), Add(1), Repair], FAULTS)),
        holds("all of release and remove", up(&[Release(0), Remove, Add(1)], FAULTS)),
    ];
    let taken = taken.into_iter().fold(0, |all, taken| all | taken);
    assert_eq!(steps_left_out(taken), 0, "steps that no process took: {taken:b}");
}
