//! DEL, and a person's `flush`. `src/store/releasing.rs`, `src/store/keeping.rs`.

use crate::reserve::disk::{ACTIVE, Active, Change, Entry, Intent, OWNERS, RELEASING, RESERVED};
use crate::reserve::mistake::Mistake;
use crate::reserve::state::{At, Process, Verb};
use crate::reserve::turn::Turn;
use crate::set::Set;

impl Turn<'_> {
    /// In one hold of the store's lock. With room in the reserve it ends here.
    pub(crate) fn begin_del(&mut self, owner: u8) -> Option<()> {
        match self.state.disk.intents[usize::from(owner)] {
            Some(alive @ Intent { lock: Some(_), .. }) => {
                self.set_intent(owner, Some(Intent { deleted: true, ..alive }));
            }
            Some(dead) => self.end_dead_intent(owner, dead.asks),
            None => {}
        }
        let Some(Active { addresses, network, old, .. }) = self.state.disk.live.active[usize::from(owner)]
        else {
            return self.go(At::Done);
        };
        if !old {
            self.state.worn = self.state.worn.and(addresses);
        }
        let is_fit = (!old || self.makes(Mistake::EarlierBootIntoReserve))
            && (!self.state.disk.in_doubt.has_any(addresses) || self.makes(Mistake::DoubtIntoReserve));
        if is_fit && self.has_room(network, addresses) {
            self.put_into_reserve(owner, network, addresses);
            return self.go(At::Done);
        }
        self.change(Change::Move(owner, addresses));
        self.sync(ACTIVE | RELEASING);
        self.me().addresses = addresses;
        self.go(At::LockForRelease)
    }

    fn has_room(&self, network: u8, addresses: Set) -> bool {
        let own = self.counting_of(network);
        addresses.iter().all(|address| {
            let pool = self.model.pool(self.model.pools[usize::from(address)]);
            own.common(pool).len() < u32::from(self.model.reserve[usize::from(network)])
        })
    }

    /// The entry is durable before the record goes.
    fn put_into_reserve(&mut self, owner: u8, network: u8, addresses: Set) {
        if self.makes(Mistake::DelRemovesFirst) {
            self.change(Change::NoActive(owner));
        }
        let entry = Entry { network, rested: false };
        addresses.iter().for_each(|it| self.change(Change::Entry(it, entry)));
        self.sync(RESERVED);
        if !self.makes(Mistake::DelRemovesFirst) {
            self.change(Change::NoActive(owner));
        }
        if !self.makes(Mistake::RemovalNotDurable) {
            self.sync(ACTIVE);
        }
    }

    pub(crate) fn begin_flush(&mut self) -> Option<()> {
        for owner in 0..OWNERS {
            let place = u8::try_from(owner).ok()?;
            if let Some(dead @ Intent { lock: None, .. }) = self.state.disk.intents[owner] {
                self.end_dead_intent(place, dead.asks);
            }
            if let Some(Active { addresses, old: true, .. }) = self.state.disk.live.active[owner] {
                self.change(Change::Move(place, addresses));
                self.sync(ACTIVE | RELEASING);
            }
        }
        for network in 0..2 {
            if self.waiting(network) == 0 {
                let is_configured = self.model.configured.has(network);
                let keep = if is_configured { self.model.reserve[usize::from(network)] } else { 0 };
                self.give_back(network, keep);
            }
        }
        self.go(At::LockForRelease)
    }

    /// Waits for the lock of an ENI of which something is to be released; a DEL and an ADD until another has done that.
    pub(crate) fn lock_for_release(&mut self) -> Option<()> {
        let Process { verb, addresses, full, .. } = *self.me();
        if self.choice == 1 {
            self.state.left.deadlines = self.state.left.deadlines.checked_sub(1)?;
            return self.go(At::Done);
        }
        let next = match verb {
            Verb::Flush => (0..self.model.enis).find(|it| !full.has(*it)),
            Verb::Add(..) | Verb::Del(_) => {
                let left = addresses.common(self.state.disk.live.releasing).first();
                left.map(|it| self.model.pools[usize::from(it)].0)
            }
        };
        let Some(eni) = next else { return self.go(At::Done) };
        self.lock_eni(eni)?;
        self.me().looked = Set::EMPTY;
        self.go(if verb == Verb::Flush { At::Lead } else { At::Gather })
    }
}
