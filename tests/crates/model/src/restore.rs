//! `reconcile --restore`: `src/commands/reconcile/restore.rs` and `Releaser::restore` in `src/pool/release/restore.rs`.

use crate::mistake::Mistake;
use crate::process::{At, Leader, Verb};
use crate::set::Set;
use crate::state::{Call, Releasing, Reply, TRIES};
use crate::turn::Turn;

impl Turn<'_> {
    /// The address that this process restores, if that is what it was started for.
    pub(crate) fn restores(&self) -> Option<u8> {
        match self.state.processes[usize::from(self.pid)].verb {
            Verb::Restore(address) => Some(address),
            _ => None,
        }
    }

    pub(crate) fn restore_lock_eni(&mut self) -> Option<()> {
        if self.choice == 1 {
            return self.state.eni_lock.and_then(|_| self.end());
        }
        self.take_eni_lock(At::RestoreLook)
    }

    /// It is asked for if a pod has it, and the ENI has not, and no earlier request for it is in doubt.
    pub(crate) fn restore_look(&mut self) -> Option<()> {
        let address = self.restores()?;
        let shown = match self.choice {
            0 => self.state.cloud.assigned,
            1 if self.state.cloud.ghosts.has(address) => Set::of(address),
            _ => return None,
        };
        let disk = &self.state.disk;
        let asks = |token: u8| self.model.wish(token) == Some(address);
        let in_doubt = !disk.names(|record| record.unanswered.iter().any(asks)).is_empty();
        let is_ghost = disk.in_use().has(address) && !shown.has(address) && !disk.in_doubt.has(address);
        let early = self.makes(Mistake::RestoreNotWritten);
        self.go(match is_ghost && !in_doubt {
            true if early => At::RestoreAsk,
            true => At::RestorePut,
            false => At::RestoreDropEniLock,
        })
    }

    /// Nobody's record of the request is durable before ECS is asked.
    pub(crate) fn restore_put(&mut self) -> Option<()> {
        self.put_restore();
        self.go(if self.makes(Mistake::RestoreNotWritten) { At::RestoreDropEniLock } else { At::RestoreAsk })
    }

    fn put_restore(&mut self) {
        let token = self.pid * TRIES;
        let record = self.put_releasing(Releasing { unanswered: Set::of(token), ..Releasing::default() });
        let records = self.state.disk.names(|_| true);
        let me = self.me();
        me.leader = Leader { own: Some(record), record, token, records, ..Leader::default() };
        me.after_step = At::RestoreDropEniLock;
    }

    pub(crate) fn restore_ask(&mut self) -> Option<()> {
        let token = self.pid * TRIES;
        self.send(Call::Assign(token), At::RestoreAnswered)
    }

    pub(crate) fn restore_answered(&mut self) -> Option<()> {
        let reply = self.reply()?;
        if self.makes(Mistake::RestoreNotWritten) {
            self.only()?;
            return self.go(if reply == Reply::Unknown { At::RestorePut } else { At::RestoreDropEniLock });
        }
        match reply {
            Reply::Assigned(address) => {
                self.only()?;
                self.me().leader.found = Some(address);
                self.go(At::OwnerOf)
            }
            Reply::Unknown if self.makes(Mistake::RestoreUnknownEnds) => self.go(At::RestoreOver),
            // It is repeated once, if there is time.
            Reply::Unknown if self.choice == 0 => self.go(At::Repeat),
            Reply::Unknown => self.go(At::RestoreDropEniLock),
            // No other copy was sent: nothing was assigned.
            _ => {
                self.only()?;
                self.go(At::RestoreOver)
            }
        }
    }

    pub(crate) fn restore_over(&mut self) -> Option<()> {
        let name = usize::from(self.me().leader.record);
        self.state.disk.releasing[name] = None;
        self.go(At::RestoreDropEniLock)
    }

    pub(crate) fn restore_drop_eni_lock(&mut self) -> Option<()> {
        self.drop_eni_lock();
        self.end()
    }
}
