//! What the holder of an ENI's lock does: asking for all that wait, resolving requests in doubt, releasing. `src/pool/assign/asking.rs`,
//! `src/pool/assign/answer.rs`, `src/store/sharing.rs`, `src/store/clearing.rs`.

use crate::reserve::disk::{ACTIVE, Change, Entry, Intent, RELEASING, RESERVED};
use crate::reserve::mistake::Mistake;
use crate::reserve::state::{At, Call, ENIS, Process, Reply, Request, TRIES, Verb};
use crate::reserve::turn::Turn;
use crate::set::Set;

const ALL: u8 = ACTIVE | RESERVED | RELEASING;

impl Turn<'_> {
    fn own_asks(&mut self) -> Set {
        let Some((owner, _)) = self.owner_and_network() else { return Set::EMPTY };
        let acknowledged = self.me().acknowledged;
        self.state.disk.intents[usize::from(owner)].map_or(Set::EMPTY, |it| it.asks.without(acknowledged))
    }

    /// The requests in doubt of the ENI, and of its own those that it has let go of, one after the other.
    pub(crate) fn lead(&mut self) -> Option<()> {
        let Process { eni, looked, verb, .. } = *self.me();
        let is_add = matches!(verb, Verb::Add(..));
        let own = self.own_asks();
        let doubt = self.state.disk.live.doubt.and(own).without(looked);
        let here = doubt.iter().find(|it| self.state.cloud.requests[usize::from(*it)].pool.0 == eni);
        if let Some(token) = here {
            let me = self.me();
            (me.token, me.looked) = (token, looked.with(token));
            return self.go(At::Repeat);
        }
        self.go(if is_add { At::Ask } else { At::Gather })
    }

    /// What was noted of a request need not be asked again. A description ends a request that can have no effect any more, if it
    /// shows nothing unexplained.
    pub(crate) fn repeat(&mut self) -> Option<()> {
        let Process { token, given, .. } = *self.me();
        if self.state.disk.noted.has(token) {
            self.repeated(token, !self.makes(Mistake::NotedBlindly));
            return self.go(At::Lead);
        }
        let may_come = self.state.cloud.strays.contains(&Call::Assign(token));
        let live = &self.state.disk.live;
        let noted = self.state.assigned_by(self.state.disk.noted);
        let explained = live.in_use().and(live.reserved()).and(live.releasing).and(noted).and(given);
        let pool = self.model.pool(self.state.cloud.requests[usize::from(token)].pool);
        if !may_come && explained.has_all(self.state.cloud.assigned.common(pool)) {
            self.resolve(token, Set::EMPTY);
            return self.go(At::Lead);
        }
        self.send(Call::Assign(token), At::RepeatAnswered)
    }

    pub(crate) fn repeat_answered(&mut self) -> Option<()> {
        if let Reply::Assigned(_) = self.reply()? {
            let token = self.me().token;
            self.repeated(token, true);
        }
        self.go(At::Lead)
    }

    /// In one hold of the store's lock: what nothing names of what the request has assigned is releasing.
    fn repeated(&mut self, token: u8, looks: bool) {
        let assigned = self.state.assigned_by(Set::of(token));
        let live = &self.state.disk.live;
        let named = live.owned().and(live.reserved()).and(live.releasing);
        self.resolve(token, if looks { assigned.without(named) } else { assigned });
    }

    /// Crosses a request off once what it assigned is named durably.
    fn resolve(&mut self, token: u8, found: Set) {
        let mut directories = ALL;
        if self.makes(Mistake::CrossesOffEarly) {
            directories &= !RESERVED;
        }
        if self.makes(Mistake::CrossesOffBesideActive) {
            directories &= !ACTIVE;
        }
        if self.makes(Mistake::RepetitionToReserve) {
            let network = self.owner_and_network().map_or(0, |it| it.1);
            found.iter().for_each(|it| self.change(Change::Entry(it, Entry { network, rested: true })));
        } else {
            found.iter().for_each(|it| self.change(Change::Releasing(it)));
        }
        self.sync(directories);
        self.cross(token);
    }

    fn cross(&mut self, token: u8) {
        if self.state.disk.live.doubt.has(token) {
            self.change(Change::NoDoubt(token, Set::EMPTY));
            self.sync(RELEASING);
        }
        if let Some((owner, _)) = self.owner_and_network()
            && let Some(mut intent) = self.state.disk.intents[usize::from(owner)]
            && intent.asks.has(token)
        {
            intent.asks = intent.asks.without(Set::of(token));
            self.set_intent(owner, Some(intent));
        }
    }

    /// What others' requests on other ENIs will bring of a family. Nobody waits for those that were sent two seconds ago, nor for
    /// those of the dead, as far as the kernel tells.
    fn open(&self, network: u8, (eni, family): (u8, u8)) -> u8 {
        let others = self.state.disk.intents.iter().flatten();
        let lives = |it: &&Intent| it.lock.is_some() || !self.model.tells_living;
        let others = others.filter(|it| it.network == network && it.lock != Some(self.pid)).filter(lives);
        let asks = others.fold(Set::EMPTY, |all, it| all.and(it.asks)).common(self.state.disk.expected);
        let asks = asks.without(self.state.disk.noted);
        let requests = asks.iter().map(|it| self.state.cloud.requests[usize::from(it)]);
        requests.filter(|it| it.pool.0 != eni && it.pool.1 == family).map(|it| it.count).sum()
    }

    /// The one formula: how many addresses a network is to ask for of one family on one ENI.
    fn to_ask(&self, network: u8, eni: u8, family: u8) -> u8 {
        let free = self.counting_of(network).common(self.model.pool((eni, family)));
        let usable = free.iter().filter(|it| self.entry(*it).is_some_and(|it| it.rested)).count();
        let usable = u8::try_from(usable).unwrap_or(u8::MAX);
        let free = u8::try_from(free.len()).unwrap_or(u8::MAX);
        let waiting = self.counted(network);
        let open = if self.makes(Mistake::ForgetsOpen) { 0 } else { self.open(network, (eni, family)) };
        let kept = waiting + self.model.reserve[usize::from(network)];
        let by_all = kept.saturating_sub(free.saturating_add(open));
        if self.makes(Mistake::UnrestedSuffice) {
            return by_all;
        }
        by_all.max(waiting.saturating_sub(usable.saturating_add(open)))
    }

    /// An entry that it could take, or what is missing for all who wait; one at least where there is no such entry.
    pub(crate) fn ask(&mut self) -> Option<()> {
        let (owner, network) = self.owner_and_network()?;
        let Process { eni, fewer_than, made, given, .. } = *self.me();
        let fit = self.fit();
        let has_nothing = |family| !fit.has_any(self.model.pool((eni, family)));
        let missing = (0..self.model.families).filter(|it| !self.model.pool((eni, *it)).has_any(given));
        let wanted = missing.map(|family| {
            let least = u8::from(has_nothing(family) && !self.makes(Mistake::LeavesItToOthers));
            (family, self.to_ask(network, eni, family).max(least))
        });
        let Some((family, wanted)) = wanted.into_iter().find(|(_, count)| *count > 0) else {
            self.state.broken.idle |= self.pick(given).is_none();
            return self.go_on_without();
        };
        if made >= TRIES {
            return self.go_on_without();
        }
        let in_doubt = self.state.disk.live.doubt.and(self.own_asks());
        let pool = (eni, family);
        let is_in_doubt = in_doubt.iter().any(|it| self.state.cloud.requests[usize::from(it)].pool == pool);
        let count = if is_in_doubt { 1 } else { wanted.min(fewer_than.saturating_sub(1)).max(1) };
        // What is in sight is not more than what is wanted, but for the one that it needs itself.
        let usable = self.counting_of(network).common(self.model.pool(pool));
        let usable = usable.iter().filter(|it| self.entry(*it).is_some_and(|it| it.rested)).count();
        let in_sight = usable + usize::from(self.open(network, pool)) + usize::from(count);
        let reserve = self.model.reserve[usize::from(network)];
        let is_own = count == 1 && has_nothing(family);
        self.state.broken.greedy |= in_sight > usize::from(self.counted(network) + reserve) && !is_own;
        let token = self.pid * TRIES + made;
        self.state.cloud.requests[usize::from(token)] = Request { pool, count, assigned: None };
        let mut intent = self.state.disk.intents[usize::from(owner)]?;
        intent.asks = intent.asks.with(token);
        self.set_intent(owner, Some(intent));
        if self.model.enis > 1 {
            self.state.disk.expected = self.state.disk.expected.with(token);
        }
        let asked_in_doubt = self.state.disk.in_doubt;
        let me = self.me();
        (me.token, me.made, me.unseen, me.asked_in_doubt) = (token, made + 1, false, asked_in_doubt);
        self.go(At::Assign)
    }

    /// It asks no more: it takes entries, if there are, or waits. What it was given it gives up only with the whole ADD.
    fn go_on_without(&mut self) -> Option<()> {
        let given = self.me().given;
        match self.pick(given) {
            Some(picked) if !given.is_empty() => {
                self.me().addresses = picked;
                self.go(At::Take)
            }
            None if !given.is_empty() => self.go(At::Abandon),
            _ => {
                self.unlock_eni();
                self.go(At::Want)
            }
        }
    }

    pub(crate) fn assign(&mut self) -> Option<()> {
        let token = self.me().token;
        self.send(Call::Assign(token), At::AssignAnswered)
    }

    pub(crate) fn assign_answered(&mut self) -> Option<()> {
        let reply = self.reply()?;
        let Process { token, eni, unseen, .. } = *self.me();
        match (reply, self.choice) {
            (Reply::Assigned(addresses), 0) => {
                self.state.disk.noted = self.state.disk.noted.with(token);
                self.me().addresses = addresses;
                self.go(At::Accept)
            }
            (Reply::Unknown, 0) => {
                self.me().unseen = true;
                self.go(At::Assign)
            }
            (Reply::Unknown, _) => self.go_on_without(),
            // A copy that was lost sight of may be carried out after this one was refused.
            (Reply::Fewer, 0) if unseen && !self.makes(Mistake::RefusalEnds) => self.go_on_without(),
            (Reply::Fewer, 0) => {
                let Request { count, pool, .. } = self.state.cloud.requests[usize::from(token)];
                self.cross(token);
                if count > 1 && !self.makes(Mistake::SeveralMeansFull) {
                    self.me().fewer_than = count;
                    return self.go(At::Lead);
                }
                if self.make_room(pool) {
                    return self.go(At::Gather);
                }
                // Nobody else releases while it holds the ENI's lock.
                let is_full = self.state.cloud.assigned.has_all(self.model.pool(pool));
                self.state.broken.refused |= !is_full && !self.state.disturbed;
                let me = self.me();
                (me.full, me.fewer_than) = (me.full.with(eni), u8::MAX);
                self.go_on_without()
            }
            _ => None,
        }
    }

    /// What is releasing makes room; else an entry that has not rested is released.
    fn make_room(&mut self, pool: (u8, u8)) -> bool {
        let here = self.model.pool(pool);
        let releasing = self.state.disk.live.releasing.without(self.state.disk.live.owned());
        if releasing.has_any(here) {
            return true;
        }
        let unrested = self.counting().common(here);
        let youngest = unrested.iter().find(|it| self.entry(*it).is_some_and(|it| !it.rested));
        if let Some(address) = youngest {
            self.change(Change::Releasing(address));
            self.sync(RELEASING);
            self.change(Change::NoEntry(address));
        }
        youngest.is_some()
    }

    /// In one hold of the store's lock. The first address is its own; an old entry of that goes. The others go into the reserve.
    pub(crate) fn accept(&mut self) -> Option<()> {
        let network = self.owner_and_network()?.1;
        let Process { addresses, asked_in_doubt, token, given, .. } = *self.me();
        let doubt = if self.makes(Mistake::DoubtIgnored) { Set::EMPTY } else { asked_in_doubt };
        let counting = self.counting();
        let pool = self.model.pool(self.state.cloud.requests[usize::from(token)].pool);
        let mut is_served = given.has_any(pool);
        for address in addresses.without(self.state.disk.live.owned()).iter() {
            if doubt.has(address) {
                self.change(Change::Releasing(address));
            } else if counting.has(address) {
                // Something else had taken it off the ENI, and it is back.
            } else if std::mem::replace(&mut is_served, true) {
                self.change(Change::Entry(address, Entry { network, rested: true }));
            } else {
                self.me().given = given.with(address);
                if !self.makes(Mistake::OldEntryStays) {
                    self.remove_entries(Set::of(address));
                }
            }
        }
        self.go(At::Acknowledge)
    }

    /// The entries are durable before the releases end that have happened, and the request is crossed off, or the record is there.
    pub(crate) fn acknowledge(&mut self) -> Option<()> {
        let Process { token, addresses, asked_in_doubt, given, .. } = *self.me();
        if !self.makes(Mistake::CrossesOffEarly) {
            self.sync(RESERVED);
        }
        let doubt = if self.makes(Mistake::DoubtIgnored) { Set::EMPTY } else { asked_in_doubt };
        let over = addresses.without(doubt).common(self.state.disk.live.releasing);
        over.iter().for_each(|it| self.change(Change::NoReleasing(it)));
        self.sync(RELEASING);
        if given.has_any(addresses) {
            let me = self.me();
            me.acknowledged = me.acknowledged.with(token);
        } else {
            self.cross(token);
        }
        self.me().addresses = Set::EMPTY;
        let is_whole = (0..self.model.families)
            .all(|family| (0..self.model.enis).any(|eni| given.has_any(self.model.pool((eni, family)))));
        self.go(if is_whole { At::Commit } else { At::Ask })
    }

    /// In one hold of the store's lock. What is gone already is found out before.
    pub(crate) fn gather(&mut self) -> Option<()> {
        let eni = self.me().eni;
        let here = self.model.of_eni(eni);
        let batch = self.state.disk.live.releasing.common(here);
        if batch.is_empty() {
            return self.after_release(true);
        }
        self.me().addresses = batch;
        if self.state.disk.in_doubt.has_any(batch) { self.go(At::Look) } else { self.clear() }
    }

    /// A description shows what is gone. Its entry goes before the release that keeps it from counting.
    pub(crate) fn look(&mut self) -> Option<()> {
        let in_use = self.state.disk.live.owned();
        let addresses = self.me().addresses;
        let gone = addresses.without(self.state.cloud.assigned).without(in_use);
        self.sync(ALL);
        if !self.makes(Mistake::EndsBesideEntry) {
            let entries = gone.common(self.state.disk.live.reserved());
            entries.iter().for_each(|it| self.change(Change::NoEntry(it)));
            self.sync(RESERVED);
        }
        gone.iter().for_each(|it| self.change(Change::NoReleasing(it)));
        self.sync(RELEASING);
        self.me().addresses = addresses.without(gone);
        if addresses == gone { self.after_release(true) } else { self.clear() }
    }

    /// Before it sends, it drops what an active record names, removes the entries of the rest, and makes all durable: also
    /// before, because what a name is removed for must not be lost itself.
    fn clear(&mut self) -> Option<()> {
        let mut directories = ALL;
        if self.makes(Mistake::ReservedNotDurable) {
            directories &= !RESERVED;
        }
        if self.makes(Mistake::MovesNotDurable) {
            directories &= RESERVED;
        }
        if !self.makes(Mistake::RemovesBeforeDurable) {
            self.sync(directories & !RESERVED);
        }
        let mut batch = self.me().addresses;
        if !self.makes(Mistake::SendsActive) {
            let in_use = batch.common(self.state.disk.live.owned());
            in_use.iter().for_each(|it| self.change(Change::NoReleasing(it)));
            batch = batch.without(in_use);
        }
        if self.makes(Mistake::FromReleasing) && self.model.reserve[0] > 0 && !batch.is_empty() {
            for address in batch.iter() {
                self.change(Change::Entry(address, Entry { network: 0, rested: false }));
                self.sync(RESERVED);
                self.change(Change::NoReleasing(address));
            }
            return self.after_release(true);
        }
        let entries = batch.common(self.state.disk.live.reserved());
        if !self.makes(Mistake::LeavesEntries) {
            entries.iter().for_each(|it| self.change(Change::NoEntry(it)));
        }
        // A name that is gone already may come back as well: whoever removed it has not made that durable.
        let came_out = !self.state.disk.is_durable(RESERVED) && !self.makes(Mistake::TrustsMissingEntries);
        if came_out || !entries.is_empty() {
            self.sync(directories);
        }
        self.me().addresses = batch;
        if batch.is_empty() {
            return self.after_release(true);
        }
        if self.lives() {
            self.state.disk.in_flight = self.state.disk.in_flight.and(batch);
        }
        self.go(At::Unassign)
    }

    pub(crate) fn unassign(&mut self) -> Option<()> {
        let batch = self.me().addresses;
        self.state.broken.sent |= self.state.disk.live.protected().has_any(batch);
        self.send(Call::Unassign(batch), At::UnassignAnswered)
    }

    pub(crate) fn unassign_answered(&mut self) -> Option<()> {
        let batch = self.me().addresses;
        let reply = self.reply()?;
        if reply == Reply::Done {
            batch.iter().for_each(|it| self.change(Change::NoReleasing(it)));
            self.sync(RELEASING);
        }
        if self.lives() {
            let disk = &mut self.state.disk;
            disk.in_flight = disk.in_flight.without(batch);
            if reply == Reply::Unknown {
                disk.in_doubt = disk.in_doubt.and(batch);
            }
        }
        match reply {
            Reply::NotThere => self.go(At::Look),
            Reply::Unknown => self.after_release(false),
            _ => self.after_release(true),
        }
    }

    fn after_release(&mut self, went_well: bool) -> Option<()> {
        self.me().addresses = Set::EMPTY;
        let Process { verb, gives_back, eni, .. } = *self.me();
        match verb {
            Verb::Add(..) if !gives_back => self.go(if went_well { At::Ask } else { At::Lead }),
            Verb::Flush => {
                let here = self.model.of_eni(eni);
                if went_well && self.state.disk.live.releasing.has_any(here) {
                    return self.go(At::Gather);
                }
                let me = self.me();
                me.full = me.full.with(eni);
                self.unlock_eni();
                self.go(At::LockForRelease)
            }
            Verb::Add(..) | Verb::Del(_) => {
                self.unlock_eni();
                self.go(At::Done)
            }
        }
    }
}

const _: () = assert!(ENIS <= 4, "an ADD's choices name the ENIs");
