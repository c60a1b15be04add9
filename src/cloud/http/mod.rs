//! One HTTP exchange, bounded in time and size: the endpoint, the proxy, TLS, the transport.

mod connection;
pub(crate) mod date;
pub(crate) mod endpoint;
mod exchange;
mod explanation;
mod failure;
mod pem;
mod proxy;
mod roots;
#[cfg(feature = "simulation")]
mod simulated;
mod tls;

pub(crate) use endpoint::Endpoint;
pub(crate) use exchange::{Http, Request, Response};
pub(crate) use failure::{Failure, Patience};
pub use proxy::Proxy;
