//! What must hold in every state that can be reached.

use stateright::Property;

use crate::reserve::Reserve;
use crate::reserve::state::{At, State};
use crate::set::Set;

/// ECS takes no address from a record.
pub const ON_ENI: &str = "what an active record names is on the ENI";
/// Not even a request that would do no harm.
pub const NOT_SENT: &str = "no request to release names an address in use";
/// Nothing is lost.
pub const NAMED: &str = "every address on an ENI is named by a file";
/// Nothing is given twice.
pub const ONE_OWNER: &str = "no two pods have one address";
/// A pod gets what it asked for.
pub const COMPLETE: &str = "a pod has an address of each family, all of one ENI";
/// The delay means something.
pub const RESTED: &str = "no pod gets from the reserve what has not rested";
/// No more than is needed.
pub const NOT_GREEDY: &str = "nobody asks for more than waits and is kept";
/// Whatever can be done is done.
pub const NOT_IDLE: &str = "who waits and cannot take anything asks";
/// DEL counts, whenever it comes.
pub const OVERTAKEN: &str = "an ADD that a DEL has overtaken does not end well";
/// Each network has its own.
pub const OWN: &str = "a network gives back its own entries only";
/// Surplus goes.
pub const GIVEN_BACK: &str = "at rest, a network keeps no more than its reserve";
/// Nothing stays.
pub const RECOVERS: &str = "in the end a few requests leave on the ENI what pods have and what is kept";
/// What an ADD has got is its own.
pub const NOT_ROBBED: &str = "nobody takes from the reserve what ECS has given to another ADD";
/// A pod is not refused while there is room for it.
pub const SERVED: &str = "without faults, only a full ENI is taken for full";

pub(crate) fn all() -> Vec<Property<Reserve>> {
    vec![
        Property::always(ON_ENI, |_, it: &State| {
            it.cloud.assigned.has_all(it.disk.live.protected()) && !it.broken.taken
        }),
        Property::always(NOT_SENT, |_, it: &State| !it.broken.sent),
        Property::always(NAMED, |_, it: &State| it.named().has_all(it.cloud.assigned)),
        Property::always(ONE_OWNER, |_, it: &State| {
            let pods = || it.disk.live.active.iter().flatten().filter(|it| !it.old);
            let all = pods().fold(Set::EMPTY, |all, it| all.and(it.addresses));
            pods().map(|it| it.addresses.len()).sum::<u32>() == all.len()
        }),
        Property::always(COMPLETE, complete),
        Property::always(RESTED, |_, it: &State| !it.broken.unrested),
        Property::always(NOT_GREEDY, |_, it: &State| !it.broken.greedy),
        Property::always(NOT_IDLE, |_, it: &State| !it.broken.idle),
        Property::always(OVERTAKEN, |_, it: &State| !it.broken.outlived),
        Property::always(OWN, |_, it: &State| !it.broken.meddled),
        Property::always(GIVEN_BACK, given_back),
        Property::always(NOT_ROBBED, |_, it: &State| !it.broken.robbed),
        Property::always(SERVED, |_, it: &State| !it.broken.refused),
        Property::always(RECOVERS, |model: &Reserve, it: &State| !at_rest(it) || model.recovers_from(it)),
    ]
}

fn at_rest(state: &State) -> bool {
    state.processes.iter().all(|it| it.at == At::Done)
}

fn complete(model: &Reserve, state: &State) -> bool {
    state.disk.live.active.iter().flatten().all(|active| {
        (0..model.enis)
            .any(|eni| (0..model.families).all(|family| active.addresses.has_any(model.pool((eni, family)))))
    })
}

fn given_back(model: &Reserve, state: &State) -> bool {
    state.disturbed || !at_rest(state) || model.keeps_no_more_than_its_reserve(state)
}
