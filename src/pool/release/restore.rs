//! Asks ECS for the very address of an active record that is not on its ENI any more, so that its pod works again.
//!
//! A record of nobody names the request before it is sent, as an interrupted ADD's does: whatever becomes of this process, of the
//! request or of the pod, what the request has brought is named by the pod's record, or is found by the request and released.

use std::net::IpAddr;

use crate::base::attachment::Attachment;
use crate::base::clock::{Timestamp, boot_id};
use crate::base::deadline::Deadline;
use crate::base::random;
use crate::cloud::rpc::{Error, ErrorKind};
use crate::failure::{Failure, Result};
use crate::pool::release::in_doubt;
use crate::pool::release::leader::Leader;
use crate::pool::release::{Answer, Releaser};
use crate::store::{Allocation, AssignRequest, EniLock, IN_DOUBT_FOR, ReleaseProgress};

/// How the request for an address of a pod ended.
#[derive(Debug)]
pub(crate) enum Restored {
    /// The pod has its address again.
    Yes,
    /// A DEL came meanwhile, and the address is released, or in the reserve.
    Deleted,
    /// ECS has refused, or was not asked: nothing was assigned.
    Refused(Error),
    /// Nobody knows, and why. Later calls find out.
    InDoubt(String),
}

impl Releaser<'_> {
    /// Asks for `address`, which an active record of `network` names and the ENI does not have. If the outcome is unknown, it asks
    /// once more with the same ClientToken.
    ///
    /// # Errors
    /// The store's. Nothing is lost.
    pub(crate) fn restore(
        &self,
        eni_lock: &mut EniLock<'_>,
        network: &str,
        address: IpAddr,
        deadline: Deadline,
    ) -> Result<Restored> {
        let (eni, region, now) = (eni_lock.eni().clone(), self.region.clone(), Timestamp::now());
        let ask = AssignRequest {
            eni: eni.clone(),
            region: region.clone(),
            client_token: random::hex128().map_err(Failure::Random)?,
            in_doubt_until: now.plus(deadline.remaining()).plus(IN_DOUBT_FOR),
            ipv6: address.is_ipv6(),
            addresses: vec![address],
            count: 1,
            block: None,
            primary: Vec::new(),
            answered: Vec::new(),
            asked: Some(Timestamp::now()),
            not_before: None,
        };
        let allocation = Allocation {
            owner: Attachment::nobody(),
            network: network.to_owned(),
            eni,
            region,
            addresses: Vec::new(),
            pod: None,
            boot_id: boot_id(),
            since: now,
        };
        let progress = ReleaseProgress { in_doubt: vec![ask.clone()], ..ReleaseProgress::default() };
        let pending = self.store.put_releasing(allocation, progress)?;
        let records = self.store.releasing(&pending)?.into_iter().collect();
        let mut leader = Leader::new(self, eni_lock, records, deadline);
        let refusal = self.ask_once_or_twice(&mut leader, &ask)?;
        let left = self.store.releasing(&pending)?;
        Ok(match (refusal, left) {
            (Some(error), _) => Restored::Refused(error),
            (None, None) if eni_lock.state().is_assigned_again(address, Timestamp::now()) => Restored::Yes,
            // A release of the pod's own names it by now, or the reserve.
            (None, None) if eni_lock.owner_of(address)?.is_none() => Restored::Deleted,
            (None, None) => Restored::InDoubt("the request has assigned nothing".to_owned()),
            (None, Some(left)) if left.progress.in_doubt.is_empty() => Restored::Deleted,
            (None, Some(left)) => Restored::InDoubt(left.progress.last_error.unwrap_or_default()),
        })
    }

    /// Asks, and acts upon the answer. Returns the error of a request that has assigned nothing, and of which no copy can.
    fn ask_once_or_twice(
        &self,
        leader: &mut Leader<'_, '_, '_>,
        ask: &AssignRequest,
    ) -> Result<Option<Error>> {
        let error = match self.ask(ask, leader.limit()) {
            Ok(Answer::Fit { addresses: brought, .. }) => {
                in_doubt::answered(leader, 0, ask, &brought)?;
                return Ok(None);
            }
            Ok(Answer::Unfit { error, .. }) | Err(error) => error,
        };
        if error.kind != ErrorKind::Unknown {
            // No other copy was sent.
            leader.records.iter_mut().for_each(|record| record.progress.in_doubt.clear());
            leader.eni_lock.finish(&mut leader.records, |_| false)?;
            return Ok(Some(error));
        }
        if leader.has_time() {
            // Whatever is answered now, a refusal proves nothing: the first copy may take effect later.
            in_doubt::repeat(leader, 0, ask, Timestamp::now(), None)?;
        } else {
            in_doubt::wait(leader, 0, ask, in_doubt::retry_at(&error, 0), &error.to_string())?;
        }
        Ok(None)
    }
}
