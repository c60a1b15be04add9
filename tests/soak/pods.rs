//! The pods of a soak, and what happens to them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use harness::Node;

use crate::dice::Dice;

/// The pods that live, by container, with their addresses.
#[derive(Default)]
pub(crate) struct Pods {
    live: Mutex<BTreeMap<String, IpAddr>>,
    tally: Mutex<Tally>,
    named: AtomicU32,
}

/// How often what was done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    adds: u32,
    failed_adds: u32,
    dels: u32,
    kills: u32,
}

impl Pods {
    /// Adds, deletes and kills until `end`.
    pub(crate) fn trouble(&self, node: &Node, mut dice: Dice, end: Instant) {
        while Instant::now() < end {
            match dice.roll(10) {
                0..=4 => self.add(node, &mut dice),
                5..=8 => self.delete(node, &mut dice),
                // A timer's doing.
                _ => drop(node.operator(&["flush"])),
            }
        }
    }

    fn add(&self, node: &Node, dice: &mut Dice) {
        let container = format!("pod-{}", self.named.fetch_add(1, Ordering::Relaxed));
        let call = node.call("ADD", &container).start();
        if dice.roll(6) == 0 {
            thread::sleep(Duration::from_millis(dice.roll(60)));
            call.kill();
            self.count(|tally| tally.kills += 1);
            // What the runtime does then, or, every other time, does not do.
            if dice.roll(2) == 0 {
                let _ = node.del(&container);
            }
            return;
        }
        let answer = call.wait();
        self.count(|tally| tally.adds += 1);
        if answer.status() == 0 {
            let address = answer.address();
            let twin = self.live().insert(container, address);
            assert!(twin.is_none());
        } else {
            self.count(|tally| tally.failed_adds += 1);
            let _ = answer.any_error();
        }
    }

    fn delete(&self, node: &Node, dice: &mut Dice) {
        let chosen = {
            let mut live = self.live();
            let index = dice.roll(live.len().max(1) as u64);
            let chosen = live.keys().nth(usize::try_from(index).unwrap_or_default()).cloned();
            // From the beginning of its DEL on a pod has no claim on its address.
            chosen.inspect(|container| {
                live.remove(container);
            })
        };
        let Some(container) = chosen else { return };
        let call = node.call("DEL", &container).start();
        if dice.roll(6) == 0 {
            thread::sleep(Duration::from_millis(dice.roll(60)));
            call.kill();
            self.count(|tally| tally.kills += 1);
        } else {
            call.wait().ok();
        }
        self.count(|tally| tally.dels += 1);
        // The runtime repeats it, whatever became of the first.
        node.del(&container).ok();
    }

    /// Deletes every pod.
    pub(crate) fn delete_all(&self, node: &Node) {
        for container in std::mem::take(&mut *self.live()).keys() {
            node.del(container).ok();
        }
    }

    /// The addresses of the pods that live.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.live().values().copied().collect()
    }

    /// What was done since the last question.
    pub(crate) fn tally(&self) -> Tally {
        std::mem::take(&mut *self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<String, IpAddr>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.adds += other.adds;
        self.failed_adds += other.failed_adds;
        self.dels += other.dels;
        self.kills += other.kills;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { adds, failed_adds, dels, kills } = self;
        let operations = adds + dels + kills;
        write!(
            f,
            "{operations} operations ({adds} ADDs, {failed_adds} of them failed, {dels} DELs, {kills} kills)"
        )
    }
}
