//! `reconcile`: compares the records with what ECS shows on this node's ENIs. On request it releases orphans, records again what
//! pods have, or asks ECS for what pods have lost.

mod adopt;
mod adoptable;
mod command;
mod compare;
mod look;
mod orphans;
mod report;
mod restore;

pub(super) use adoptable::{Adoptable, Conflict};
pub(super) use command::{Remedy, reconcile};
