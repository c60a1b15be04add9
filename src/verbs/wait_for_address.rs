//! `waitForAddress`: an ADD answers only when instance metadata shows the pod's addresses on the ENI, because a pod may start
//! before the VPC carries its packets. Metadata can be out of date for long, so what it does not show in time is a warning.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::deadline::Deadline;
use crate::cloud::metadata;
use crate::cloud::metadata::Metadata;
use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::node::placement::EniPlacement;
use crate::pool::release::REQUEST_TIMEOUT;
use crate::store::{Active, join};

/// The pause between two looks grows from the first to the last of these.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How long one look may take.
const TIME_TO_LOOK: Duration = Duration::from_secs(1);

/// What the wait leaves of the call's time: for a description, and then for the answer.
const TIME_TO_DESCRIBE: Duration = Duration::from_secs(1);
const TIME_TO_ANSWER: Duration = Duration::from_secs(1);

/// Why metadata has not shown the addresses.
enum Unseen {
    /// It does not show these.
    Missing(BTreeSet<IpAddr>),
    /// It does not tell.
    Untold(metadata::Error),
}

/// Waits until metadata shows the addresses of this record, for as long as the configuration says. The caller holds no lock.
///
/// # Errors
/// [`Failure::Deleted`] if a DEL has come meanwhile. That metadata does not show them is none.
pub(super) fn wait(context: &CallContext<'_>, place: &EniPlacement, active: &Active) -> Result<()> {
    let time = context.ipam.wait_for_address()?;
    let Some(mac) = place.mac.as_deref().filter(|_| !time.is_zero()) else { return Ok(()) };
    let metadata = context.client()?.metadata();
    let by = context.deadline.earlier_by(TIME_TO_DESCRIBE + TIME_TO_ANSWER).at_most(time);
    let mut pause = FIRST_PAUSE;
    loop {
        // The last look comes when the time is over.
        let look_by = context.deadline.earlier_by(TIME_TO_ANSWER).at_most(TIME_TO_LOOK);
        let unseen = look(metadata, mac, active, look_by);
        if context.store.active(&active.0.owner)?.as_ref() != Some(active) {
            return Err(Failure::Deleted);
        }
        let Some(unseen) = unseen else { return Ok(()) };
        // One that cannot be reached is not waited for.
        let may_change = !matches!(&unseen, Unseen::Untold(error) if !error.reachable);
        if !may_change || by.has_passed() {
            warn(context, active, &unseen);
            return Ok(());
        }
        by.sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Looks once; `None` if metadata shows all addresses.
fn look(metadata: &Metadata, mac: &str, active: &Active, by: Deadline) -> Option<Unseen> {
    let (ipv4, ipv6): (BTreeSet<_>, BTreeSet<_>) = active.0.ips().partition(IpAddr::is_ipv4);
    let missing = |wanted: BTreeSet<IpAddr>, ask: Ask| {
        let shown = if wanted.is_empty() { Vec::new() } else { ask(metadata, mac, by)? };
        Ok(&wanted - &shown.into_iter().collect())
    };
    let both = missing(ipv4, Metadata::ipv4_addresses)
        .and_then(|missing4| Ok(&missing4 | &missing(ipv6, Metadata::ipv6_addresses)?));
    match both {
        Ok(missing) if missing.is_empty() => None,
        Ok(missing) => Some(Unseen::Missing(missing)),
        Err(error) => Some(Unseen::Untold(error)),
    }
}

/// What metadata is asked for.
type Ask = fn(&Metadata, &str, Deadline) -> std::result::Result<Vec<IpAddr>, metadata::Error>;

/// Says what metadata and ECS say of the addresses: ECS is asked once.
fn warn(context: &CallContext<'_>, Active(allocation): &Active, unseen: &Unseen) {
    let wanted: BTreeSet<IpAddr> = allocation.ips().collect();
    let (told, missing) = match unseen {
        Unseen::Missing(missing) => {
            (format!("instance metadata does not show {} yet", join(missing)), missing)
        }
        Unseen::Untold(error) => (format!("instance metadata does not tell ({error})"), &wanted),
    };
    let by = context.deadline.earlier_by(TIME_TO_ANSWER).at_most(REQUEST_TIMEOUT);
    let described = context
        .client()
        .and_then(|client| Ok(client.describe(&allocation.region, &allocation.eni, by)?))
        .map(|described| described.map(|eni| eni.addresses).unwrap_or_default());
    let of_ecs = match described {
        Ok(described) if missing.is_subset(&described) => "ECS shows what is missing".to_owned(),
        Ok(described) => format!("ECS does not show {} either", join(&(missing - &described))),
        Err(error) => format!("ECS does not tell either ({error})"),
    };
    log::warn!(
        "waitForAddress: {told}, and {of_ecs}: the pod of {allocation} starts, but the VPC may not carry its packets for a while"
    );
}
