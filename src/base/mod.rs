//! What every room may use: ids, the access key, clocks, deadlines, random numbers, text that is fit to be shown, the log.

pub mod access_key;
pub mod address;
pub mod attachment;
pub mod clock;
pub mod deadline;
pub mod eni;
pub mod environment;
pub mod file_lock;
pub mod logging;
pub mod printable;
pub mod random;
pub mod region;
pub mod text;
pub(crate) mod user;
