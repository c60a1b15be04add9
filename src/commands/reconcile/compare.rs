//! The differences between what ECS shows on one ENI and what the store records.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use crate::base::attachment::{Attachment, Pod};
use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::base::foreign::ForeignAddresses;
use crate::base::region::RegionId;
use crate::commands::output::short_id;
use crate::commands::reconcile::adoptable::{Adoptable, Conflict};
use crate::node::pods::NodePods;
use crate::pool::release::DESCRIBE_LAG;
use crate::store::{Allocation, AssignRequest, Listed, State};

/// An ENI and its differences.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) eni: EniId,
    pub(super) region: RegionId,
    /// Addresses on the ENI that no record names, no request in doubt can have assigned, and no pod is seen to use.
    pub(super) orphans: BTreeSet<IpAddr>,
    /// The same, but a pod of this node is seen to use them.
    pub(super) in_use: Vec<InUse>,
    /// Addresses on the ENI that a record names, and that another attachment has got since.
    pub(super) conflicts: Vec<Conflict>,
    /// Addresses on the ENI that `foreignAddresses` leaves to other software: no difference. Where a record names one all the
    /// same, what that means.
    pub(super) foreign: BTreeMap<IpAddr, Option<String>>,
    /// Addresses on the ENI that a damaged record or a request in doubt may have, each with the explanation.
    pub(super) in_doubt: Vec<(IpAddr, String)>,
    /// Recorded addresses that are not on the ENI.
    pub(super) ghosts: Vec<Ghost>,
    /// Why the ENI could not be compared, or only in part.
    pub(super) problem: Option<String>,
    /// What this node's pods were seen to use meanwhile.
    pub(super) pods: NodePods,
}

/// An address without a record that a pod of this node is seen to use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InUse {
    pub(super) address: IpAddr,
    /// Who uses it, for people.
    pub(super) by: String,
    /// The attachment for which it can be recorded, or why it cannot.
    pub(super) adopter: Result<Attachment, String>,
}

/// A recorded address that is not on its ENI.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ghost {
    pub(super) address: IpAddr,
    pub(super) owner: Attachment,
    pub(super) pod: Option<Pod>,
    pub(super) state: State,
    /// Why it is still one, after `--restore`.
    pub(super) why: Option<String>,
}

impl Ghost {
    /// Whose address it is, for people.
    pub(super) fn whose(&self) -> String {
        match &self.pod {
            Some(pod) => format!("pod {pod}"),
            None => format!("the pod of container {}", short_id(&self.owner.container_id)),
        }
    }

    /// What its record is, for people.
    pub(super) fn record(&self) -> String {
        let pod = self.pod.as_ref().map(|pod| format!(", pod {pod}")).unwrap_or_default();
        record_in_words(self.state, &self.owner) + &pod
    }
}

/// A record, for people.
pub(super) fn record_in_words(state: State, owner: &Attachment) -> String {
    if state == State::Reserved {
        return "in the reserve".to_owned();
    }
    format!("{}, container {}, {}", state.name(), short_id(&owner.container_id), owner.ifname)
}

impl Comparison {
    /// An ENI before it is compared.
    pub(super) fn new(eni: EniId, region: RegionId, problem: Option<String>) -> Self {
        Self {
            eni,
            region,
            orphans: BTreeSet::new(),
            in_use: Vec::new(),
            conflicts: Vec::new(),
            foreign: BTreeMap::new(),
            in_doubt: Vec::new(),
            ghosts: Vec::new(),
            problem,
            pods: NodePods::default(),
        }
    }

    /// Whether there is no difference.
    pub(super) fn is_clean(&self) -> bool {
        self.orphans.is_empty()
            && self.in_use.is_empty()
            && self.conflicts.is_empty()
            && self.in_doubt.is_empty()
            && self.ghosts.is_empty()
            && self.problem.is_none()
    }

    /// Addresses of the reserve that are not on the ENI: as with an orphan, nobody has them. None are known where the ENI could not be
    /// compared.
    pub(super) fn reserved_ghosts(&self) -> BTreeSet<IpAddr> {
        let is_reserved = |it: &&Ghost| it.state == State::Reserved && self.problem.is_none();
        self.ghosts.iter().filter(is_reserved).map(|it| it.address).collect()
    }

    /// Sorts the ENI's secondary addresses into other software's, recorded ones, those in doubt, those that pods use without a
    /// record, and orphans. `directory` is that of the store.
    pub(super) fn find_orphans(
        &mut self,
        on_eni: &BTreeSet<IpAddr>,
        listed: &[Listed],
        foreign: &ForeignAddresses,
        directory: &Path,
    ) {
        let adoptable = Adoptable { pods: &self.pods, store: directory, listed };
        let mut own = on_eni.clone();
        for &address in on_eni {
            if foreign.contains(address) {
                self.foreign.insert(address, recorded_all_the_same(address, listed));
                own.remove(&address);
                continue;
            }
            match reason(address, &self.eni, listed) {
                Reason::Recorded => {}
                Reason::InDoubt(why) => self.in_doubt.push((address, why)),
                Reason::None => match self.pods.user_of(address) {
                    Some(by) => {
                        self.in_use.push(InUse { address, by, adopter: adoptable.adopter_of(address) });
                    }
                    None => drop(self.orphans.insert(address)),
                },
            }
        }
        self.conflicts = adoptable.conflicts(&own, Timestamp::now());
        self.refuse_parts(&own, listed);
    }

    /// Lets nothing be recorded of an attachment that has another address on the ENI which cannot be: a record is whole, because
    /// the attachment's DEL looks for one record only.
    fn refuse_parts(&mut self, on_eni: &BTreeSet<IpAddr>, listed: &[Listed]) {
        for owner in self.adopters() {
            let recorded =
                listed.iter().filter(|it| it.owner == owner).filter_map(|it| it.allocation.as_ref());
            let granted: BTreeSet<IpAddr> =
                self.granted_to(&owner).chain(recorded.flat_map(Allocation::ips)).collect();
            let cached = self.pods.attachments().filter(|it| it.owner == owner);
            let mut others = cached.flat_map(|it| &it.addresses).map(|it| it.address.ip());
            let Some(other) = others.find(|it| on_eni.contains(it) && !granted.contains(it)) else {
                continue;
            };
            let why = format!("the same container has {other}, which cannot be recorded for it");
            let adopters = self.in_use.iter_mut().map(|it| &mut it.adopter);
            for adopter in adopters.chain(self.conflicts.iter_mut().map(|it| &mut it.adopter)) {
                if adopter.as_ref() == Ok(&owner) {
                    *adopter = Err(why.clone());
                }
            }
        }
    }

    /// The attachments that can be recorded, each of them once.
    pub(super) fn adopters(&self) -> BTreeSet<Attachment> {
        let in_use = self.in_use.iter().map(|it| &it.adopter);
        let adopters = in_use.chain(self.conflicts.iter().map(|it| &it.adopter));
        adopters.filter_map(|it| it.as_ref().ok()).cloned().collect()
    }

    /// The addresses that can be recorded for `owner`.
    pub(super) fn granted_to(&self, owner: &Attachment) -> impl Iterator<Item = IpAddr> {
        let in_use = self.in_use.iter().map(|it| (it.address, &it.adopter));
        let granted = in_use.chain(self.conflicts.iter().map(|it| (it.address, &it.adopter)));
        granted.filter(move |(_, adopter)| adopter.as_ref() == Ok(owner)).map(|(address, _)| address)
    }

    /// Looks for the recorded addresses on the ENI. ECS describes an ENI with a delay, so a record younger than that delay is
    /// skipped, and `on_eni` has what ECS has just assigned again.
    pub(super) fn find_ghosts(&mut self, on_eni: &BTreeSet<IpAddr>, listed: &[Listed], now: Timestamp) {
        for record in listed {
            let Some(it) = record.allocation.as_ref().filter(|it| it.eni == self.eni) else { continue };
            if it.since.age(now) >= DESCRIBE_LAG {
                let absent = it.ips().filter(|address| !on_eni.contains(address));
                self.ghosts.extend(absent.map(|address| Ghost {
                    address,
                    owner: record.owner.clone(),
                    pod: it.pod.clone(),
                    state: record.state,
                    why: None,
                }));
            }
        }
    }

    /// What could not be looked at, and may show that a pod has an address.
    pub(super) fn unseen(all: &[Self]) -> BTreeSet<&str> {
        all.iter().flat_map(|it| it.pods.unseen()).map(String::as_str).collect()
    }
}

/// What it means that a record names an address of other software; `None` if none does.
fn recorded_all_the_same(address: IpAddr, listed: &[Listed]) -> Option<String> {
    let is_active = |it: &&Listed| it.state == State::Active;
    let record = listed.iter().filter(is_active).find(|it| {
        it.allocation.as_ref().is_some_and(|allocation| allocation.ips().any(|ip| ip == address))
    })?;
    let id = short_id(&record.owner.container_id);
    Some(format!(
        "container {id} uses it, but ipam.foreignAddresses names it: it stays when the pod is deleted"
    ))
}

/// Why an address is on an ENI.
#[derive(Debug, PartialEq, Eq)]
enum Reason {
    /// A record names it.
    Recorded,
    /// It may belong to a record or a request with unknown addresses.
    InDoubt(String),
    /// No record and no request explains it.
    None,
}

fn reason(address: IpAddr, eni: &EniId, listed: &[Listed]) -> Reason {
    // The record may name another ENI: within a VPC, an address belongs to one pod only.
    let mut named = listed.iter().filter_map(|it| it.allocation.as_ref()).flat_map(Allocation::ips);
    if named.any(|it| it == address) {
        return Reason::Recorded;
    }
    for record in listed {
        if record.state == State::Quarantined {
            let path = record.path.display();
            if let Some((its_eni, its)) = record.damaged_entry() {
                if its_eni == *eni && its == address {
                    return Reason::InDoubt(format!(
                        "its entry of the reserve, {path}, cannot be read: run `aliyun-eni-ipam flush`"
                    ));
                }
                continue;
            }
            return Reason::InDoubt(format!(
                "the record {path} cannot be read and may have this address: delete the file if its pod is gone"
            ));
        }
        if record.progress.in_doubt.iter().any(|ask| ask.eni == *eni && may_have_assigned(ask, address)) {
            let id = short_id(&record.owner.container_id);
            return Reason::InDoubt(format!(
                "an interrupted ADD of container {id} may have got it: run `aliyun-eni-ipam flush`"
            ));
        }
    }
    Reason::None
}

fn may_have_assigned(ask: &AssignRequest, address: IpAddr) -> bool {
    if ask.addresses.is_empty() { ask.ipv6 == address.is_ipv6() } else { ask.addresses.contains(&address) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Address;
    use crate::store::ReleaseProgress;

    fn eni(id: &str) -> EniId {
        EniId::try_from(id.to_owned()).unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn record(state: State, on: &str, addresses: &[&str]) -> Listed {
        let owner = Attachment { container_id: "c1".into(), ifname: "eth0".into() };
        let allocation = Allocation {
            owner: owner.clone(),
            network: "pods".into(),
            eni: eni(on),
            region: RegionId::try_from("cn-hangzhou".to_owned()).unwrap(),
            addresses: addresses.iter().map(|text| Address::alone(address(text))).collect(),
            pod: None,
            boot_id: String::new(),
            since: Timestamp::now(),
        };
        let (path, progress) = ("record".into(), ReleaseProgress::default());
        Listed {
            state,
            path,
            allocation: Some(allocation),
            owner,
            progress,
            releasing_since: None,
            rests_since: None,
        }
    }

    fn asking(ipv6: bool, addresses: &[&str]) -> Listed {
        let ask = AssignRequest {
            ipv6,
            addresses: addresses.iter().map(|text| address(text)).collect(),
            ..AssignRequest::example()
        };
        let progress = ReleaseProgress { in_doubt: vec![ask], ..ReleaseProgress::default() };
        Listed { progress, ..record(State::Releasing, "eni-1", &[]) }
    }

    fn reason_of(text: &str, listed: &[Listed]) -> Reason {
        reason(address(text), &eni("eni-1"), listed)
    }

    #[test]
    fn an_address_that_any_record_names_is_no_orphan() {
        for state in [State::Active, State::Releasing] {
            for on in ["eni-1", "eni-2"] {
                let listed = [asking(false, &[]), record(state, on, &["192.168.0.5"])];
                assert_eq!(reason_of("192.168.0.5", &listed), Reason::Recorded);
            }
        }
        assert_eq!(
            reason_of("192.168.0.5", &[record(State::Active, "eni-1", &["192.168.0.6"])]),
            Reason::None
        );
    }

    #[test]
    fn what_a_request_in_doubt_may_have_assigned_is_not_called_an_orphan() {
        let in_doubt = |text, listed: Listed| matches!(reason_of(text, &[listed]), Reason::InDoubt(_));
        assert!(in_doubt("192.168.0.5", asking(false, &[])));
        assert!(!in_doubt("2001:db8::5", asking(false, &[])));
        assert!(in_doubt("2001:db8::5", asking(true, &[])));
        assert!(in_doubt("192.168.0.5", asking(false, &["192.168.0.5"])));
        assert!(!in_doubt("192.168.0.6", asking(false, &["192.168.0.5"])));
    }

    #[test]
    fn a_damaged_record_may_name_anything() {
        let damaged = Listed { state: State::Quarantined, allocation: None, ..asking(false, &["10.0.0.1"]) };
        assert!(
            matches!(reason_of("192.168.0.5", &[damaged]), Reason::InDoubt(why) if why.contains("record"))
        );
    }

    #[test]
    fn a_record_is_a_ghost_only_when_it_is_old_enough_to_have_been_seen() {
        let region = RegionId::try_from("cn-hangzhou".to_owned()).unwrap();
        let listed = [record(State::Active, "eni-1", &["192.168.0.5", "192.168.0.6"])];
        let here = BTreeSet::from([address("192.168.0.6")]);
        for (age, ghosts) in [(DESCRIBE_LAG / 2, 0), (DESCRIBE_LAG, 1)] {
            let mut comparison = Comparison::new(eni("eni-1"), region.clone(), None);
            comparison.find_ghosts(&here, &listed, Timestamp::now().plus(age));
            assert_eq!(comparison.ghosts.len(), ghosts, "{age:?}");
        }
        let mut other = Comparison::new(eni("eni-2"), region, None);
        other.find_ghosts(&here, &listed, Timestamp::now().plus(DESCRIBE_LAG));
        assert!(other.is_clean());
    }
}
