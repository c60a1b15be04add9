//! STATUS: could an ADD succeed now, as far as this node knows by itself?
//!
//! Runtimes ask every few seconds and may hold a lock of their own meanwhile. So STATUS never waits: it takes no lock and asks
//! neither ECS nor metadata.
//!
//! A runtime takes a failure for a network that is down: the kubelet then refuses new pods and marks those that run. So only
//! what keeps an ADD from succeeding counts. Releases that fail do not: they are for the log, `list`, `doctor` and the metrics.
//! And every reason ends by itself: as long as STATUS fails, no ADD may come that could find out that it is over.

use crate::base::clock::Timestamp;
use crate::base::region::Family;
use crate::cni::Status;
use crate::config::{Family4, Ipam};
use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::node::network_enis::known_enis_of;
use crate::verbs::add::read_dns;

/// Opens the store for a STATUS.
///
/// # Errors
/// As [`status`].
pub(super) fn open(call: &Status) -> Result<CallContext<'_>> {
    CallContext::open(Ipam::new(&call.network.ipam)).map_err(not_available)
}

/// Serves a STATUS.
///
/// # Errors
/// Why an ADD cannot succeed, and what to do: a configuration that cannot be used, or [`Failure::NotAvailable`].
pub(super) fn status(context: &CallContext<'_>) -> Result<()> {
    look(context).map_err(not_available)
}

/// A store that cannot be used is a reason why an ADD cannot succeed.
fn not_available(failure: Failure) -> Failure {
    match failure {
        Failure::Store(error) => Failure::NotAvailable(error.to_string()),
        other => other,
    }
}

fn look(context: &CallContext<'_>) -> Result<()> {
    context.ipam.check_all()?;
    let settings = context.ipam.address()?;
    read_dns(&settings)?;
    // Of this network alone: what another one's ENI is like keeps no ADD of this one from succeeding.
    let enis = known_enis_of(&context.store, &settings)?;
    context.store.check_room()?;
    context.client()?.check_credentials().map_err(|error| Failure::NotAvailable(error.to_string()))?;
    let fails_when_full = context.ipam.status_fails_when_full()?;
    let family = if settings.ipv4 == Family4::Off { Family::V6 } else { Family::V4 };
    let mut full = Vec::new();
    for eni in enis {
        // One that nobody has asked for yet may have room.
        let Some(eni) = eni else { return Ok(()) };
        match context.store.eni_state(&eni)?.full_at(Timestamp::now()).filter(|_| fails_when_full) {
            None => return Ok(()),
            Some(_) if context.store.has_spare(&eni, family)? => return Ok(()),
            Some(at) => full.push(format!("{eni} at {at}")),
        }
    }
    if full.is_empty() {
        return Ok(());
    }
    Err(Failure::NotAvailable(format!(
        "ECS had no free address for {}: delete pods (`aliyun-eni-ipam list` shows which have one), or use {FULL}",
        full.join(", ")
    )))
}

const FULL: &str = "a larger vSwitch or an instance type with more addresses per ENI";
