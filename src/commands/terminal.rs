//! The terminal that a person looks at.

use std::io::{IsTerminal, stderr, stdout};
use std::os::fd::AsFd;

/// The width of a terminal that does not say how wide it is.
const USUAL_WIDTH: usize = 80;

/// How many characters fit into a line of stdout; `None` if it is no terminal.
pub(super) fn width() -> Option<usize> {
    width_of(&stdout())
}

/// The same of stderr, where the progress of a command is shown.
pub(super) fn stderr_width() -> Option<usize> {
    width_of(&stderr())
}

fn width_of(stream: &(impl AsFd + IsTerminal)) -> Option<usize> {
    if !stream.is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(stream).map_or(0, |size| usize::from(size.ws_col));
    Some(if columns == 0 { USUAL_WIDTH } else { columns })
}
