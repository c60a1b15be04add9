//! What ECS does with a request, and what may happen to one and to its process.

use crate::reserve::Reserve;
use crate::reserve::state::{At, Call, Process, Reply, State};
use crate::set::Set;

impl Reserve {
    pub(crate) fn execute(&self, state: &mut State, pid: u8, high: bool) -> Option<()> {
        let (call, None) = state.processes[usize::from(pid)].request? else { return None };
        let reply = self.carry_out(state, call, high);
        state.processes[usize::from(pid)].request = Some((call, Some(reply)));
        Some(())
    }

    pub(crate) fn carry_out(&self, state: &mut State, call: Call, high: bool) -> Reply {
        match call {
            Call::Assign(token) => {
                let request = &mut state.cloud.requests[usize::from(token)];
                if let Some(assigned) = request.assigned {
                    return Reply::Assigned(assigned);
                }
                let free = self.pool(request.pool).without(state.cloud.assigned);
                if free.len() < u32::from(request.count) {
                    return Reply::Fewer;
                }
                let skipped = if high { free.len() as usize - usize::from(request.count) } else { 0 };
                let chosen = free.iter().skip(skipped).take(usize::from(request.count));
                let chosen = chosen.fold(Set::EMPTY, Set::with);
                request.assigned = Some(chosen);
                state.cloud.assigned = state.cloud.assigned.and(chosen);
                // The rest cannot hold for what ECS hands out again by itself.
                state.worn = state.worn.without(chosen);
                Reply::Assigned(chosen)
            }
            Call::Unassign(addresses) if state.cloud.assigned.has_all(addresses) => {
                state.broken.taken |= state.disk.live.protected().has_any(addresses);
                state.cloud.assigned = state.cloud.assigned.without(addresses);
                Reply::Done
            }
            Call::Unassign(_) => Reply::NotThere,
        }
    }
}

impl State {
    fn stray(&mut self, call: Call, late: bool) -> Option<()> {
        if late {
            self.left.late = self.left.late.checked_sub(1)?;
            self.cloud.strays.push(call);
        }
        Some(())
    }

    /// The system lets go of the locks of a process; what is on disk stays.
    pub(crate) fn end(&mut self, pid: u8) {
        self.processes[usize::from(pid)] = Process::ended();
        for lock in &mut self.eni_locks {
            lock.take_if(|holder| *holder == pid);
        }
        for intent in self.disk.intents.iter_mut().flatten() {
            intent.lock.take_if(|holder| *holder == pid);
        }
    }

    pub(crate) fn kill(&mut self, pid: u8, late: bool) -> Option<()> {
        self.left.kills = self.left.kills.checked_sub(1)?;
        if let Some((call, None)) = self.processes[usize::from(pid)].request {
            self.stray(call, late)?;
        }
        self.disturbed = true;
        self.end(pid);
        Some(())
    }

    /// Processes that have not begun begin after it.
    pub(crate) fn power_cut(&mut self, kept: u32, late: bool) -> Option<()> {
        self.left.cuts = self.left.cuts.checked_sub(1)?;
        for pid in 0..self.processes.len() {
            if let Some((call, None)) = self.processes[pid].request {
                self.stray(call, late)?;
            }
            if self.processes[pid].at != At::Begin {
                self.end(u8::try_from(pid).ok()?);
            }
        }
        self.disk.power_cut(kept);
        self.disturbed = true;
        Some(())
    }

    pub(crate) fn lose(&mut self, pid: u8, late: bool) -> Option<()> {
        self.left.lost = self.left.lost.checked_sub(1)?;
        let (call, reply) = self.processes[usize::from(pid)].request?;
        match reply {
            None => self.stray(call, late)?,
            Some(Reply::Unknown) => return None,
            Some(_) => {}
        }
        self.disturbed = true;
        self.processes[usize::from(pid)].request = Some((call, Some(Reply::Unknown)));
        Some(())
    }

    pub(crate) fn doubt_ends(&mut self, address: u8) -> Option<()> {
        let may_come = |call: &Call| matches!(call, Call::Unassign(addresses) if addresses.has(address));
        if self.cloud.strays.iter().any(may_come) {
            return None;
        }
        self.disk.in_doubt = self.disk.in_doubt.without(Set::of(address));
        Some(())
    }
}
