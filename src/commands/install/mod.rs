//! `install` and `uninstall`: put this plugin on a node, and take it away again.
//!
//! A runtime calls a node ready as soon as it finds a configuration. So the configuration comes last and goes first, and at each
//! moment there is a whole file or none.

mod binary;
mod giving_up;
mod place;
mod placing;
mod steps;
mod uninstalling;

pub(super) use placing::install;
pub(super) use uninstalling::uninstall;
