//! How long an exchange may take, and how it fails.

use std::time::Duration;

/// The bounds of one exchange, beside the deadline of the whole call.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// For the connection: name, TCP, proxy and TLS.
    pub(crate) connect: Duration,
    /// From the request until the head of the answer.
    pub(crate) answer: Duration,
}

/// No usable answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whether the request can have left. If not, the server certainly did nothing.
    pub(crate) sent: bool,
    /// Whether it was patience that ended, and not the connection.
    pub(crate) timed_out: bool,
    /// Whether the same again may succeed: a lost connection, not a bad certificate.
    pub(crate) transient: bool,
    /// What happened, with whom.
    pub(crate) message: String,
}

impl Failure {
    pub(super) fn before_sending(message: String) -> Self {
        Self { sent: false, timed_out: false, transient: false, message }
    }
}
