//! ADD: the attachment gets a secondary private IP of the node's ENI, or two, one of each family.

use std::io;

use serde_json::Value;

use crate::base::attachment::Pod;
use crate::base::clock::{Timestamp, boot_of_records};
use crate::cni::{Add, Dns, IpamResult};
use crate::config::{AddressSettings, Ipam};
use crate::store::{Active, AddIntent};

use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::node::placement::EniPlacement;
use crate::node::pods::NodePods;
use crate::pool::assign::{Keeping, Source};
use crate::pool::attempt::Attempt;
use crate::verbs::beginning::{Beginning, begin, find_places};
use crate::verbs::{main_plugin, wait_for_address};

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
    main_plugin::warn_of_unfit(call.network.main_plugin.as_deref());
    let settings = context.ipam.address()?.below(call.network.main_plugin.as_deref());
    let dns = read_dns(&settings)?;
    let answer = |Active(allocation): &Active| {
        let ips = allocation.addresses.clone();
        let result = IpamResult { ips, routes: settings.routes.clone(), dns };
        // Where this fails, the runtime has given up, perhaps long ago.
        print(&result.to_json(call.network.version)).map_err(Failure::Output)
    };
    match begin(context, &intent_of(call), &settings)? {
        Beginning::Has(active) => answer(&active),
        Beginning::TakenOver(active) => answer(&active).inspect_err(|_| {
            // Nobody reads of it, so no DEL will come, and `flush` would leave it until the next boot.
            let undone = context.store.begin_release_of(&active, context.deadline).map_err(Failure::from);
            report(undone.and_then(|pending| context.release(&pending)));
        }),
        Beginning::Busy => Err(Failure::StillAssigning),
        Beginning::New { intent, first } => {
            if first {
                report_lost_store(context);
            }
            let mut attempt = Attempt::new(&context.store, intent, context.deadline);
            let done = assign(context, &mut attempt, call, &settings).and_then(|(place, active)| {
                main_plugin::warn_of_missing_routes(context, &settings, &place);
                wait_for_address::wait(context, &place, &active)?;
                answer(&active).map(|()| active)
            });
            let enis = attempt.enis().to_vec();
            let (used, ended) = match done {
                Ok(Active(allocation)) => (Some(allocation.eni), Ok(())),
                Err(failure) => {
                    let undone = attempt.undo().map_err(Failure::from);
                    report(undone.and_then(|pending| context.release(&pending)));
                    (None, Err(failure))
                }
            };
            for (eni, region) in &enis {
                if used.as_ref() == Some(eni) || context.has_reserve(eni) {
                    context.release_surplus(&call.network.name, eni, region);
                }
            }
            ended
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

/// Gets the addresses that are wanted.
fn assign<'s>(
    context: &'s CallContext<'_>,
    attempt: &mut Attempt<'s>,
    call: &Add,
    settings: &AddressSettings,
) -> Result<(EniPlacement, Active)> {
    let foreign = context.foreign()?;
    if let Some(it) = call.arguments.requested.iter().find(|it| foreign.contains(it.address)) {
        return Err(Failure::RequestedForeign { address: it.address });
    }
    let places = find_places(context, settings)?;
    let mut sources = Vec::new();
    let mut failure = None;
    for place in &places {
        match source(context, place, call) {
            Ok(source) => sources.push(source),
            Err(unfit) => failure = failure.or(Some(unfit)),
        }
    }
    if let Some(failure) = failure.filter(|_| sources.is_empty()) {
        return Err(failure);
    }
    let (place, active) = attempt.run(&sources)?;
    Ok((place.clone(), active))
}

/// What is wanted of this ENI.
fn source<'a>(context: &'a CallContext<'_>, place: &'a EniPlacement, call: &Add) -> Result<Source<'a>> {
    let wanted = place.wanted(&call.arguments.requested)?;
    let foreign = context.foreign()?;
    if let Some(it) = wanted.iter().find(|it| foreign.covers(it.subnet.block)) {
        return Err(Failure::AllForeign { subnet: it.subnet.block });
    }
    let reserve = context.ipam.reserve()?;
    let keeping = Keeping { entries: reserve.reserve, rest: reserve.reuse_delay };
    Ok(Source { place, wanted, keeping, releaser: context.releaser(&place.region)? })
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
