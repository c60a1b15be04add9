//! What all threads of a simulator share.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::clock::Clock;
use crate::cloud::Cloud;
use crate::end::{End, lock};
use crate::error::ApiError;
use crate::faults::{Dice, Faults};
use crate::ledger::Ledger;
use crate::metadata::Metadata;
use crate::world::World;

/// The parts have a lock each. Whoever needs several takes `cloud` first.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) cloud: Mutex<Cloud>,
    pub(crate) metadata: Mutex<Metadata>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) ledger: Ledger,
    pub(crate) busy: Busy,
    pub(crate) clock: Clock,
    pub(crate) end: End,
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self {
            faults: Mutex::new(Faults::new(world.seed)),
            cloud: Mutex::new(Cloud::new(world)),
            metadata: Mutex::default(),
            ledger: Ledger::new(),
            busy: Busy::default(),
            clock: Clock::default(),
            end: End::default(),
        }
    }
}

/// The ENIs that are being changed.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    enis: Mutex<BTreeSet<String>>,
    overlaps: AtomicUsize,
}

impl Busy {
    /// Begins a change of an ENI, which ends when the answer is dropped.
    pub(crate) fn begin(&self, eni: &str) -> Result<BusyEni<'_>, ApiError> {
        if lock(&self.enis).insert(eni.to_owned()) {
            return Ok(BusyEni { busy: self, eni: eni.to_owned() });
        }
        self.overlaps.fetch_add(1, Ordering::SeqCst);
        Err(ApiError::new("Operation.Conflict"))
    }

    /// How often a change was asked for while another one was under way.
    pub(crate) fn overlaps(&self) -> usize {
        self.overlaps.load(Ordering::SeqCst)
    }
}

/// An ENI that nobody else can change.
#[derive(Debug)]
pub(crate) struct BusyEni<'a> {
    busy: &'a Busy,
    eni: String,
}

impl Drop for BusyEni<'_> {
    fn drop(&mut self) {
        lock(&self.busy.enis).remove(&self.eni);
    }
}

/// A new id for a request, in the form of a UUID, different from all others of this process.
pub(crate) fn request_id() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut dice = Dice(LAST.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x1234_5678_9abc_def1));
    let digits = format!("{:016X}{:016X}", dice.next(), dice.next());
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_change_of_an_eni_at_a_time() {
        let busy = Busy::default();
        let first = busy.begin("eni-1").unwrap();
        let _other = busy.begin("eni-2").unwrap();
        assert_eq!(busy.begin("eni-1").unwrap_err().code, "Operation.Conflict");
        assert_eq!(busy.overlaps(), 1);
        drop(first);
        assert!(busy.begin("eni-1").is_ok());
        assert_eq!(busy.overlaps(), 1);
    }

    #[test]
    fn request_ids_are_unique() {
        let ids: BTreeSet<_> = (0..1000).map(|_| request_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 36 && *id == id.to_uppercase()));
    }
}
