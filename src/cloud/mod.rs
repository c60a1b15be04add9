//! The cloud's side, in five layers. Each imports only those before it:
//!
//! - [`http`]: one exchange with a server, bounded in time and size;
//! - [`rpc`]: one signed request to an API of Alibaba Cloud, its answer, and the one table of what its error codes mean;
//! - [`metadata`]: what the instance is told about itself;
//! - [`credentials`]: where an access key comes from;
//! - [`ecs`]: the actions of the ECS API that this plugin uses.
//!
//! Nothing in here knows CNI or the store, waits past the deadline it is given, or shows a secret.

pub(crate) mod credentials;
pub(crate) mod ecs;
pub(crate) mod http;
pub mod metadata;
pub(crate) mod rpc;
