//! What must hold in every state that can be reached.

use stateright::Property;

use crate::process::{At, Process};
use crate::protocol::Protocol;
use crate::state::{Active, Pid, State};

/// An active record names what is on the ENI: ECS takes no address from a pod.
pub const ON_ENI: &str = "a pod's address is on the ENI, unless a person has taken it off";
/// Not even a request that would do no harm.
pub const NOT_SENT: &str = "no request to release names an address in use";
/// Nothing is lost.
pub const NAMED: &str = "every address on the ENI is named by a file";
/// What is somebody else's stays.
pub const LEFT_ALONE: &str = "nothing is unassigned that other software has put on the ENI";
/// Nothing is given twice.
pub const ONE_OWNER: &str = "no address has two owners";
/// DEL counts, whenever it comes.
pub const OVERTAKEN: &str = "an ADD that a DEL has overtaken does not end well";
/// A pod is released when it is deleted, and not before.
pub const KEPT: &str = "a pod keeps its addresses until its DEL";
/// Nothing blocks, and nothing stays.
pub const RELEASED: &str = "every call ends, and what is releasing is released in the end";

/// Nobody's wait is longer than the call's own deadline.
pub const IN_TIME: &str =
    "who waits for a lock can end at the deadline, and nobody waits for ECS with the store's lock";

/// All of them.
pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ON_ENI, on_eni),
        Property::always(NOT_SENT, |_, state: &State| !state.broken.sent),
        Property::always(NAMED, |_, state: &State| {
            state.named().and(state.cloud.others).has_all(state.cloud.assigned)
        }),
        Property::always(LEFT_ALONE, |_, state: &State| !state.broken.robbed),
        Property::always(ONE_OWNER, one_owner),
        Property::always(OVERTAKEN, |_, state: &State| !state.broken.outlived),
        Property::always(KEPT, kept),
        Property::always(IN_TIME, in_time),
        Property::always(RELEASED, |model: &Protocol, state: &State| {
            !model.recovers || model.recovers_from(state)
        }),
    ]
}

fn on_eni(_: &Protocol, state: &State) -> bool {
    state.cloud.assigned.and(state.cloud.removed).has_all(state.disk.in_use()) && !state.broken.taken
}

/// The store's lock is held for a few steps only, so that it needs no deadline, but for a commit that may come too late.
fn in_time(model: &Protocol, state: &State) -> bool {
    let waits = |at| {
        matches!(at, At::LockEni | At::LockEniAgain | At::TryLockEni | At::DrainLockEni | At::RestoreLockEni)
    };
    let held_by = |lock: Option<Pid>, pid| lock.is_some_and(|holder| holder != pid);
    let ends = |(pid, process): (Pid, &Process)| {
        let blocked = (waits(process.at) && held_by(state.eni_lock, pid))
            || (process.at == At::CommitLock && held_by(state.store_lock, pid));
        !blocked || model.step(state, pid, 1).is_some()
    };
    let holder = state.store_lock.map(|pid| &state.processes[usize::from(pid)]);
    !holder.is_some_and(|it| it.waits_for_cloud() || waits(it.at)) && (0..).zip(&state.processes).all(ends)
}

fn kept(_: &Protocol, state: &State) -> bool {
    state.told.iter().all(|owner| state.disk.active[usize::from(owner)].is_some())
}

fn one_owner(_: &Protocol, state: &State) -> bool {
    let counts = state.disk.active.iter().flatten().map(|active: &Active| active.addresses.len());
    counts.sum::<u32>() == state.disk.in_use().len()
}
