//! The `ipam` section of a network configuration, and an entry of its `plugins`: the keys, their defaults, and what their values
//! may be.
//!
//! Each group of settings is read by itself and only by the calls that use it: a DEL must not be refused because of a
//! `gateway` that it never looks at.

mod address;
mod chained;
mod cloud;
mod error;
mod ipam;
mod keys;
mod plugins;
mod reserve;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use address::{AddressSettings, Family4, Interfaces};
pub(crate) use chained::ChainedOptions;
pub use error::Error;
pub use ipam::Ipam;
pub use keys::{CREDENTIALS_KEYS, KEYS, Key};
pub(crate) use plugins::{TYPE, ipam_sections, is_chained, is_of_this_plugin, plugins_of};
pub use reserve::ReserveSettings;
