//! What an ENI has that nothing in the store explains.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::cloud::rpc::Error;
use crate::pool::release::Releaser;
use crate::pool::release::answer::some;
use crate::pool::release::leader::Leader;
use crate::store::{Allocation, AssignRequest, State};

/// Addresses of an ENI that no record names.
pub(super) struct Unexplained {
    /// Those that a request in doubt may have assigned.
    pub(super) strange: BTreeSet<IpAddr>,
    /// Those that were other software's when it was last known. It may have given them back since, and a request in doubt
    /// may have got them.
    pub(super) foreign: BTreeSet<IpAddr>,
    /// Why some of them may be neither a request's in doubt nor other software's, if they may.
    pub(super) other_reason: Option<String>,
}

impl Unexplained {
    pub(super) fn is_empty(&self) -> bool {
        self.strange.is_empty() && self.foreign.is_empty()
    }

    pub(super) fn all(&self) -> BTreeSet<IpAddr> {
        &self.strange | &self.foreign
    }
}

/// Describes the ENI and takes away what the store names, for addresses of one family. `None` where ECS does not show it.
pub(super) fn unexplained(leader: &Leader<'_, '_, '_>, ipv6: bool) -> Result<Option<Unexplained>, Error> {
    let Releaser { client, region, store, .. } = leader.releaser;
    let eni_lock = &leader.eni_lock;
    let unclear = |why: String| {
        let error = Error::not_sent("AssignPrivateIpAddresses", &why);
        Error { transient: true, ..error }.about(eni_lock.eni())
    };
    let Some(eni) = client.describe(region, eni_lock.eni(), leader.limit())? else { return Ok(None) };
    let listed = store.list().map_err(|error| unclear(error.to_string()))?;
    let named: BTreeSet<IpAddr> =
        listed.iter().filter_map(|it| it.allocation.as_ref()).flat_map(Allocation::ips).collect();
    let mut left = eni.addresses;
    left.retain(|it| it.is_ipv6() == ipv6 && !named.contains(it) && !eni_lock.has_given(*it));
    let foreign = &left & &eni_lock.state().foreign;
    let is_of_eni = |ask: &AssignRequest| ask.eni == *eni_lock.eni();
    let other_reason = listed.iter().find_map(|it| match it.state {
        State::Quarantined => Some(format!(
            "{} cannot be read and may name {}: delete it if its pod is gone",
            it.path.display(),
            some(&left)
        )),
        State::Assigning if it.progress.in_doubt.iter().any(is_of_eni) => {
            Some("the request of another interrupted ADD has not been looked into yet".to_owned())
        }
        _ => None,
    });
    Ok(Some(Unexplained { strange: &left - &foreign, foreign, other_reason }))
}
