//! Request signatures: pure functions from a call, a nonce, a moment and a key to what has to be sent.
//!
//! Alibaba Cloud has two for its RPC-style products. [`rpc`] is `HMAC-SHA1` with `SignatureVersion=1.0`, which newer
//! documents call "signature method V2"; the large CNIs for Alibaba Cloud (Terway, Cilium) use it in production.
//! [`acs3`] is `ACS3-HMAC-SHA256`, "V3", which Alibaba Cloud recommends for new code and its newer SDKs use by
//! default. Both sign the same parameters, which the official SDKs send in the query of a POST with an empty body.

pub mod acs3;
mod call;
mod method;
pub mod rpc;

pub(crate) use call::hex;
pub use call::{Call, Signed, percent_encode};
pub use method::{SignatureMethod, UnknownMethod};
