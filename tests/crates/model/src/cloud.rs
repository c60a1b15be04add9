//! What ECS does with a request, and what may happen to one on its way.

use crate::mistake::Mistake;
use crate::process::{At, Process, Request};
use crate::protocol::{Handout, Protocol};
use crate::set::Set;
use crate::state::{Call, Memory, Pid, Reply, State};

impl Protocol {
    /// ECS carries out the request that a process waits for.
    pub(crate) fn execute(&self, state: &mut State, pid: Pid, choice: u8) -> Option<()> {
        let Request { call, reply: None } = state.processes[usize::from(pid)].request? else { return None };
        let reply = Some(self.carry_out(state, call, choice)?);
        state.processes[usize::from(pid)].request = Some(Request { call, reply });
        Some(())
    }

    /// ECS carries out a request that nobody waits for any more.
    pub(crate) fn execute_late(&self, state: &mut State, stray: usize, choice: u8) -> Option<()> {
        let call = state.cloud.strays[stray].take()?;
        self.carry_out(state, call, choice).map(|_| ())
    }

    fn carry_out(&self, state: &mut State, call: Call, choice: u8) -> Option<Reply> {
        match call {
            Call::Assign(token) => self.assign(state, token, choice),
            Call::Unassign(addresses) => self.unassign(state, addresses, choice),
        }
    }

    /// The same `ClientToken` gets the same answer, whatever has become of the address.
    fn assign(&self, state: &mut State, token: u8, choice: u8) -> Option<Reply> {
        let cloud = &mut state.cloud;
        let free = Set::below(self.addresses).without(cloud.assigned).without(cloud.elsewhere);
        let wish = self.wish(token);
        let chosen = match (wish, self.handout) {
            (Some(address), _) => free.has(address).then_some(address).filter(|_| choice == 0),
            (None, Handout::Any) => free.has(choice).then_some(choice),
            (None, Handout::Lowest) => free.first().filter(|_| choice == 0),
        };
        let memory = &mut cloud.memory[usize::from(token)];
        match (*memory, chosen) {
            // Room is looked at before the `ClientToken`.
            (Memory::Assigned(_), None) if self.room_comes_first && free.is_empty() => {
                (choice == 0).then_some(Reply::Full)
            }
            (Memory::Assigned(address), _) => (choice == 0).then_some(Reply::Assigned(address)),
            (Memory::Refused, _) => (choice == 0).then_some(Reply::Spent),
            (Memory::New, Some(address)) => {
                *memory = Memory::Assigned(address);
                cloud.assigned = cloud.assigned.with(address);
                cloud.ghosts = cloud.ghosts.without(Set::of(address));
                cloud.removed = cloud.removed.without(Set::of(address));
                Some(Reply::Assigned(address))
            }
            (Memory::New, None) => {
                if self.remembers_refusals {
                    *memory = Memory::Refused;
                }
                match wish {
                    // Somebody has it.
                    Some(_) => (choice == 0).then_some(Reply::Refused),
                    None => (choice == 0 && free.is_empty()).then_some(Reply::Full),
                }
            }
        }
    }

    /// What a request that nobody waits for any more becomes: nothing, or one that is carried out later.
    fn stray(state: &mut State, call: Call, late: bool) -> Option<()> {
        if late {
            state.left.late = state.left.late.checked_sub(1)?;
            *state.cloud.strays.iter_mut().find(|place| place.is_none())? = Some(call);
        }
        Some(())
    }

    /// The process is killed: the system lets go of its locks, and what is on disk stays.
    pub(crate) fn kill(state: &mut State, pid: Pid, late: bool) -> Option<()> {
        let process = std::mem::take(&mut state.processes[usize::from(pid)]);
        if process.is_done() {
            return None;
        }
        state.left.kills = state.left.kills.checked_sub(1)?;
        match process.request {
            Some(Request { call, reply: None }) => Self::stray(state, call, late)?,
            _ if late => return None,
            _ => {}
        }
        for lock in [&mut state.store_lock, &mut state.eni_lock] {
            lock.take_if(|holder| *holder == pid);
        }
        for intent in state.disk.assigning.iter_mut().flatten() {
            intent.lock.take_if(|holder| *holder == pid);
        }
        Some(())
    }

    /// The process learns nothing of what became of its request.
    pub(crate) fn lose(state: &mut State, pid: Pid, late: bool) -> Option<()> {
        let Request { call, reply } = state.processes[usize::from(pid)].request?;
        state.left.lost = state.left.lost.checked_sub(1)?;
        match reply {
            None => Self::stray(state, call, late)?,
            Some(Reply::Unknown | Reply::Refused) => return None,
            Some(_) if late => return None,
            Some(_) => {}
        }
        answer(&mut state.processes[usize::from(pid)], call, Reply::Unknown);
        Some(())
    }

    /// The process is answered something that is not an answer to its request, whether that was carried out or not.
    pub(crate) fn misanswer(state: &mut State, pid: Pid, address: u8, late: bool) -> Option<()> {
        let Request { call, reply } = state.processes[usize::from(pid)].request?;
        state.left.unfit = state.left.unfit.checked_sub(1)?;
        match reply {
            None => Self::stray(state, call, late)?,
            Some(Reply::Assigned(_)) if !late => {}
            _ => return None,
        }
        answer(&mut state.processes[usize::from(pid)], call, Reply::Unfit(address));
        Some(())
    }

    /// The request is refused in passing, or does not get as far as the cloud.
    pub(crate) fn refuse(state: &mut State, pid: Pid) -> Option<()> {
        let Request { call, reply: None } = state.processes[usize::from(pid)].request? else { return None };
        state.left.refused = state.left.refused.checked_sub(1)?;
        answer(&mut state.processes[usize::from(pid)], call, Reply::Refused);
        Some(())
    }

    /// The doubt about an address ends: time has passed, and no request is carried out that late.
    pub(crate) fn doubt_ends(&self, state: &mut State, address: u8) -> Option<()> {
        let may_come = |call: &Call| matches!(call, Call::Unassign(addresses) if addresses.has(address));
        let bounded = self.mistake != Some(Mistake::LateWithoutBound);
        if !state.disk.in_doubt.has(address) || (bounded && state.cloud.strays.iter().flatten().any(may_come))
        {
            return None;
        }
        state.disk.in_doubt = state.disk.in_doubt.without(Set::of(address));
        Some(())
    }
}

impl Protocol {
    /// Time has passed since requests were sent: no copy of them can take effect any more, and a description shows all that
    /// they assigned.
    pub(crate) fn lapse(&self, state: &mut State) -> Option<()> {
        let strays = state.cloud.strays.iter().flatten().copied();
        let strays = strays.filter(|_| self.mistake != Some(Mistake::LapsedTooEarly));
        let waited_for = state.processes.iter().filter_map(|it| it.request.as_ref()).map(|it| it.call);
        let may_come = strays.chain(waited_for).fold(Set::EMPTY, |all, call| match call {
            Call::Assign(token) => all.with(token),
            Call::Unassign(_) => all,
        });
        // Until when a restore's request can take effect is written with the record, and covers the time until it is sent.
        let about_to_ask = state.processes.iter().filter(|it| it.at == At::RestoreAsk);
        let may_come = about_to_ask.fold(may_come, |all, it| all.with(it.leader.token));
        let mut any = None;
        for record in state.disk.releasing.iter_mut().flatten() {
            let lapsed = record.unanswered.without(may_come).without(record.lapsed);
            if !lapsed.is_empty() {
                record.lapsed = record.lapsed.and(lapsed);
                any = Some(());
            }
        }
        any
    }

    /// Of a batch of which an address is not there, ECS does nothing, or the rest: nobody says.
    fn unassign(&self, state: &mut State, addresses: Set, choice: u8) -> Option<Reply> {
        let there = addresses.common(state.cloud.assigned);
        let (done, reply) = match choice {
            0 if there == addresses => (there, Reply::Done),
            0 => (Set::EMPTY, Reply::IpUnassigned),
            1 if there != addresses && !there.is_empty() => (there, Reply::IpUnassigned),
            _ => return None,
        };
        state.broken.taken |= state.disk.in_use().has_any(done);
        state.broken.robbed |= state.cloud.others.has_any(done);
        self.off_the_eni(state, done);
        Some(reply)
    }

    /// Other software takes these of its addresses off the ENI.
    pub(crate) fn others_leave(&self, state: &mut State, addresses: Set) {
        state.cloud.others = state.cloud.others.without(addresses);
        self.off_the_eni(state, addresses);
    }

    /// A person takes a pod's address off the ENI.
    pub(crate) fn taken_in_the_console(&self, state: &mut State, address: u8) {
        state.cloud.removed = state.cloud.removed.with(address);
        self.off_the_eni(state, Set::of(address));
    }

    fn off_the_eni(&self, state: &mut State, addresses: Set) {
        state.cloud.assigned = state.cloud.assigned.without(addresses);
        if self.ghosts {
            state.cloud.ghosts = state.cloud.ghosts.and(addresses);
        }
    }
}

fn answer(process: &mut Process, call: Call, reply: Reply) {
    process.request = Some(Request { call, reply: Some(reply) });
}
