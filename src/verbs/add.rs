//! ADD: the attachment gets a secondary private IP of the node's ENI, or two, one of each family.

use std::io;

use serde_json::Value;

use crate::base::attachment::Pod;
use crate::base::clock::{Timestamp, boot_of_records};
use crate::cni::{Add, Dns, IpamResult};
use crate::config::{AddressSettings, Ipam};
use crate::store::{Active, AddIntent, Allocation, Begun, OpenIntent};

use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::node::facts::find_placement;
use crate::node::placement::EniPlacement;
use crate::node::pods::NodePods;
use crate::pool::attempt::Attempt;
use crate::pool::release::REQUEST_TIMEOUT;

/// Opens the store for an ADD.
///
/// # Errors
/// When the configuration or the store cannot be used.
pub(super) fn open(call: &Add) -> Result<CallContext<'_>> {
    CallContext::open(Ipam::new(&call.network.ipam))
}

/// Serves an ADD and prints its result. An attachment that has its addresses already gets the same ones. An ADD that fails,
/// or whose result cannot be printed, leaves nothing behind, because no caller cleans up after it: what it got is released,
/// and what cannot be released at once is recorded as releasing.
///
/// # Errors
/// When the configuration cannot be used, no address is to be had, or nobody reads the result.
pub(super) fn add(
    context: &CallContext<'_>,
    call: &Add,
    print: &mut dyn FnMut(&Value) -> io::Result<()>,
) -> Result<()> {
    context.ipam.check_all()?;
    for key in context.ipam.unknown_keys() {
        log::warn!("{}", key.warning());
    }
    let settings = context.ipam.address()?;
    let dns = read_dns(&settings)?;
    let answer = |Active(allocation): &Active| {
        let ips = allocation.addresses.clone();
        let result = IpamResult { ips, routes: settings.routes.clone(), dns };
        // Where this fails, the runtime has given up, perhaps long ago.
        print(&result.to_json(call.network.version)).map_err(Failure::Output)
    };
    match begin(context, call, &settings)? {
        Beginning::Has(active) => answer(&active),
        Beginning::TakenOver(active) => answer(&active).inspect_err(|_| {
            // Nobody knows of it, and the next boot is far away.
            let undone = context.store.begin_release_of(&active, context.deadline).map_err(Failure::from);
            report(undone.and_then(|pending| context.release(&pending)));
        }),
        Beginning::Busy => Err(Failure::StillAssigning),
        Beginning::New { intent, first } => {
            if first {
                report_lost_store(context);
            }
            let mut attempt = Attempt::new(&context.store, intent, context.deadline);
            let done = assign(context, &mut attempt, call, &settings)
                .and_then(|active| answer(&active).map(|()| active));
            match done {
                Ok(Active(allocation)) => {
                    context.release_backlog(&allocation.eni, &allocation.region);
                    Ok(())
                }
                Err(failure) => {
                    let undone = attempt.undo().map_err(Failure::from);
                    report(undone.and_then(|pending| context.release(&pending)));
                    Err(failure)
                }
            }
        }
    }
}

/// Says so if the store is new while libcni remembers attachments that it should have records of: it was lost, and what those pods
/// have is not released when they end.
fn report_lost_store(context: &CallContext<'_>) {
    let (pods, directory) = (NodePods::look(), context.store.directory());
    match pods.without_record(directory, &[]).len() {
        0 => {}
        count => log::error!(
            "{} is a new store, but libcni remembers attachments that should have records in it ({count}): if it was lost, run \
             `aliyun-eni-ipam reconcile --adopt`, because without records their addresses are not released",
            directory.display()
        ),
    }
}

/// What an ADD begins with.
enum Beginning {
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
fn begin(context: &CallContext<'_>, call: &Add, settings: &AddressSettings) -> Result<Beginning> {
    let intention = intent_of(call);
    loop {
        let found = match context.store.begin_add(&intention, context.deadline)? {
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
            if let Some(taken) = context.store.take_over(&found, &intention, context.deadline)? {
                log::info!("{} was assigned in an earlier boot, and is {}'s again", taken.0, taken.0.owner);
                return Ok(Beginning::TakenOver(taken));
            }
        } else {
            log::warn!(
                "{} was assigned in an earlier boot and cannot be used any more: it is released",
                found.0
            );
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
    if find_place(context, settings)?.eni != *eni {
        return Ok(false);
    }
    let described = context.client()?.describe(region, eni, context.deadline.at_most(REQUEST_TIMEOUT))?;
    let described = described.ok_or_else(|| Failure::NotOurs { eni: eni.clone() })?;
    let foreign = context.foreign()?;
    Ok(allocation.ips().all(|address| described.addresses.contains(&address) && !foreign.contains(address)))
}

/// Finds out where addresses come from, and claims the ENI for this store.
fn find_place(context: &CallContext<'_>, settings: &AddressSettings) -> Result<EniPlacement> {
    let place = find_placement(context.client()?, &context.store, settings, context.deadline)?;
    context.claim(&place.eni, &place.region)?;
    Ok(place)
}

/// Gets the addresses that are wanted.
fn assign<'s>(
    context: &'s CallContext<'_>,
    attempt: &mut Attempt<'s>,
    call: &Add,
    settings: &AddressSettings,
) -> Result<Active> {
    let foreign = context.foreign()?;
    if let Some(it) = call.arguments.requested.iter().find(|it| foreign.contains(it.address)) {
        return Err(Failure::RequestedForeign { address: it.address });
    }
    let place = find_place(context, settings)?;
    let wanted = place.wanted(&call.arguments.requested)?;
    if let Some(it) = wanted.iter().find(|it| foreign.covers(it.subnet.block)) {
        return Err(Failure::AllForeign { subnet: it.subnet.block });
    }
    attempt.run(context.releaser(&place.region)?, &place, &wanted)
}

/// Says that what a failed ADD had got is not released yet, where that failed.
fn report(released: Result<()>) {
    if let Err(error) = released {
        log::error!("the addresses of this failed ADD could not be released and stay recorded: {error}");
    }
}

fn intent_of(call: &Add) -> AddIntent {
    AddIntent {
        owner: call.attachment.clone(),
        network: call.network.name.clone(),
        pod: Some(call.arguments.pod.clone()).filter(|pod| *pod != Pod::default()),
        boot_id: boot_of_records(),
        since: Timestamp::now(),
    }
}

/// What the file of `resolvConf` says.
pub(super) fn read_dns(settings: &AddressSettings) -> Result<Dns> {
    let Some(path) = &settings.resolv_conf else { return Ok(Dns::default()) };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Dns::from_resolv_conf(&text)),
        Err(error) => Err(Failure::ResolvConf { path: path.clone(), error }),
    }
}
