//! The verbs of the plugin as one of a chain, one file each: the node routes each of a pod's addresses by the ENI that has it.
//!
//! Whoever changes routes holds the store's lock for them, and reads the store while holding it. The ADD of the IPAM plugin makes its
//! record active before the chained ADD begins, so a DEL that comes late sees that an address is a new pod's.

mod add;
mod check;
mod del;
mod gc;
mod status;
mod tools;

use std::io;

use serde_json::Value;

use crate::cni::Chained;
use crate::config::ChainedOptions;
use crate::failure::Result;

/// Serves a call of the plugin as one of a chain.
///
/// # Errors
/// Whatever makes the call fail.
pub(super) fn serve(call: &Chained, print: &mut dyn FnMut(&Value) -> io::Result<()>) -> Result<()> {
    let options = ChainedOptions::new(&call.network().ipam);
    match call {
        Chained::Add(call) => add::add(call, &options, print),
        Chained::Del(call) => del::del(call, &options),
        Chained::Check(call) => check::check(call, &options),
        Chained::Status(_) => status::status(&options),
        Chained::Gc(_) => gc::gc(&options),
    }
}
