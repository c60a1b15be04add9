//! Checks the permissions to assign and unassign. ECS has no dry run of these actions, but it checks the permission before the
//! address. So both are sent with an address that no ENI can have: a refusal because of the address proves the permission.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::base::region::{Family, RegionId};
use crate::cloud::ecs::{Client, Eni, Want};
use crate::cloud::rpc::Error;
use crate::commands::doctor::report::Report;
use crate::context::CallContext;

/// How long to wait while another call works on the ENI.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tests the permissions to assign and unassign. The permission to describe was used before.
pub(super) fn test(
    context: &CallContext<'_>,
    client: &Client,
    region: &RegionId,
    eni: &Eni,
    ipv6: bool,
    report: &mut Report,
) {
    const NAME: &str = "permissions";
    // ECS accepts one request about an ENI at a time. Without a store there is no other call, and `doctor` does not create one.
    let _eni_lock = match context.store.mode() {
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

/// Whether ECS refused the request because of the address or the lack of one, so after it had checked the permission.
fn proves_permission(error: &Error) -> bool {
    error.subject().is_an_address() || error.subject().is_full()
}
