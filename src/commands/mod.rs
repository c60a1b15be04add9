//! The commands for the person who runs the node: one file for each, and what they share.

mod arguments;
mod consent;
mod doctor;
mod earlier_boot;
mod error;
mod flush;
mod flushed;
mod help;
mod kept_reserves;
mod list;
mod networks;
mod output;
mod reconcile;
mod release;
mod releasing;
mod routes;
mod run;
mod table;
mod unreleased;

pub use run::run;
