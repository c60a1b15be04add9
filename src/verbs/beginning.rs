//! What an ADD begins with: nothing, or a record of its attachment, which an earlier boot may have left.

use crate::config::AddressSettings;
use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::node::network_enis::find_placements;
use crate::node::placement::EniPlacement;
use crate::pool::release::REQUEST_TIMEOUT;
use crate::store::{Active, AddIntent, Allocation, Begun, OpenIntent};

/// What an ADD begins with.
pub(super) enum Beginning {
    /// The attachment has its addresses already.
    Has(Active),
    /// They were left by an earlier boot, and are the attachment's again.
    TakenOver(Active),
    /// Another ADD for the same attachment is under way.
    Busy,
    /// Nothing but an intent.
    New {
        /// Its own.
        intent: OpenIntent,
        /// Whether it is the first in a new store.
        first: bool,
    },
}

/// Begins, and makes sure that a record of the attachment is one of this boot before anybody is told of it: otherwise `flush`
/// would take the addresses from the pod.
pub(super) fn begin(
    context: &CallContext<'_>,
    intention: &AddIntent,
    settings: &AddressSettings,
) -> Result<Beginning> {
    loop {
        let found = match context.store.begin_add(intention, context.deadline)? {
            Begun::Busy => return Ok(Beginning::Busy),
            Begun::New { intent, first } => return Ok(Beginning::New { intent, first }),
            Begun::Existing(active) => active,
        };
        let boot = &found.0.boot_id;
        // What does not say is never taken for a record of an earlier boot.
        if boot.is_empty() || *boot == intention.boot_id {
            return Ok(Beginning::Has(found));
        }
        // Where this boot is not known, it may be the same, and the pod may live.
        if !found.0.is_of_earlier_boot() || has_addresses(context, settings, &found.0)? {
            if let Some(taken) = context.store.take_over(&found, intention, context.deadline)? {
                taken.0.event("assigned in an earlier boot, and the pod's again").info();
                return Ok(Beginning::TakenOver(taken));
            }
        } else {
            found.0.event("given up: assigned in an earlier boot, and cannot be used any more").warn();
            context.store.begin_release_of(&found, context.deadline)?;
        }
    }
}

/// Whether the ENI of which pods get addresses still has these: while the machine was down, a person may have taken them off, or
/// have moved the ENI.
fn has_addresses(
    context: &CallContext<'_>,
    settings: &AddressSettings,
    allocation: &Allocation,
) -> Result<bool> {
    let Allocation { eni, region, .. } = allocation;
    if !find_places(context, settings)?.iter().any(|place| place.eni == *eni) {
        return Ok(false);
    }
    let described = context.client()?.describe(region, eni, context.deadline.at_most(REQUEST_TIMEOUT))?;
    let described = described.ok_or_else(|| Failure::NotOurs { eni: eni.clone() })?;
    let foreign = context.foreign()?;
    Ok(allocation.ips().all(|address| described.addresses.contains(&address) && !foreign.contains(address)))
}

/// Finds out where addresses come from, at least one ENI, in the order in which they are filled, and claims each for this store. One
/// of several that is another store's is passed over.
pub(super) fn find_places(
    context: &CallContext<'_>,
    settings: &AddressSettings,
) -> Result<Vec<EniPlacement>> {
    let found = find_placements(context.client()?, &context.store, settings, context.deadline)?;
    let claimed = found.judged_by(|place| context.claim(&place.eni, &place.region))?;
    Ok(claimed.usable)
}
