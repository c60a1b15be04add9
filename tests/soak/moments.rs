//! The moments of a call at which something happens to it.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Node, Running};

use crate::UNASSIGN;
use crate::books::Books;

/// How long a moment is waited for that need not come.
const SOON: Duration = Duration::from_secs(1);

/// Waits until the moment has come, or the call ends, or it takes long.
pub(crate) fn wait(call: &mut Running<'_>, has_come: impl Fn() -> bool) {
    let start = Instant::now();
    while call.is_running() && start.elapsed() < SOON && !has_come() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the container's ADD has left a trace, or ends.
pub(crate) fn wait_until_begun(call: &mut Running<'_>, node: &Node, container: &str) {
    let has_begun = || {
        let books = Books::read(node);
        books.assigning.iter().chain(&books.active).any(|entry| entry.is_of(container))
    };
    while call.is_running() && !has_begun() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether the request of the container's ADD has reached ECS.
pub(crate) fn is_asked(node: &Node, container: &str) -> bool {
    token_of(node, container).is_some_and(|token| {
        node.cloud.last_call(|call| call.client_token.as_ref() == Some(&token)).is_some()
    })
}

/// Whether ECS has carried out the request of the container's ADD.
pub(crate) fn is_carried_out(node: &Node, container: &str) -> bool {
    token_of(node, container).is_some_and(|token| !node.cloud.assigned_under(&token).is_empty())
}

/// The `ClientToken` of what the container's ADD has asked for last.
fn token_of(node: &Node, container: &str) -> Option<String> {
    let books = Books::read(node);
    books.assigning.iter().find(|entry| entry.is_of(container))?.tokens().pop()
}

/// Whether a request to unassign the address has reached ECS, and is not answered yet.
pub(crate) fn is_on_its_way(node: &Node, address: IpAddr) -> bool {
    let call = node.cloud.last_call(|it| it.action == UNASSIGN && it.addresses.contains(&address));
    call.is_some_and(|call| call.ended_ms.is_none())
}
