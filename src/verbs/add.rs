//! ADD: the attachment gets a secondary private IP of the node's ENI, or two, one of each family.

use std::io;

use serde_json::Value;

use crate::base::attachment::Pod;
use crate::base::clock::{Timestamp, boot_id};
use crate::cni::{Add, Dns, IpamResult};
use crate::config::{AddressSettings, Ipam};
use crate::store::{Active, AddIntent, Allocation, Begun, Committed, EniLock, OpenIntent};

use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::node::facts::find_placement;
use crate::pool::assign::Assigner;

/// Serves an ADD and prints its result. An attachment that has its addresses already gets the same ones. An ADD that fails
/// leaves nothing behind, because no caller cleans up after it: what it got is released, and what cannot be released at
/// once is recorded as releasing.
///
/// # Errors
/// When the configuration cannot be used, no address is to be had, or nobody reads the result.
pub(super) fn add(call: &Add, print: &mut dyn FnMut(&Value) -> io::Result<()>) -> Result<()> {
    let context = CallContext::open(Ipam::new(&call.network.ipam))?;
    context.ipam.check_all()?;
    for key in context.ipam.unknown_keys() {
        log::warn!("ipam.{key} is unknown to this version and is ignored");
    }
    let settings = context.ipam.address()?;
    let dns = read_dns(&settings)?;
    let intention = AddIntent {
        owner: call.attachment.clone(),
        network: call.network.name.clone(),
        pod: Some(call.arguments.pod.clone()).filter(|pod| *pod != Pod::default()),
        boot_id: boot_id(),
        since: Timestamp::now(),
    };
    let (active, ours) = match context.store.begin_add(&intention, context.deadline)? {
        Begun::Existing(active) => (active, false),
        Begun::Busy => return Err(Failure::StillAssigning),
        Begun::New(intent) => (assign(&context, intent, call, &settings)?, true),
    };
    let result = IpamResult { ips: active.0.addresses.clone(), routes: settings.routes, dns };
    if let Err(error) = print(&result.to_json(call.network.version)) {
        // The runtime has given up, perhaps long ago, and its DEL may have come and gone. What another ADD got, earlier or
        // since, is not ours to take away.
        if ours {
            let pending = context.store.begin_release_of(&active, context.deadline)?;
            context.release(&pending)?;
        }
        return Err(Failure::Output(error));
    }
    Ok(())
}

/// Gets the addresses and makes the record; gives back everything where that fails.
fn assign(
    context: &CallContext<'_>,
    mut intent: OpenIntent,
    call: &Add,
    settings: &AddressSettings,
) -> Result<Active> {
    // Held from the first request that may have been carried out until what it brought is recorded, as in use or as
    // releasing, so that nobody who holds it meets an address that is neither free nor recorded.
    let mut eni_lock = None;
    let mut got = None;
    let failure = match obtain(context, &mut intent, call, settings, &mut eni_lock, &mut got) {
        Ok(active) => return Ok(active),
        Err(failure) => failure,
    };
    if let Err(error) = give_back(context, &intent, eni_lock, got) {
        log::error!("the addresses of this failed ADD could not be released and stay recorded: {error}");
    }
    Err(failure)
}

fn obtain<'s>(
    context: &'s CallContext<'_>,
    intent: &mut OpenIntent,
    call: &Add,
    settings: &AddressSettings,
    eni_lock: &mut Option<EniLock<'s>>,
    got: &mut Option<Allocation>,
) -> Result<Active> {
    let place = find_placement(context.client()?, &context.store, settings, context.deadline)?;
    let wanted = place.wanted(&call.arguments.requested)?;
    let releaser = context.releaser(&place.region)?;
    let got = got.insert(place.allocation(&intent.intention));
    let taken = eni_lock.insert(context.store.lock_eni(&place.eni, context.deadline)?);
    releaser.release_backlog(taken, context.deadline)?;
    let (store, deadline) = (&context.store, context.deadline);
    let mut assigner = Assigner { releaser, store, eni_lock, intent, place: &place, deadline };
    for want in &wanted {
        let address = assigner.obtain(want)?;
        got.add(want.subnet.address(address));
    }
    let active = Active(got.clone());
    match context.store.commit(intent, &active, context.deadline)? {
        Committed::Active => {
            log::info!("assigned {got}");
            Ok(active)
        }
        Committed::Deleted => Err(Failure::Deleted),
    }
}

fn give_back(
    context: &CallContext<'_>,
    intent: &OpenIntent,
    eni_lock: Option<EniLock<'_>>,
    got: Option<Allocation>,
) -> Result<()> {
    let pending = context.store.abandon(intent, got)?;
    drop(eni_lock);
    context.release(pending.as_slice())
}

/// What the file of `resolvConf` says.
pub(super) fn read_dns(settings: &AddressSettings) -> Result<Dns> {
    let Some(path) = &settings.resolv_conf else { return Ok(Dns::default()) };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Dns::from_resolv_conf(&text)),
        Err(error) => Err(Failure::ResolvConf { path: path.clone(), error }),
    }
}
