//! Which ENIs an ADD passes over, and why: they are full, or have gone.

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::cloud::rpc::{ErrorKind, Subject};
use crate::failure::{Failure, Result};
use crate::pool::assign::source::Source;
use crate::store::Store;

/// ENIs that an ADD does not ask, each with the reason.
#[derive(Debug)]
pub(super) struct PassedOver(Vec<(EniId, Reason)>);

#[derive(Debug)]
enum Reason {
    /// ECS has said so at this moment, not long ago.
    Remembered(Timestamp),
    /// This ADD has asked.
    Asked(Failure),
}

impl PassedOver {
    /// Those that are remembered as full.
    pub(super) fn new(store: &Store, sources: &[Source<'_>]) -> Result<Self> {
        let mut passed_over = Self(Vec::new());
        for source in sources {
            passed_over.is_full_now(store, source, sources)?;
        }
        Ok(passed_over)
    }

    /// Whether an ENI is remembered as full and nothing can make room there: then it is passed over from here on. A network's only ENI is
    /// always asked.
    pub(super) fn is_full_now(
        &mut self,
        store: &Store,
        source: &Source<'_>,
        all: &[Source<'_>],
    ) -> Result<bool> {
        if all.len() == 1 {
            return Ok(false);
        }
        let eni = &source.place.eni;
        match store.eni_state(eni)?.full_at(Timestamp::now()) {
            Some(since) if !store.may_get_room(eni)? => {
                self.0.push((eni.clone(), Reason::Remembered(since)));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    pub(super) fn has(&self, eni: &EniId) -> bool {
        self.0.iter().any(|(other, _)| other == eni)
    }

    pub(super) fn add(&mut self, eni: &EniId, failure: Failure) {
        self.0.push((eni.clone(), Reason::Asked(failure)));
    }

    /// Why there is no address, where all are passed over: that all are full, or else why one could not be asked.
    pub(super) fn failure(self) -> Failure {
        let is_other = |reason: &Reason| matches!(reason, Reason::Asked(failure) if !is_full(failure));
        let (mut others, full): (Vec<_>, Vec<_>) =
            self.0.into_iter().partition(|(_, reason)| is_other(reason));
        if let Some((_, Reason::Asked(failure))) = others.pop() {
            return failure;
        }
        let told = |(eni, reason)| match reason {
            Reason::Remembered(since) => format!("{eni} is full, as ECS said at {}", since.to_seconds()),
            Reason::Asked(failure) => format!("{eni} is full ({failure})"),
        };
        Failure::AllFull { each: full.into_iter().map(told).collect() }
    }
}

/// Whether another ENI may have an address although this one has failed so.
pub(super) fn may_be_had_elsewhere(failure: &Failure) -> bool {
    let Failure::Ecs(error) = failure else { return false };
    error.subject().is_full() || error.subject() == Subject::EniGone || error.kind == ErrorKind::Unknown
}

fn is_full(failure: &Failure) -> bool {
    matches!(failure, Failure::Ecs(error) if error.subject().is_full())
}
