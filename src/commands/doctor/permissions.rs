//! May these credentials assign and unassign? ECS has no dry run of either, but it checks the permission before it looks at
//! an address. So both are asked for with an address that no ENI can have: what is refused because of the address was
//! permitted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::base::region::{Family, RegionId};
use crate::cloud::ecs::{Client, Eni, Want};
use crate::cloud::rpc::{Error, Subject};
use crate::commands::doctor::Report;
use crate::context::CallContext;

/// How long other calls' work on the ENI is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tests the permission to describe, which has just been used, and those to assign and unassign.
pub(super) fn test(
    context: &CallContext<'_>,
    client: &Client,
    region: &RegionId,
    eni: &Eni,
    ipv6: bool,
    report: &mut Report,
) {
    const NAME: &str = "permissions";
    // ECS wants one request about an ENI at a time. Where there is no store there is nobody to keep out, and none is made.
    let _lease = match context.store.mode() {
        Ok(None) => None,
        _ => match context.store.lock_eni(&eni.id, context.deadline.at_most(PATIENCE)) {
            Ok(eni_lock) => Some(eni_lock),
            Err(error) => return report.not_tested(NAME, error),
        },
    };
    let mut families = vec![(Family::V4, IpAddr::from(Ipv4Addr::LOCALHOST))];
    if ipv6 {
        families.push((Family::V6, IpAddr::from(Ipv6Addr::LOCALHOST)));
    }
    let (mut allowed, mut unclear) = (vec!["DescribeNetworkInterfaces"], Vec::new());
    for (family, nowhere) in families {
        let unassigned = client.unassign(region, &eni.id, &[nowhere], context.deadline).map(|_| ());
        let token = crate::base::random::hex128().unwrap_or_default();
        let want = Want::Addresses(vec![nowhere]);
        let assigned = client.assign(region, &eni.id, family, &want, &token, context.deadline).map(|_| ());
        for (action, answer) in names(family).into_iter().zip([unassigned, assigned]) {
            match answer {
                Ok(()) => allowed.push(action),
                Err(error) if proves_permission(&error) => allowed.push(action),
                Err(error) if error.subject().is_the_caller() => report.fail(NAME, error),
                Err(error) => unclear.push(error.to_string()),
            }
        }
    }
    report.ok(NAME, format!("granted: {}", allowed.join(", ")));
    for why in unclear {
        report.not_tested(NAME, why);
    }
}

fn names(family: Family) -> [&'static str; 2] {
    match family {
        Family::V4 => ["UnassignPrivateIpAddresses", "AssignPrivateIpAddresses"],
        Family::V6 => ["UnassignIpv6Addresses", "AssignIpv6Addresses"],
    }
}

/// Whether ECS had got as far as the address, or the room for it.
fn proves_permission(error: &Error) -> bool {
    error.subject() == Subject::Address || error.subject().is_full()
}
