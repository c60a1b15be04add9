//! The commands for the person who runs the node: one file for each, and what they share.

mod arguments;
mod causes;
mod consent;
mod definition;
mod doctor;
mod earlier_boot;
mod ending;
mod error;
mod fitted;
mod flush;
mod flush_every;
mod flushed;
mod help;
mod install;
mod kept_reserves;
mod list;
mod networks;
mod output;
mod own_time;
mod progress;
mod reconcile;
mod release;
mod releasing;
mod routes;
mod run;
mod table;
mod terminal;
mod tried;
mod unreleased;
mod usage;

pub use definition::command_line;
#[cfg(feature = "simulation")]
pub use flush::flush_silently;
pub use run::run;
