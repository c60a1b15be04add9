//! What every room may use: ids, the access key, clocks, deadlines, random numbers, text that is fit to be shown, the log.

pub(crate) mod access_key;
pub(crate) mod address;
pub(crate) mod attachment;
pub(crate) mod clock;
pub(crate) mod deadline;
pub(crate) mod eni;
pub(crate) mod environment;
pub(crate) mod file_lock;
pub(crate) mod foreign;
pub mod logging;
pub(crate) mod moment;
pub(crate) mod printable;
pub(crate) mod random;
pub(crate) mod region;
#[cfg(feature = "simulation")]
pub mod simulation;
pub(crate) mod suggestion;
pub(crate) mod text;
pub(crate) mod user;
