//! The store, the kernel's rules and the processes.

use std::fmt;

use crate::routes::process::Process;
use crate::set::Set;

/// The place of a process.
pub type Pid = u8;

/// So many processes are there at most.
pub const PROCESSES: u8 = 5;

/// So many pods can have the address, one after another.
pub const PODS: usize = 3;

/// So many ENIs can have the address.
pub const ENIS: u8 = 2;

/// What may still go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// So many processes may be killed.
    pub kills: u8,
    /// So often a network manager may remove all rules.
    pub removals: u8,
}

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The ENI of the address in each pod's active record.
    pub active: [Option<u8>; PODS],
    /// The ENIs to whose tables a rule leads the address.
    pub rules: Set,
    /// Who holds the lock of the routes.
    pub lock: Option<Pid>,
    /// What runs.
    pub processes: [Process; PROCESSES as usize],
    /// Pods whose ADD has returned and whose DEL has not begun.
    pub up: Set,
    /// Pods whose DEL has begun.
    pub deleted: Set,
    /// Pods whose rule was put in place, and which nobody from outside has removed since.
    pub put: Set,
    /// What may still go wrong.
    pub left: Faults,
}

impl State {
    /// Which ENI's table the address is to lead to.
    #[must_use]
    pub fn eni(&self) -> Option<u8> {
        self.active.iter().find_map(|eni| *eni)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rules to {:?}", self.rules)?;
        for (pod, eni) in self.active.iter().enumerate() {
            if let Some(eni) = eni {
                write!(f, ", active/{pod} on {eni}")?;
            }
        }
        if let Some(pid) = self.lock {
            write!(f, ", locked by {pid}")?;
        }
        write!(f, ", up {:?}", self.up)
    }
}
