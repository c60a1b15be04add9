//! What an ENI has that nothing in the store explains.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::cloud::rpc::Error;
use crate::pool::release::Releaser;
use crate::pool::release::answer::some;
use crate::pool::release::leader::Leader;
use crate::store::{self, Allocation, AssignRequest, Listed, State, Store};

/// Addresses of an ENI that no record names.
pub(super) struct Unexplained {
    /// A request in doubt may have assigned them, or other software has them that the configuration does not name.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// Why some of them may be neither, if they may.
    pub(super) other_reason: Option<String>,
}

/// Describes the ENI and takes away what the store names and what `foreignAddresses` does, for addresses of one family. `None`
/// where ECS does not show it.
pub(super) fn unexplained(leader: &Leader<'_, '_, '_>, ipv6: bool) -> Result<Option<Unexplained>, Error> {
    let Releaser { client, region, store, foreign, .. } = leader.releaser;
    let eni_lock = &leader.eni_lock;
    let unclear = |error: crate::store::Error| {
        Error::not_now("AssignPrivateIpAddresses", &error.to_string()).about(eni_lock.eni())
    };
    let Some(eni) = client.describe(region, eni_lock.eni(), leader.limit())? else { return Ok(None) };
    let (listed, reserved) = look(leader, store).map_err(unclear)?;
    let recorded = listed.iter().filter_map(|it| it.allocation.as_ref()).flat_map(Allocation::ips);
    let noted = listed.iter().flat_map(|it| &it.progress.in_doubt).flat_map(|ask| &ask.answered).copied();
    let named: BTreeSet<IpAddr> = recorded.chain(noted).chain(reserved).collect();
    let mut addresses = eni.addresses;
    let is_explained = |it: &IpAddr| named.contains(it) || foreign.contains(*it) || eni_lock.has_given(*it);
    addresses.retain(|it| it.is_ipv6() == ipv6 && !is_explained(it));
    let is_of_eni = |ask: &AssignRequest| ask.eni == *eni_lock.eni();
    let other_reason = listed.iter().find_map(|it| match it.state {
        // The name of a damaged entry says what it names.
        State::Quarantined if it.damaged_entry().is_none() => Some(format!(
            "{} cannot be read and may name {}: delete it if its pod is gone",
            it.path.display(),
            some(&addresses)
        )),
        State::Assigning if it.progress.in_doubt.iter().any(is_of_eni) => {
            Some("the request of another interrupted ADD has not been looked into yet".to_owned())
        }
        _ => None,
    });
    Ok(Some(Unexplained { addresses, other_reason }))
}

/// What the store names, of the reserve for the leader's ENI, at one moment: an address can go from a record into the reserve
/// and back.
fn look(leader: &Leader<'_, '_, '_>, store: &Store) -> store::Result<(Vec<Listed>, Vec<IpAddr>)> {
    let _hold = leader.hold_store()?;
    Ok((store.list()?, store.reserved_addresses(leader.eni_lock.eni())?))
}
