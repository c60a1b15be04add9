//! STATUS: could an ADD succeed now, as far as this node knows by itself?
//!
//! Runtimes ask every few seconds and may hold a lock of their own meanwhile. So STATUS never waits: it takes no lock and asks
//! neither ECS nor metadata.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::cni::Status;
use crate::config::{AddressSettings, Ipam};
use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::node::facts::mac_of_configured_interface;
use crate::store::{Listed, State, Store};
use crate::verbs::add::read_dns;

/// How long releases may fail for a reason that stays, before the node is reported as broken.
const GRACE: Duration = Duration::from_mins(5);

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
    check_files(&context.ipam.address()?)?;
    context.store.check_room()?;
    context.client()?.check_credentials().map_err(|error| Failure::NotAvailable(error.to_string()))?;
    let fails_when_full = context.ipam.status_fails_when_full()?;
    let now = Timestamp::now();
    for eni in context.store.known_enis()? {
        let state = context.store.eni_state(&eni)?;
        if let Some(full) = state.full_at(now).filter(|_| fails_when_full) {
            return Err(Failure::NotAvailable(format!(
                "ECS had no free address for {eni} at {full}: delete pods, or use {FULL}"
            )));
        }
        if let Some(backoff) = state.backoff.filter(|it| it.permanent && it.since.age(now) >= GRACE)
            && is_releasing(&context.store, &eni)?
        {
            return Err(Failure::NotAvailable(format!(
                "releases from {eni} have failed since {}: {}",
                backoff.since, backoff.error
            )));
        }
    }
    Ok(())
}

/// Whether this ENI has releases left. It reads every record, so it is asked only if releases have failed for long.
fn is_releasing(store: &Store, eni: &EniId) -> Result<bool> {
    let is_of_eni = |it: &Listed| it.allocation.as_ref().is_some_and(|it| it.eni == *eni);
    Ok(store.list()?.iter().any(|it| it.state == State::Releasing && is_of_eni(it)))
}

/// Files and interfaces of the node that the configuration names and every ADD reads.
fn check_files(settings: &AddressSettings) -> Result<()> {
    read_dns(settings)?;
    mac_of_configured_interface(settings).map(|_| ())
}

const FULL: &str = "a larger vSwitch or an instance type with more addresses per ENI";
