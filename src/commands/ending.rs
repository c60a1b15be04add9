//! How a command that takes long is ended in good order.

use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::base::deadline::Deadline;

/// From now on SIGTERM and SIGINT end this process as its deadline does: after the request that is under way. Who presses Ctrl-C once
/// more does not wait for that.
pub(super) fn end_in_good_order() {
    if let Err(error) = try_to() {
        log::debug!("signals end this process at once: {error}");
    }
}

fn try_to() -> io::Result<()> {
    let ended = Deadline::end_of_all();
    flag::register_conditional_default(SIGINT, Arc::clone(&ended))?;
    for signal in [SIGTERM, SIGINT] {
        flag::register(signal, Arc::clone(&ended))?;
    }
    Ok(())
}
