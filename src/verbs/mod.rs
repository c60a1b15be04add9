//! The verbs of CNI, one file each. They join the protocol, the store and the cloud; those of the plugin as one of a chain join
//! the store and the kernel's routes.

mod add;
mod beginning;
mod chained;
mod check;
mod del;
mod gc;
mod main_plugin;
mod status;
mod wait_for_address;

use std::io;

use serde_json::Value;

use crate::cni::{Call, version_reply};
use crate::failure::{Failure, Result};

/// Serves a call. What it answers goes to `print`, which fails when the runtime is gone.
///
/// Every call that can change the store writes the metrics when it is done. CHECK changes nothing, and neither does a DEL
/// without a record or a GC without a list. The verbs of a chain change no record.
///
/// # Errors
/// Whatever makes the call fail; the runtime is to be told by [`Failure::to_cni`].
pub fn serve(call: &Call, print: &mut dyn FnMut(&Value) -> io::Result<()>) -> Result<()> {
    match call {
        Call::Add(call) => {
            add::open(call)?.serve_then_write_kept_metrics("ADD", |context| add::add(context, call, print))
        }
        Call::Del(call) => match del::open(call)? {
            Some(context) => context.serve_then_write_kept_metrics("DEL", |context| del::del(context, call)),
            None => Ok(()),
        },
        Call::Check(call) => check::check(call),
        Call::Status(call) => status::open(call)?.serve_then_write_metrics("STATUS", status::status),
        Call::Gc(call) => match gc::open(call)? {
            Some((context, valid)) => {
                context.serve_then_write_metrics("GC", |context| gc::gc(context, call, &valid))
            }
            None => Ok(()),
        },
        Call::Chained(call) => chained::serve(call, print),
        Call::Version(version) => print(&version_reply(*version)).map_err(Failure::Output),
    }
}
