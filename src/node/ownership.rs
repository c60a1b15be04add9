//! Whether an ENI is attached to this instance. A link with its hardware address proves that it is, without asking anybody:
//! an ENI has one, and no two instances have the ENI. Where there is no such link, because the plugin runs in another network
//! namespace, metadata tells. An instance may do without its metadata service, so the link is looked at first.

use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::cloud::ecs::{Client, Eni, ownership};
use crate::cloud::metadata;
use crate::failure::{Failure, Result};
use crate::node::eni_link::{EniLink, is_here};
use crate::store::Store;

/// The hardware address of an ENI that is attached to this instance; `None` if it is not. ECS is asked about the ENI only if
/// metadata does not answer.
///
/// # Errors
/// [`Failure::Unproved`] when nobody tells.
pub(crate) fn mac_here(
    store: &Store,
    client: &Client,
    region: &RegionId,
    eni: &EniId,
    deadline: Deadline,
) -> Result<Option<String>> {
    if let Some(mac) = EniLink::mac_if_here(store, eni) {
        return Ok(Some(mac));
    }
    let unanswered = match ownership::mac_of(client.metadata(), eni, deadline) {
        Ok(mac) => return Ok(mac),
        Err(error) => error,
    };
    match client.describe(region, eni, deadline) {
        // Nobody has it, so it is not attached here either.
        Ok(None) => Ok(None),
        Ok(Some(described)) if described.instance_id.is_none() => Ok(None),
        Ok(Some(described)) => match link_of(&described) {
            Some(mac) => Ok(Some(mac)),
            None => Err(without_link(&described, &unanswered)),
        },
        Err(error) => Err(Failure::Unproved { eni: eni.clone(), why: format!("{unanswered}; {error}") }),
    }
}

/// The same, of an ENI that ECS has described.
///
/// # Errors
/// [`Failure::Unproved`] when nobody tells.
pub(crate) fn mac_of_described(
    store: &Store,
    client: &Client,
    described: &Eni,
    deadline: Deadline,
) -> Result<Option<String>> {
    let link = link_of(described);
    // Once its link has gone, a description may be older than that.
    if link.is_some() && !EniLink::has_gone(store, &described.id) {
        return Ok(link);
    }
    match ownership::mac_of(client.metadata(), &described.id, deadline) {
        Ok(mac) => Ok(mac),
        Err(_) if link.is_some() => Ok(link),
        Err(unanswered) => Err(without_link(described, &unanswered)),
    }
}

/// The hardware address of an ENI that is in use, if a link of this machine has it.
fn link_of(described: &Eni) -> Option<String> {
    let is_attached = described.status == "InUse" && described.instance_id.is_some();
    let mac = described.mac.as_ref()?.to_ascii_lowercase();
    (is_attached && is_here(&mac)).then_some(mac)
}

fn without_link(described: &Eni, unanswered: &metadata::Error) -> Failure {
    let mac = described.mac.as_deref().unwrap_or("unknown");
    let instance = described.instance_id.as_deref().unwrap_or("no instance");
    let why = format!(
        "ECS has it on {instance}, no network interface that this plugin sees has its MAC address ({mac}), and {unanswered}"
    );
    Failure::Unproved { eni: described.id.clone(), why }
}
