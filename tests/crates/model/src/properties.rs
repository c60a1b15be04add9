//! What must hold in every state that can be reached.

use stateright::Property;

use crate::protocol::Protocol;
use crate::state::{Active, State};

/// An active record names what is on the ENI: ECS takes no address from a pod.
pub const ON_ENI: &str = "a pod's address is on the ENI";
/// Not even a request that would do no harm.
pub const NOT_SENT: &str = "no request to release names an address in use";
/// Nothing is lost.
pub const NAMED: &str = "every address on the ENI is named by a file";
/// Nothing is given twice.
pub const ONE_OWNER: &str = "no address has two owners";
/// DEL counts, whenever it comes.
pub const OVERTAKEN: &str = "an ADD that a DEL has overtaken does not end well";
/// A pod is released when it is deleted, and not before.
pub const KEPT: &str = "a pod keeps its addresses until its DEL";
/// Nothing blocks, and nothing stays.
pub const RELEASED: &str = "every call ends, and what is releasing is released in the end";

/// All of them.
pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ON_ENI, on_eni),
        Property::always(NOT_SENT, |_, state: &State| !state.broken.sent),
        Property::always(NAMED, |_, state: &State| state.named().has_all(state.cloud.assigned)),
        Property::always(ONE_OWNER, one_owner),
        Property::always(OVERTAKEN, |_, state: &State| !state.broken.outlived),
        Property::always(KEPT, kept),
        Property::always(RELEASED, |model: &Protocol, state: &State| {
            !model.recovers || model.recovers_from(state)
        }),
    ]
}

fn on_eni(_: &Protocol, state: &State) -> bool {
    state.cloud.assigned.has_all(state.disk.in_use()) && !state.broken.taken
}

fn kept(_: &Protocol, state: &State) -> bool {
    state.told.iter().all(|owner| state.disk.active[usize::from(owner)].is_some())
}

fn one_owner(_: &Protocol, state: &State) -> bool {
    let counts = state.disk.active.iter().flatten().map(|active: &Active| active.addresses.len());
    counts.sum::<u32>() == state.disk.in_use().len()
}
