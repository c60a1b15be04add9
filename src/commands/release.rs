//! `release`: gives up active records and addresses of the reserve, and releases them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::json;

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::commands::causes;
use crate::commands::consent::Consent;
use crate::commands::error::CommandError;
use crate::commands::output::{print_json, short_id};
use crate::commands::own_time::OwnTime;
use crate::commands::progress::Progress;
use crate::commands::releasing::{Outcome, release_now};
use crate::config::Ipam;
use crate::context::CallContext;
use crate::failure::Failure;
use crate::node::pods::{CachedAttachment, NodePods};
use crate::store::{Active, Allocation, Reserved, State, Store, join};

/// What is to be released.
#[derive(PartialEq)]
struct Chosen {
    active: Vec<Active>,
    reserved: Vec<(EniId, Reserved)>,
}

/// Releases the records that name any of `wanted`, and those of them that are in the reserve. A record is released whole, because an
/// attachment has all its addresses or none.
pub(super) fn release(
    ipam: Ipam<'_>,
    wanted: &BTreeSet<IpAddr>,
    consent: Consent,
    as_json: bool,
) -> Result<(), CommandError> {
    let directory = ipam.data_directory().map_err(Failure::from)?;
    let store = Store::open(&directory).map_err(Failure::from)?;
    let chosen = choose(&store, wanted)?;
    let pods = NodePods::look();
    refuse_anothers(&chosen, &pods)?;
    if !consent.obtain(&question(&chosen, wanted, &pods)) {
        return Err(CommandError::Failed("not confirmed, so nothing was released".into()));
    }
    // Opened after the question, because its deadline must not run while a person thinks.
    let context = OwnTime::starts(None).open(ipam)?;
    let progress = Progress::new(as_json);
    let outcome = context.run_then_write_metrics(|context| {
        progress.while_shown(|| release_chosen(context, &chosen, wanted, &progress))
    })?;
    if as_json {
        let left: BTreeSet<IpAddr> = outcome.left_addresses().collect();
        let causes = causes::to_json(&outcome.left);
        print_json(&json!({ "released": outcome.released, "left": left, "causes": causes }))?;
    } else {
        outcome.print()?;
    }
    if outcome.left.is_empty() { Ok(()) } else { Err(CommandError::LeftOver) }
}

fn release_chosen(
    context: &CallContext<'_>,
    chosen: &Chosen,
    wanted: &BTreeSet<IpAddr>,
    progress: &Progress,
) -> Result<Outcome, CommandError> {
    if choose(&context.store, wanted)? != *chosen {
        return Err(CommandError::Failed(
            "the records have changed since the question, so nothing was released: try again".into(),
        ));
    }
    refuse_anothers(chosen, &NodePods::look())?;
    let (mut pending, mut begun) = (Vec::new(), Ok(()));
    for active in &chosen.active {
        match context.store.begin_release_of(active, context.patience()) {
            Ok(found) => {
                active.0.event("given up: a person releases it").info();
                pending.extend(found);
            }
            Err(error) => begun = begun.and(Err(Failure::from(error))),
        }
    }
    for (eni, Reserved { address, .. }) in &chosen.reserved {
        match context.store.release_reserved(eni, &[*address], context.patience()) {
            Ok(found) => pending.extend(found),
            Err(error) => begun = begun.and(Err(Failure::from(error))),
        }
    }
    let outcome = release_now(context, &pending, &chosen.addresses(), progress)?;
    begun?;
    Ok(outcome)
}

/// The active records that name any of `wanted`, and those of `wanted` that are in the reserve.
fn choose(store: &Store, wanted: &BTreeSet<IpAddr>) -> Result<Chosen, CommandError> {
    let mut active = store.all_active().map_err(Failure::from)?;
    active.retain(|it| it.0.ips().any(|address| wanted.contains(&address)));
    active.sort_by(|a, b| a.0.owner.cmp(&b.0.owner));
    let mut reserved = Vec::new();
    for eni in store.reserved_enis().map_err(Failure::from)? {
        let entries = store.reserved(&eni).map_err(Failure::from)?;
        let wanted = entries.into_iter().filter(|it| wanted.contains(&it.address));
        reserved.extend(wanted.map(|it| (eni.clone(), it)));
    }
    reserved.sort_by_key(|(_, it)| it.address);
    let chosen = Chosen { active, reserved };
    let unnamed: Vec<IpAddr> = wanted.difference(&chosen.addresses()).copied().collect();
    if unnamed.is_empty() { Ok(chosen) } else { Err(CommandError::Failed(refusal(store, &unnamed)?)) }
}

/// Refuses to release what a pod of another attachment is seen to use: then the record is out of date, and a release of it takes the
/// address from that pod.
fn refuse_anothers(chosen: &Chosen, pods: &NodePods) -> Result<(), CommandError> {
    for (_, Reserved { address, entry }) in &chosen.reserved {
        // An older file is that of the pod that had the address before.
        let got_since =
            |it: &&CachedAttachment| it.written.is_some_and(|it| Timestamp::from(it) > entry.since);
        if let Some(other) = pods.attachments_with(*address).find(got_since) {
            return Err(CommandError::Failed(format!(
                "{address} is in the reserve, but {} has it, so nothing was released: run `aliyun-eni-ipam reconcile --adopt`, \
                 which records it for that pod; if that pod is gone, delete {} first",
                other.user(),
                other.path.display(),
            )));
        }
    }
    for Active(allocation) in &chosen.active {
        for address in allocation.ips() {
            if let Some(other) = pods.another_with(address, &allocation.owner) {
                return Err(CommandError::Failed(format!(
                    "{address} is recorded for container {}, but {} has it, so nothing was released: run `aliyun-eni-ipam \
                     reconcile --adopt`, which gives the address to that pod; if that pod is gone, delete {} first",
                    short_id(&allocation.owner.container_id),
                    other.user(),
                    other.path.display(),
                )));
            }
        }
    }
    Ok(())
}

/// By what the pod of a record is seen to live, for the question.
fn seen(allocation: &Allocation, pods: &NodePods) -> String {
    let cached = allocation.ips().find(|address| pods.attachments_with(*address).next().is_some());
    let routed = allocation.ips().find_map(|address| pods.link_to(address));
    match (cached, routed) {
        (_, Some(link)) => format!("; it is in use: this host has a route to it by {link}"),
        (Some(_), None) => "; it is seen to be in use: libcni remembers this container".to_owned(),
        (None, None) => String::new(),
    }
}

impl Chosen {
    fn addresses(&self) -> BTreeSet<IpAddr> {
        let active = self.active.iter().flat_map(|it| it.0.ips());
        active.chain(self.reserved.iter().map(|(_, it)| it.address)).collect()
    }
}

fn refusal(store: &Store, unnamed: &[IpAddr]) -> Result<String, Failure> {
    let listed = store.list()?;
    let is_releasing = |address: &&IpAddr| {
        let mut releasing = listed.iter().filter(|it| it.state == State::Releasing);
        releasing.any(|it| it.addresses().contains(&address.to_string()))
    };
    let advice = match unnamed.iter().find(is_releasing) {
        Some(address) => {
            format!("{address} is already being released; `aliyun-eni-ipam flush` retries that now")
        }
        None => {
            "`aliyun-eni-ipam list` shows the records, `aliyun-eni-ipam reconcile` what else is on the ENI"
                .into()
        }
    };
    Ok(format!(
        "neither an active record nor the reserve has {}, so nothing was released: {advice}",
        join(unnamed)
    ))
}

fn question(chosen: &Chosen, wanted: &BTreeSet<IpAddr>, pods: &NodePods) -> Vec<String> {
    let mut lines = Vec::new();
    if !chosen.reserved.is_empty() {
        lines.push("These addresses are in the reserve, and no pod's:".to_owned());
        lines.extend(chosen.reserved.iter().map(|(eni, Reserved { address, entry })| {
            format!("  {address} on {eni}: kept for network {}", entry.network)
        }));
    }
    if chosen.active.is_empty() {
        lines.push("Release them?".to_owned());
        return lines;
    }
    lines.push("These addresses are recorded as in use on this node:".to_owned());
    for Active(allocation) in &chosen.active {
        let own: Vec<IpAddr> = allocation.ips().collect();
        let others: Vec<IpAddr> = own.iter().filter(|address| !wanted.contains(address)).copied().collect();
        let also = match others.as_slice() {
            [] => String::new(),
            others => format!(" ({} goes with it, because a record is released whole)", join(others)),
        };
        let owner = &allocation.owner;
        let pod = allocation.pod.as_ref().map(|pod| format!(" of pod {pod}"));
        lines.push(format!(
            "  {} on {}: container {}, {}{}{also}{}",
            join(&own),
            allocation.eni,
            short_id(&owner.container_id),
            owner.ifname,
            pod.unwrap_or_default(),
            seen(allocation, pods),
        ));
    }
    lines.extend(pods.unseen().iter().map(|what| format!("Not looked at: {what}")));
    lines.push("A container that is still running loses its network. Release them?".to_owned());
    lines
}
