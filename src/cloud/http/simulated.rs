//! An exchange with a server of a simulation.

use super::endpoint::Endpoint;
use super::failure::{Failure, Patience};
use crate::base::deadline::Deadline;
use crate::base::simulation::{self, Response};

/// Sends a request once, and waits for the answer as long as with a real server. `None` outside a simulation.
pub(super) fn exchange(
    endpoint: &Endpoint,
    (method, target, headers): (&str, &str, &[(&'static str, String)]),
    patience: Patience,
    deadline: Deadline,
) -> Option<Result<Response, Failure>> {
    let world = simulation::world()?;
    let authority = endpoint.authority();
    let sent = simulation::Request { authority: &authority, method, target, headers };
    let by = world.time() + deadline.remaining().min(patience.answer);
    Some(world.exchange(&sent, by).map_err(|simulation::NoResponse { sent }| Failure {
        sent,
        timed_out: sent,
        transient: true,
        message: format!("{authority} does not answer"),
    }))
}
