//! One step of one process, with the few things that all of them do.

use crate::reserve::Reserve;
use crate::reserve::disk::{Change, Entry, Intent};
use crate::reserve::mistake::Mistake;
use crate::reserve::state::{At, Call, Process, Reply, State, Verb};
use crate::set::Set;

/// A process that is about to take its next step.
pub(crate) struct Turn<'a> {
    pub(crate) model: &'a Reserve,
    pub(crate) state: &'a mut State,
    pub(crate) pid: u8,
    pub(crate) choice: u8,
    /// After so many changes of the store it is killed.
    budget: Option<u8>,
    cut_short: bool,
}

impl At {
    /// In how many ways a process can go on from here.
    pub(crate) fn choices(self) -> u8 {
        match self {
            Self::Want => 4,
            Self::LockForRelease | Self::AssignAnswered => 2,
            Self::Done => 0,
            _ => 1,
        }
    }
}

impl<'a> Turn<'a> {
    pub(crate) fn new(
        model: &'a Reserve,
        state: &'a mut State,
        pid: u8,
        choice: u8,
        budget: Option<u8>,
    ) -> Self {
        Self { model, state, pid, choice, budget, cut_short: false }
    }

    pub(crate) fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    /// `None` where the step is not possible now, or not in this way.
    pub(crate) fn take(&mut self) -> Option<()> {
        match self.me().at {
            At::Begin => match self.me().verb {
                Verb::Add(owner, network) => self.begin_add(owner, network),
                Verb::Del(owner) => self.begin_del(owner),
                Verb::Flush => self.begin_flush(),
            },
            At::Want => self.want(),
            At::Take => self.take_picked(),
            At::SyncActive => self.sync_active(),
            At::DropEntry => self.drop_entry(),
            At::End => self.end_well(),
            At::Abandon => self.abandon(),
            At::Surplus => self.surplus(),
            At::LockForRelease => self.lock_for_release(),
            At::Lead => self.lead(),
            At::Repeat => self.repeat(),
            At::RepeatAnswered => self.repeat_answered(),
            At::Ask => self.ask(),
            At::Assign => self.assign(),
            At::AssignAnswered => self.assign_answered(),
            At::Accept => self.accept(),
            At::Acknowledge => self.acknowledge(),
            At::Commit => self.commit(),
            At::Gather => self.gather(),
            At::Look => self.look(),
            At::Unassign => self.unassign(),
            At::UnassignAnswered => self.unassign_answered(),
            At::Done => None,
        }
    }

    pub(crate) fn me(&mut self) -> &mut Process {
        &mut self.state.processes[usize::from(self.pid)]
    }

    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.model.makes(mistake)
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "it ends the steps, which are `None` where they are not possible"
    )]
    pub(crate) fn go(&mut self, at: At) -> Option<()> {
        self.me().at = at;
        Some(())
    }

    /// Whether it lives long enough for one change of the store more.
    pub(crate) fn lives(&mut self) -> bool {
        match &mut self.budget {
            Some(0) => self.cut_short = true,
            Some(left) => *left -= 1,
            None => {}
        }
        !self.cut_short
    }

    pub(crate) fn change(&mut self, change: Change) {
        if self.lives() {
            self.state.disk.change(change);
        }
    }

    pub(crate) fn sync(&mut self, directories: u8) {
        if self.lives() {
            self.state.disk.sync(directories);
        }
    }

    pub(crate) fn set_intent(&mut self, owner: u8, intent: Option<Intent>) {
        if self.lives() {
            self.state.disk.intents[usize::from(owner)] = intent;
        }
    }

    pub(crate) fn send(&mut self, call: Call, then: At) -> Option<()> {
        self.me().request = Some((call, None));
        self.go(then)
    }

    pub(crate) fn reply(&mut self) -> Option<Reply> {
        let (_, reply) = self.me().request?;
        self.me().request = None;
        reply
    }

    /// The ENI's lock, if nobody holds it. What its last holder had sent without hearing of it is in doubt.
    pub(crate) fn lock_eni(&mut self, eni: u8) -> Option<()> {
        let lock = &mut self.state.eni_locks[usize::from(eni)];
        if lock.is_some() {
            return None;
        }
        *lock = Some(self.pid);
        let here = self.model.of_eni(eni);
        let disk = &mut self.state.disk;
        disk.in_doubt = disk.in_doubt.and(disk.in_flight.common(here));
        disk.in_flight = disk.in_flight.without(here);
        self.me().eni = eni;
        Some(())
    }

    pub(crate) fn unlock_eni(&mut self) {
        for lock in &mut self.state.eni_locks {
            lock.take_if(|holder| *holder == self.pid);
        }
    }

    /// The entries that count: neither an active nor a releasing record names their addresses.
    pub(crate) fn counting(&self) -> Set {
        let live = &self.state.disk.live;
        let mut named = Set::EMPTY;
        if !self.makes(Mistake::ActiveCounts) {
            named = named.and(live.owned());
        }
        if !self.makes(Mistake::ReleasingCounts) {
            named = named.and(live.releasing);
        }
        live.reserved().without(named)
    }

    pub(crate) fn entry(&self, address: u8) -> Option<Entry> {
        self.state.disk.live.entries[usize::from(address)]
    }

    /// The entries that count of a network.
    pub(crate) fn counting_of(&self, network: u8) -> Set {
        let all = self.counting();
        let own = all.iter().filter(|it| self.entry(*it).is_some_and(|it| it.network == network));
        own.fold(Set::EMPTY, Set::with)
    }

    /// How many ADDs of a network wait for addresses, dead ones included: until its deadline nobody can tell one from another.
    pub(crate) fn waiting(&self, network: u8) -> u8 {
        let disk = &self.state.disk;
        let waits = |(owner, intent): (usize, &Option<Intent>)| {
            let waits = intent.is_some_and(|it| it.network == network && !it.deleted);
            (waits && disk.live.active[owner].is_none()).then_some(())
        };
        u8::try_from(disk.intents.iter().enumerate().filter_map(waits).count()).unwrap_or(u8::MAX)
    }

    /// Those that whoever asks ECS counts: where the kernel tells, the living ones only.
    pub(crate) fn counted(&self, network: u8) -> u8 {
        let dead = self.state.disk.intents.iter().enumerate().filter(|(owner, it)| {
            it.is_some_and(|it| it.network == network && !it.deleted && it.lock.is_none())
                && self.state.disk.live.active[*owner].is_none()
        });
        let dead = if self.model.tells_living { u8::try_from(dead.count()).unwrap_or_default() } else { 0 };
        self.waiting(network) - dead
    }
}
