//! What becomes of the addresses that ECS has assigned: one is the ADD's own, the others are for those that wait.

use std::net::IpAddr;

use crate::base::address::Address;
use crate::base::clock::Timestamp;
use crate::base::logging::Event;
use crate::failure::Result;
use crate::pool::assign::asking::Asker;
use crate::pool::release::DESCRIBE_LAG;
use crate::store::{Allocation, AssignRequest, Entry, IN_DOUBT_FOR};

/// What is done with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// A pod has it already, or it is in the reserve: something else had taken it off the ENI.
    Back,
    /// It is other software's.
    Foreign,
    /// It is released later: an old request to release it can still take it from a pod.
    Doubtful,
    /// It is for this ADD's pod.
    Own,
    /// It is put into the reserve.
    Others,
}

impl Asker<'_, '_> {
    /// Decides about each address that ECS assigned, and returns the one that is this ADD's. Whether it is in doubt is judged by
    /// the moment of asking: an old request may have taken effect after ECS assigned the address and before its answer was here.
    pub(super) fn accept(
        &mut self,
        ask: &AssignRequest,
        addresses: &[IpAddr],
        asked: Timestamp,
    ) -> Result<Option<IpAddr>> {
        let uses = self.judge(addresses, asked)?;
        let of = |wanted: Use| {
            let those = uses.iter().filter(|(_, it)| *it == wanted);
            those.map(|(address, _)| *address).collect::<Vec<_>>()
        };
        let (place, deadline) = (self.source.place, self.attempt.deadline);
        let intention = self.attempt.intent.intention.clone();
        let eni_lock = self.eni_lock()?;
        let mut records = eni_lock.releases_naming(addresses)?;
        let others = of(Use::Others);
        if !others.is_empty() {
            let entry = Entry::new(&intention.network, &place.region, false);
            eni_lock.reserve(&others, &entry, deadline)?;
            Event::new("more addresses, for those who wait").eni(&place.eni).addresses(others).info();
        }
        let doubtful = of(Use::Doubtful);
        if !doubtful.is_empty() {
            let addresses = doubtful.into_iter().map(Address::alone).collect();
            let allocation = Allocation { addresses, ..place.allocation(&intention) };
            eni_lock.return_to_releasing(allocation, Timestamp::now().plus(IN_DOUBT_FOR))?;
        }
        let own = of(Use::Own).first().copied();
        if !records.is_empty() {
            // What a kill left beside a release would count when that is over, and another ADD take it.
            eni_lock.clear_entries(&[of(Use::Own), of(Use::Foreign)].concat(), deadline)?;
        }
        if let Some(address) = own {
            eni_lock.hand_over(address, &intention.owner);
        }
        // ECS assigns only what is free, so an earlier release of it has happened.
        eni_lock.finish(&mut records, |assigned| addresses.contains(&assigned))?;
        self.effort.foreign += of(Use::Foreign).len();
        if own.is_some() {
            self.attempt.intent.acknowledge(&ask.client_token);
        } else {
            self.attempt.intent.resolve(&ask.client_token)?;
        }
        Ok(own)
    }

    /// What is to be done with each address. It is said of those that no pod gets.
    fn judge(&mut self, addresses: &[IpAddr], asked: Timestamp) -> Result<Vec<(IpAddr, Use)>> {
        let (eni, foreign, store) =
            (&self.source.place.eni, self.source.releaser.foreign, self.attempt.store);
        let eni_lock = self.eni_lock()?;
        let mut uses: Vec<(IpAddr, Use)> = Vec::new();
        for &address in addresses {
            let is_first = uses.iter().all(|(_, it)| *it != Use::Own);
            let decided = if let Some(owner) = eni_lock.owner_of(address)? {
                // Its pod has it again, and keeps it.
                log::warn!(
                    "something else had removed {address} from {eni}; it is back and still belongs to {owner}"
                );
                eni_lock.assigned_again(address, Timestamp::now().plus(DESCRIBE_LAG))?;
                Use::Back
            } else if foreign.contains(address) {
                log::warn!(
                    "ECS assigned {address} on {eni}, which is not given to the pod but left to other software: \
                     ipam.foreignAddresses names it"
                );
                Use::Foreign
            } else if eni_lock.state().is_in_doubt(address, asked) {
                log::warn!(
                    "{address} is not given to the pod and will be released later, because an earlier release of it \
                     is in doubt"
                );
                Use::Doubtful
            } else if store.reserved_one(eni, address)?.is_some() {
                log::warn!(
                    "something else had removed {address} from {eni}; it is back and still in the reserve"
                );
                Use::Back
            } else if is_first {
                Use::Own
            } else {
                Use::Others
            };
            uses.push((address, decided));
        }
        Ok(uses)
    }
}
