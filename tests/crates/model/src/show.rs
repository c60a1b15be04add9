//! A state in one line, for counterexamples.

use std::fmt;

use crate::state::State;

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ENI {:?}", self.cloud.assigned)?;
        for (owner, intent) in self.disk.assigning.iter().enumerate() {
            if let Some(intent) = intent {
                let deleted = if intent.deleted { " deleted" } else { "" };
                write!(f, ", assigning/{owner} {:?}{deleted}", intent.asks)?;
            }
        }
        for (owner, active) in self.disk.active.iter().enumerate() {
            if let Some(active) = active {
                let old = if active.old { " of an earlier boot" } else { "" };
                write!(f, ", active/{owner} {:?}{old}", active.addresses)?;
            }
        }
        for (name, record) in self.disk.releasing.iter().enumerate() {
            if let Some(record) = record {
                write!(f, ", releasing/{name} {:?}", record.addresses)?;
                if !record.unanswered.is_empty() {
                    write!(f, " unanswered {:?} lapsed {:?}", record.unanswered, record.lapsed)?;
                }
            }
        }
        if !self.disk.in_flight.is_empty() {
            write!(f, ", in flight {:?}", self.disk.in_flight)?;
        }
        if !self.disk.in_doubt.is_empty() {
            write!(f, ", in_doubt {:?}", self.disk.in_doubt)?;
        }
        for call in self.cloud.strays.iter().flatten() {
            write!(f, ", on its way {call:?}")?;
        }
        Ok(())
    }
}
