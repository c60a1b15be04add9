//! Keys to sign with: where they come from, and how long they last.
//!
//! A [`Source`] says where to look. Looking finds an origin: a key, or somebody who gives out temporary ones. These are
//! kept for the next process until shortly before they end.

mod assume_role;
mod cache;
mod cached_key;
mod chain;
mod cli_profile;
mod error;
mod file;
mod ini_profile;
mod keys;
mod oidc;
mod origin;
mod provider;
mod ram_role;
mod services;
mod source;
mod sts;
mod uri;

pub(crate) use error::Error;
pub(crate) use provider::Provider;
pub(crate) use services::Services;
pub use source::Source;
pub use sts::StsServer;
