//! The operations of CNI, one file each. This is the layer that knows the protocol, the store and the cloud.

mod add;
mod check;
mod del;
mod gc;
mod status;

use std::io;

use serde_json::Value;

use crate::cni::{Call, version_reply};
use crate::failure::{Failure, Result};

/// Serves a call. What it answers goes to `print`, which fails when the runtime is gone.
///
/// # Errors
/// Whatever makes the call fail; the runtime is to be told by [`Failure::to_cni`].
pub fn serve(call: &Call, print: &mut dyn FnMut(&Value) -> io::Result<()>) -> Result<()> {
    match call {
        Call::Add(add) => add::add(add, print),
        Call::Del(del) => del::del(del),
        Call::Check(check) => check::check(check),
        Call::Status(status) => status::status(status),
        Call::Gc(gc) => gc::gc(gc),
        Call::Version(version) => print(&version_reply(*version)).map_err(Failure::Output),
    }
}
