//! Requests that ADDs share: who waits for addresses, and how many are on their way.
//!
//! An ADD that waits says in its intent what for. Whoever is about to ask ECS reads the intents of the others and counts them.
//! It locks none: to a DEL that looked at the same time, a living ADD's intent would seem to be a dead one's. The kernel's list of
//! locks tells which ADDs live. Where it does not, the intent of a dead ADD counts until its deadline; what was asked for in vain
//! is surplus, and goes back. It does not tell whoever looks from a container, as `flush` may do.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::Family;
use crate::store::error::Result;
use crate::store::intent::{Content, OpenIntent};
use crate::store::lock::Lock;
use crate::store::record::AssignRequest;
use crate::store::record_name::record_name;
use crate::store::{EniLock, Entry, Reserved, Store, file, waiting};

/// An ADD that has less time than this left is not counted: it would give up before the answer is here.
const TIME_FOR_ANSWER: Duration = Duration::from_secs(3);

/// For so long a request on another ENI is expected to bring what it asks for. After that nobody waits for it: a request that is
/// stuck, or that its ADD has given up, holds up no other.
const EXPECTED_FOR: Duration = Duration::from_secs(2);

/// What there is to be known before ECS is asked for addresses of one family on one ENI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// How many ADDs of the network wait for one, the asker included.
    pub(crate) waiting: usize,
    /// How many the requests of others have brought, or will bring, on other ENIs of which those who wait would take one.
    pub(crate) open: usize,
    /// The entries of the ENI and the family that count, of every network.
    pub(crate) reserved: Vec<Reserved>,
}

/// Where a call runs that looks for living ADDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Among them: the runtime has called it, as it calls them.
    Runtime,
    /// Perhaps in a container, which does not see the processes of the node.
    Unknown,
}

impl Store {
    /// Records the request that `ask` makes of the demand, if any, in one hold of the store's lock with the look at the demand, so
    /// that two ADDs do not ask for the same ones on two ENIs; and makes it durable.
    ///
    /// # Errors
    /// The system's; then ECS must not be asked.
    pub(crate) fn plan_request(
        &self,
        intent: &mut OpenIntent,
        (eni, family): (&EniId, Family),
        ask: impl FnOnce(&Demand) -> Option<AssignRequest>,
        deadline: Deadline,
    ) -> Result<Option<AssignRequest>> {
        // Nobody to share with, which is seen without the lock. An ADD that begins now sees this one's intent.
        let demand = Demand { waiting: 1, ..Demand::default() };
        if self.living_others(intent)?.is_empty() && self.reserved_addresses(eni)?.is_empty() {
            return Ok(match ask(&demand) {
                Some(ask) => intent.ask(&ask).map(|()| Some(ask))?,
                None => None,
            });
        }
        let lock = self.lock(deadline)?;
        let Some(ask) = ask(&self.demand(intent, eni, family)?) else { return Ok(None) };
        intent.ask_without_sync(&ask)?;
        drop(lock);
        intent.sync()?;
        Ok(Some(ask))
    }

    /// Whether an ADD of `network` waits for addresses of `eni`, of whichever family. The caller holds the store's lock.
    pub(super) fn is_waited_for(
        &self,
        network: &str,
        eni: &EniId,
        place: Place,
        lock: &Lock,
    ) -> Result<bool> {
        let now = Timestamp::now();
        let living = match place {
            Place::Unknown if !waiting::sees_all_processes() => file::names(&self.assigning_directory())?,
            Place::Runtime | Place::Unknown => self.living(None, &lock.file)?,
        };
        for (name, content) in self.intents_of(network, living) {
            if self.waits(&name, &content, eni, None, now)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn demand(&self, intent: &OpenIntent, eni: &EniId, family: Family) -> Result<Demand> {
        let now = Timestamp::now();
        let network = &intent.intention.network;
        let (mut waiting, mut open) = (1, 0);
        let mut elsewhere = BTreeSet::new();
        for (name, content) in self.intents_of(network, self.living_others(intent)?) {
            waiting += usize::from(self.waits(&name, &content, eni, Some(family), now)?);
            let is_expected = |ask: &&AssignRequest| {
                ask.eni != *eni
                    && ask.ipv6 == (family == Family::V6)
                    && ask.addresses.is_empty()
                    && ask.answered.is_empty()
                    && ask.asked.is_some_and(|asked| asked.age(now) < EXPECTED_FOR)
            };
            open += content.in_doubt.iter().filter(is_expected).map(AssignRequest::count).sum::<usize>();
            elsewhere.extend(content.waits.into_iter().flat_map(|it| it.enis).filter(|it| it != eni));
        }
        for other in elsewhere {
            let is_brought = |it: &&Reserved| {
                Family::of(it.address) == family
                    && it.entry.network == *network
                    && it.entry.rests_since.is_none()
            };
            open += self.reserved(&other)?.iter().filter(is_brought).count();
        }
        let mut reserved = self.reserved(eni)?;
        reserved.retain(|it| Family::of(it.address) == family);
        Ok(Demand { waiting, open, reserved })
    }

    fn living_others(&self, intent: &OpenIntent) -> Result<Vec<String>> {
        self.living(Some(&record_name(&intent.intention.owner)), &intent.file)
    }

    /// The names of the intents of ADDs that live but `own`, as far as the kernel tells: a dead one's counts where it does not list
    /// the lock of `locked`, which this process holds.
    fn living(&self, own: Option<&str>, locked: &File) -> Result<Vec<String>> {
        let directory = self.assigning_directory();
        let mut names = file::names(&directory)?;
        names.retain(|name| own != Some(name));
        if !names.is_empty()
            && let Some(locked) = waiting::locked_files(locked)
        {
            names.retain(|name| locked.contains(&directory.join(name)));
        }
        Ok(names)
    }

    /// Those of these intents that are of `network`, as far as they can be read.
    fn intents_of(&self, network: &str, names: Vec<String>) -> Vec<(String, Content)> {
        let mut found = Vec::new();
        for name in names {
            let Ok(Some(content)) = file::read(&self.assigning_directory().join(&name)) else { continue };
            if let Ok(content) = Content::parse(&content)
                && content.intention.network == network
            {
                found.push((name, content));
            }
        }
        found
    }

    /// Whether the ADD with this intent waits for an address of `eni`.
    fn waits(
        &self,
        name: &str,
        content: &Content,
        eni: &EniId,
        family: Option<Family>,
        now: Timestamp,
    ) -> Result<bool> {
        let wants = content.waits.as_ref().is_some_and(|it| {
            it.enis.contains(eni)
                && family.is_none_or(|family| it.wants(family))
                && now.plus(TIME_FOR_ANSWER) <= it.until
        });
        Ok(wants && !content.deleted && !file::exists(&self.active_directory().join(name))?)
    }

    /// How many ADDs are before this one, by the names of their intents: so that those who wait do not all try for the same entry.
    pub(crate) fn rank(&self, intent: &OpenIntent) -> Result<usize> {
        let own = record_name(&intent.intention.owner);
        Ok(file::names(&self.assigning_directory())?.iter().filter(|name| **name < own).count())
    }
}

impl EniLock<'_> {
    /// Puts addresses that ECS has just given into the reserve, durably; not those that an active record names. Releases that name
    /// them have happened: the caller ends them next, and the entries count from then on.
    ///
    /// # Errors
    /// The system's; the request that brought them must not be crossed off then.
    pub(crate) fn reserve(&self, addresses: &[IpAddr], entry: &Entry, deadline: Deadline) -> Result<()> {
        let (store, eni) = (self.store(), self.eni());
        let draft = store.draft_entry(eni, entry)?;
        let lock = store.lock(deadline)?;
        store.name_reserved(eni, &self.unused(addresses)?, &draft, &lock)?;
        drop((lock, draft));
        store.make_reserve_durable(eni)
    }
}
