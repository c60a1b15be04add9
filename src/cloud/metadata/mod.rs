//! What the instance is told about itself, without credentials.

mod facts;
mod service;

pub(crate) use service::default_endpoint;
pub use service::{Error, Metadata};
