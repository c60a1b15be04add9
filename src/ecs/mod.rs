//! The cloud's side: the ECS API, its credentials, and the instance metadata.
//!
//! [`Client`] speaks to the API: a call finds a key ([`credentials`]), signs a request ([`sign`]), sends it once over a
//! connection of its own to the [`endpoint`], and reads what comes back. What can go wrong is an [`Error`] that says
//! what is known of the outcome: surely not sent, refused, or unknown. [`codes`] is the one table of what the API's
//! error codes mean. [`metadata`] tells a node what it is; [`ownership`] whether an ENI is its own.
//!
//! Nothing in here knows CNI or the store, waits past the deadline it is given, or shows a secret.

mod actions;
mod api;
mod client;
mod clock;
pub mod codes;
pub mod credentials;
mod describe;
pub mod endpoint;
mod error;
mod http;
mod instance_types;
mod json;
pub mod metadata;
pub mod ownership;
mod proxy;
mod region;
mod reply;
mod resend;
mod roots;
mod settings;
pub mod sign;
mod text;
mod tls;

pub use actions::{Assigned, RequestId, Want};
pub use client::Client;
pub use codes::{Class, Concern};
pub use describe::{Eni, EniKind};
pub use error::{Error, ErrorKind};
pub use instance_types::Quota;
pub use proxy::{InvalidProxy, Proxy, ProxyUrl};
pub use region::{Family, InvalidRegionId, RegionId};
pub use settings::Settings;
pub use sign::SignatureMethod;
