//! `routes`: the node's rules, tables and mark against what they should be.

mod command;
mod comparison;
mod remove;
mod repairing;
mod report;
mod stores;

pub(in crate::commands) use command::{Action, routes};
pub(in crate::commands) use comparison::compare_twice;
pub(in crate::commands) use remove::{Removed, remove_unless_needed};
pub(in crate::commands) use repairing::repair;
pub(in crate::commands) use stores::{NodeStores, ask_enis};
