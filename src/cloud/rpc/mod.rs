//! One signed request to an RPC-style API of Alibaba Cloud: the signature, the answer, the table of error codes, the
//! server's clock, and what is sent again because it was stale.

mod api;
mod asked;
pub mod codes;
mod error;
pub(crate) mod reply;
mod resend;
mod server_clock;
pub mod signature;

pub(crate) use api::{Action, Answer, Api, PATIENCE};
pub(crate) use asked::Asked;
pub use codes::Disposition;
pub(crate) use codes::Subject;
pub(crate) use error::WithoutIds;
pub use error::{Error, ErrorKind};
pub(crate) use resend::Failed;
pub(crate) use server_clock::Clock;
pub use signature::SignatureMethod;
