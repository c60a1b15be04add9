//! The actions of the ECS API that this plugin uses, and the [`Client`] that calls them.

mod actions;
mod client;
mod describe;
mod instance_types;
pub mod ownership;
mod settings;

pub use actions::Want;
pub(crate) use actions::{ALWAYS_TAKEN, MOST_ADDRESSES, assign_action, is_too_many, unassign_action};
pub use client::Client;
pub(crate) use describe::Eni;
pub use describe::EniKind;
pub use instance_types::Quota;
pub use settings::Settings;
