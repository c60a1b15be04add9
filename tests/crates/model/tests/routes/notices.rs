//! The checker notices mistakes: what one change to the order of things would break.

use protocol_model::routes::mistake::Mistake;
use protocol_model::routes::model::Routes;
use protocol_model::routes::process::Verb::{self, Add, Del, Release, Repair};
use protocol_model::routes::properties::{GOES_ON, IN_TIME, LEADS, NO_SECOND, REPAIRED};
use protocol_model::routes::state::Faults;

use crate::breaks;

/// A pod is up on ENI 0 while these run.
#[track_caller]
fn notices(mistake: Mistake, property: &'static str, verbs: &[Verb]) {
    let model = Routes { one_is_up: true, mistake: Some(mistake), ..Routes::of(verbs) };
    breaks(&format!("{mistake:?}"), property, model);
}

/// The address changes hands, and a second DEL of the pod before is late.
const LATE_DEL: [Verb; 3] = [Del(0), Del(0), Add(1)];

/// The address changes hands while a repair runs.
const MEANWHILE: [Verb; 3] = [Del(0), Add(1), Repair];

#[test]
fn a_del_that_takes_the_rule_of_the_next_pod() {
    notices(Mistake::DelWithoutLock, LEADS, &LATE_DEL);
    notices(Mistake::DelReadsBeforeLock, LEADS, &LATE_DEL);
    notices(Mistake::DelDoesNotAsk, LEADS, &LATE_DEL);
    notices(Mistake::ChainedFirst, LEADS, &LATE_DEL);
}

#[test]
fn an_add_that_others_cannot_rely_on() {
    notices(Mistake::AddWithoutLock, LEADS, &LATE_DEL);
}

#[test]
fn an_add_that_outlives_its_pod() {
    for mistake in [Mistake::AddReadsBeforeLock, Mistake::AddWithoutRecord] {
        let model = || Routes { mistake: Some(mistake), ..Routes::of(&[Add(0), Del(0), Add(1)]) };
        breaks(&format!("{mistake:?}"), LEADS, model());
        breaks(&format!("{mistake:?}"), NO_SECOND, model());
    }
}

#[test]
fn an_add_that_leaves_what_another_pod_had() {
    notices(Mistake::AddLeavesOthers, NO_SECOND, &[Release(0), Add(1)]);
    notices(Mistake::AddTakesAnyRule, LEADS, &[Release(0), Add(1)]);
}

#[test]
fn a_repair_that_goes_by_what_was() {
    notices(Mistake::RepairWithoutLock, LEADS, &MEANWHILE);
    notices(Mistake::RepairListsBeforeLock, LEADS, &[Release(0), Add(1), Repair]);
    notices(Mistake::RepairReadsBeforeLock, LEADS, &MEANWHILE);
    notices(Mistake::RepairReadsBeforeLock, NO_SECOND, &MEANWHILE);
    notices(Mistake::RepairAddsByOldRecords, NO_SECOND, &MEANWHILE);
}

#[test]
fn what_stays() {
    notices(Mistake::RepairOnlyAdds, REPAIRED, &[Release(0)]);
}

#[test]
fn what_blocks() {
    let faults = Faults { kills: 1, removals: 0 };
    let mistake = Some(Mistake::LockOutlivesKill);
    let model = Routes { one_is_up: true, mistake, faults, ..Routes::of(&[Del(0), Del(0)]) };
    breaks("LockOutlivesKill", GOES_ON, model);
    notices(Mistake::WaitsWithoutDeadline, IN_TIME, &LATE_DEL);
}
