//! Which entries of the reserve an ADD takes: without a lock, and so what is picked here may be gone a moment later.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::clock::{Timestamp, is_earlier_boot};
use crate::base::deadline::Deadline;
use crate::base::region::Family;
use crate::failure::Result;
use crate::node::eni_link::EniLink;
use crate::node::placement::Wanted;
use crate::pool::assign::source::Source;
use crate::store::{EniState, Entry};

/// An entry that is older, or of an earlier boot, is taken only if instance metadata shows its address: somebody may have taken it
/// off the ENI.
const SURELY_THERE: Duration = Duration::from_mins(1);

/// How long metadata may take to tell.
const TIME_TO_LOOK: Duration = Duration::from_secs(1);

/// Which of the entries are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// All, this one first.
    From(usize),
    /// This one and those behind it, if there are so many.
    Behind(usize),
}

/// What an ADD can take out of the reserve of one ENI.
pub(super) struct Picker<'a> {
    source: &'a Source<'a>,
    deadline: Deadline,
    /// When metadata was asked what it shows on the ENI, of each family, and what that was; `None` where it does not tell.
    shown: [OnceCell<(Timestamp, Option<BTreeSet<IpAddr>>)>; 2],
    /// What it does not show.
    missing: RefCell<Vec<IpAddr>>,
}

impl<'a> Picker<'a> {
    pub(super) fn new(source: &'a Source<'a>, deadline: Deadline) -> Self {
        Self { source, deadline, shown: [const { OnceCell::new() }; 2], missing: RefCell::default() }
    }

    /// An entry for each address that is wanted; `None` if there is not one for each.
    pub(super) fn pick_all(&self, look: Look) -> Result<Option<Vec<(Wanted, IpAddr)>>> {
        let mut picked = Vec::new();
        for want in &self.source.wanted {
            match self.pick(want, look)? {
                Some(address) => picked.push((*want, address)),
                None => return Ok(None),
            }
        }
        Ok(Some(picked))
    }

    /// An entry for one address that is wanted.
    pub(super) fn pick(&self, want: &Wanted, look: Look) -> Result<Option<IpAddr>> {
        let (store, eni) = (self.source.releaser.store, &self.source.place.eni);
        let mut names = store.reserved_addresses(eni)?;
        names.retain(|it| want.address.map_or(Family::of(*it) == want.family, |requested| requested == *it));
        names.sort_unstable();
        let from = match look {
            Look::From(rank) => rank.checked_rem(names.len()).unwrap_or_default(),
            Look::Behind(rank) => rank,
        };
        if from >= names.len() || EniLink::has_gone(store, eni) {
            return Ok(None);
        }
        let before = if matches!(look, Look::From(_)) { from } else { 0 };
        let (state, now) = (store.eni_state(eni)?, Timestamp::now());
        for &address in names[from..].iter().chain(&names[..before]) {
            let Some(found) = store.reserved_one(eni, address)? else { continue };
            if self.is_fit(want, address, &found.entry, &state, now)
                && self.is_there(address, &found.entry, now)
            {
                return Ok(Some(address));
            }
        }
        Ok(None)
    }

    /// Whether a new pod can have the address of this entry.
    pub(super) fn is_fit(
        &self,
        want: &Wanted,
        address: IpAddr,
        entry: &Entry,
        state: &EniState,
        now: Timestamp,
    ) -> bool {
        // ECS refuses to assign a requested one that is on the ENI already, so that one does not have to rest.
        let is_wanted = match want.address {
            Some(requested) => requested == address,
            None => entry.left_to_rest(self.source.keeping.rest, now).is_zero(),
        };
        is_wanted
            && want.subnet.block.contains(address)
            && !state.is_in_doubt(address, now)
            && !self.source.releaser.foreign.contains(address)
            && !self.source.place.primary.contains(&address)
    }

    fn is_there(&self, address: IpAddr, entry: &Entry, now: Timestamp) -> bool {
        // While the machine was down, nobody has looked after the ENI.
        let is_of_earlier_boot = is_earlier_boot(&entry.boot_id);
        if !is_of_earlier_boot && entry.since.age(now) < SURELY_THERE {
            return true;
        }
        let family = Family::of(address);
        let shown = &self.shown[usize::from(family == Family::V6)];
        let (looked, shown) = shown.get_or_init(|| (now, self.look_up(family)));
        // A look from before the address was there, or was shown, tells nothing of it.
        if !is_of_earlier_boot && entry.since.age(*looked) < SURELY_THERE {
            return true;
        }
        let Some(shown) = shown else { return !is_of_earlier_boot };
        let is_there = shown.contains(&address);
        if !is_there {
            self.missing.borrow_mut().push(address);
        }
        is_there
    }

    /// The addresses that were found to be on the ENI no more, since this was asked last.
    pub(super) fn missing(&self) -> Vec<IpAddr> {
        self.missing.take()
    }

    fn look_up(&self, family: Family) -> Option<BTreeSet<IpAddr>> {
        let mac = self.source.place.mac.as_deref()?;
        let (metadata, by) = (self.source.releaser.client.metadata(), self.deadline.at_most(TIME_TO_LOOK));
        let shown = match family {
            Family::V4 => metadata.ipv4_addresses(mac, by),
            Family::V6 => metadata.ipv6_addresses(mac, by),
        };
        shown
            .inspect_err(|error| log::debug!("{error}"))
            .ok()
            .filter(|shown| !shown.is_empty())
            .map(BTreeSet::from_iter)
    }
}
