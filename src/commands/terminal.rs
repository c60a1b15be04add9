//! The terminal that a person looks at.

use std::io::{IsTerminal, stdout};

/// The width of a terminal that does not say how wide it is.
const USUAL_WIDTH: usize = 80;

/// How many characters fit into a line of stdout; `None` if it is no terminal.
pub(super) fn width() -> Option<usize> {
    let stdout = stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(&stdout).map_or(0, |size| usize::from(size.ws_col));
    Some(if columns == 0 { USUAL_WIDTH } else { columns })
}
