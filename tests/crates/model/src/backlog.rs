//! One more step after a call's own work: `src/pool/release/backlog.rs`.

use crate::process::{At, Leader};
use crate::turn::Turn;

impl Turn<'_> {
    /// Unless somebody waits: any record, and the intent of a dead ADD.
    pub(crate) fn release_backlog(&mut self) -> Option<()> {
        match self.choice {
            0 => self.end(),
            1 => {
                if self.state.disk.names(|_| true).is_empty() {
                    return None;
                }
                self.me().after_step = At::BacklogDropEniLock;
                self.take_eni_lock(At::Step)
            }
            _ => {
                let intents = (0..).zip(&self.state.disk.assigning);
                let is_dead = |intent: &crate::state::Intent| intent.lock.is_none();
                let dead = intents.filter(|(_, intent)| intent.as_ref().is_some_and(is_dead));
                self.me().owner = dead.map(|(owner, _)| owner).next()?;
                self.go(At::BuryOneLock)
            }
        }
    }

    pub(crate) fn backlog_drop_eni_lock(&mut self) -> Option<()> {
        self.drop_eni_lock();
        self.me().leader = Leader::default();
        self.end()
    }
}
