//! The checks that ask somebody else: the metadata service, the source of the access key, and ECS.

use std::time::{Duration, SystemTime};

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::cloud::ecs::{Client, Eni};
use crate::cloud::rpc::Error;
use crate::commands::doctor::permissions;
use crate::commands::doctor::report::Report;
use crate::config::AddressSettings;
use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::node::facts::{asked_from_metadata, find_eni};
use crate::node::ownership;

/// The clock skew from which on `doctor` warns. A signature is valid for 15 minutes, and a request that ECS refuses because of
/// its time is sent again with the time of ECS.
const MAX_SKEW: Duration = Duration::from_mins(1);

/// Asks everything that an ADD or a DEL may ask. Without a configuration it is unknown which ENI pods would use, so the
/// permissions are not tested.
pub(super) fn cloud(context: &CallContext<'_>, is_configured: bool, report: &mut Report) {
    let (client, settings) = match prepare(context) {
        Ok(prepared) => prepared,
        Err(failure) => return report.not_tested("cloud", failure),
    };
    let has_metadata = metadata(context, client, &settings, report);
    let has_key = credentials(context, client, report);
    let (region, eni) = match context
        .client()
        .and_then(|client| find_eni(client, &context.store, &settings, context.deadline))
    {
        Ok(found) => found,
        Err(Failure::Metadata { missing, .. }) if !has_metadata => {
            let why = format!("it is not known without instance metadata: set {}", missing.join(", "));
            return report.not_tested("eni", why);
        }
        Err(failure) => return report.fail("eni", failure),
    };
    if !has_key {
        return report.not_tested("endpoint", "there are no credentials to sign a request with");
    }
    let described = client.describe(&region, &eni, context.deadline);
    endpoint(client, &region, described.as_ref().err(), report);
    clock(client, report);
    if !is_configured {
        return report.not_tested("eni", format!("without a configuration it is the primary one, {eni}"));
    }
    match described {
        Err(error) if error.code.is_none() => {}
        Err(error) => report.fail("permissions", error),
        Ok(found) => {
            let Some(found) = own(context, client, &eni, found, report) else { return };
            permissions::test(context, client, &region, &found, settings.ipv6, report);
            quota(context, client, &region, &found, report);
        }
    }
}

fn prepare<'s>(context: &'s CallContext<'_>) -> Result<(&'s Client, AddressSettings)> {
    Ok((context.client()?, context.ipam.address()?))
}

/// Checks the metadata service; returns whether it answers.
fn metadata(
    context: &CallContext<'_>,
    client: &Client,
    settings: &AddressSettings,
    report: &mut Report,
) -> bool {
    let metadata = client.metadata();
    match metadata.is_hardened(context.deadline).and_then(|hardened| {
        let instance = metadata.instance_id(context.deadline)?;
        Ok((hardened, instance))
    }) {
        Ok((hardened, instance)) => {
            let mode = if hardened { "with tokens (hardened mode)" } else { "without tokens (normal mode)" };
            report.ok("metadata", format!("{} answers {mode}: this is {instance}", metadata.endpoint()));
            true
        }
        Err(error) => {
            match asked_from_metadata(client, settings).join(", ") {
                none if none.is_empty() => {
                    report.warn("metadata", format!("{error}; this configuration does without it"));
                }
                keys => report.fail("metadata", format!("{error}; to do without metadata, set {keys}")),
            }
            error.reachable
        }
    }
}

/// Checks the access key; returns whether there is one. The secret is never shown.
fn credentials(context: &CallContext<'_>, client: &Client, report: &mut Report) -> bool {
    let found = match client.credentials(context.deadline) {
        Ok(found) => found,
        Err(error) => {
            report.fail("credentials", error);
            return false;
        }
    };
    let (id, source) = (&found.key.access_key_id, &found.source);
    match found.key.expires {
        None => report.ok("credentials", format!("{id} from {source}, does not expire")),
        Some(end) if end <= SystemTime::now() => {
            report.fail("credentials", format!("{id} from {source} has expired: check the node's clock"));
        }
        Some(end) => {
            report.ok(
                "credentials",
                format!("{id} from {source}, expires at {}", Timestamp::from(end).to_seconds()),
            );
        }
    }
    true
}

/// Checks that ECS answers. A refusal is an answer.
fn endpoint(client: &Client, region: &RegionId, error: Option<&Error>, report: &mut Report) {
    match error {
        Some(error) if error.code.is_none() => report.fail("endpoint", error),
        _ => report.ok("endpoint", format!("{} answers", client.endpoint(region))),
    }
}

fn clock(client: &Client, report: &mut Report) {
    match client.clock_skew() {
        None => report.not_tested("clock", "no answer of ECS gave its time"),
        Some(skew) if skew.unsigned_abs() < MAX_SKEW.as_secs() => {
            report.ok("clock", format!("within {} s of the clock of ECS", skew.unsigned_abs() + 1));
        }
        Some(skew) => {
            let (by, direction) = (skew.unsigned_abs(), if skew < 0 { "ahead of" } else { "behind" });
            report.warn("clock", format!("the node's clock is {by} s {direction} that of ECS: set it"));
        }
    }
}

/// Checks that pods can get addresses of the ENI, and returns it if so.
fn own(
    context: &CallContext<'_>,
    client: &Client,
    eni: &EniId,
    described: Option<Eni>,
    report: &mut Report,
) -> Option<Eni> {
    let not_ours = || Failure::NotOurs { eni: eni.clone() };
    let ours = described.as_ref().map_or(Ok(None), |described| {
        ownership::mac_of_described(&context.store, client, described, context.deadline)
    });
    match (described, ours) {
        (_, Err(error)) => report.fail("eni", error),
        (None, _) | (_, Ok(None)) => report.fail("eni", not_ours()),
        (Some(it), _) if it.service_managed => report.fail("eni", Failure::ServiceManaged { eni: it.id }),
        (Some(it), Ok(Some(mac))) => {
            let kind = format!("{:?}", it.kind).to_lowercase();
            report.ok("eni", format!("{eni} ({mac}, {kind}, {}) is attached to this instance", it.status));
            return Some(it);
        }
    }
    None
}

fn quota(context: &CallContext<'_>, client: &Client, region: &RegionId, eni: &Eni, report: &mut Report) {
    let kind = match client.metadata().instance_type(context.deadline) {
        Ok(kind) => kind,
        Err(error) => return report.not_tested("quota", error),
    };
    let quota = match client.quota(region, &kind, context.deadline) {
        Ok(Some(quota)) => quota,
        Ok(None) => return report.not_tested("quota", format!("ECS does not know the instance type {kind}")),
        Err(error) => return report.not_tested("quota", error),
    };
    let all = || eni.primary.iter().chain(&eni.addresses);
    let (used, used6) = (all().filter(|it| it.is_ipv4()).count(), all().filter(|it| it.is_ipv6()).count());
    let foreign = match context.foreign() {
        Ok(foreign) => eni.addresses.iter().filter(|it| foreign.contains(**it)).count(),
        Err(failure) => return report.not_tested("quota", failure),
    };
    let foreign = if foreign > 0 { format!(", of which {foreign} are foreign") } else { String::new() };
    let detail = format!(
        "{} has {used} of {} IPv4 addresses, the primary one included, and {used6} of {} IPv6 addresses{foreign} ({kind})",
        eni.id, quota.ipv4, quota.ipv6
    );
    if used as u64 >= quota.ipv4 {
        report.warn("quota", format!("{detail}: no further pod can get an address"));
    } else {
        report.ok("quota", detail);
    }
}
