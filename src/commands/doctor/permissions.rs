//! Checks the permissions to assign and unassign. ECS has no dry run of these actions, but it seems to check the permission before
//! the address. So both are sent with an address that no ENI can have: a refusal because of the address suggests the permission.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::base::random;
use crate::base::region::Family;
use crate::cloud::ecs::{Want, assign_action, unassign_action};
use crate::cloud::rpc::Error;
use crate::commands::doctor::report::Report;
use crate::commands::doctor::site::Site;
use crate::store;

const NAME: &str = "permissions";

/// How long to wait while another call works on the ENI.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tests the permissions to assign and unassign. The permission to describe was used before.
pub(super) fn test(site: &Site<'_>, ipv6: bool, report: &mut Report) {
    let Site { client, place, deadline } = site;
    // A later version may have left there that the ENI is not to be touched.
    if let Err(error) = place.store.eni_state(&place.eni) {
        return report.not_tested(NAME, error);
    }
    // ECS accepts one request about an ENI at a time.
    let _held = match place.store.hold_eni(&place.eni, deadline.at_most(PATIENCE)) {
        Ok(held) => held,
        Err(busy @ store::Error::EniBusy { .. }) => return report.not_tested(NAME, busy),
        // Where the lock's file cannot be opened, no other call can hold it for long either.
        Err(_) => None,
    };
    let mut families = vec![(Family::V4, IpAddr::from(Ipv4Addr::LOCALHOST))];
    if ipv6 {
        families.push((Family::V6, IpAddr::from(Ipv6Addr::LOCALHOST)));
    }
    let (mut granted, mut inferred, mut unclear) =
        (vec!["DescribeNetworkInterfaces"], Vec::new(), Vec::new());
    for (family, nowhere) in families {
        let unassigned = client.unassign(&place.region, &place.eni, &[nowhere], *deadline).map(|_| ());
        let token = random::hex128().unwrap_or_default();
        let want = Want::Addresses(vec![nowhere]);
        let assigned = client.assign(&place.region, &place.eni, family, &want, &token, *deadline).map(|_| ());
        for (action, answer) in
            [unassign_action(family), assign_action(family)].into_iter().zip([unassigned, assigned])
        {
            match answer {
                Ok(()) => granted.push(action),
                Err(error) if suggests_permission(&error) => inferred.push(action),
                Err(error) if error.subject().denies_access() && !error.transient => report.fail(NAME, error),
                Err(error) => unclear.push(error.to_string()),
            }
        }
    }
    let granted = granted.join(", ");
    match inferred.join(", ") {
        none if none.is_empty() => report.ok(NAME, format!("granted: {granted}")),
        inferred => report.ok(
            NAME,
            format!(
                "granted: {granted}; probably granted, because ECS refused a test only for its address: {inferred}"
            ),
        ),
    }
    for why in unclear {
        report.not_tested(NAME, why);
    }
}

/// Whether ECS refused the request because of the address or the lack of one, so probably after it had checked the permission.
fn suggests_permission(error: &Error) -> bool {
    error.subject().is_an_address() || error.subject().is_full()
}
