//! An onlooker, who sees at any time what must hold at any time.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use harness::Node;

use crate::books::{Books, lock_eni};
use crate::pods::Pods;
use crate::report::{Broken, Reports};
use crate::runtime::Runtime;

/// Looks until the phase ends.
pub(crate) fn watch(runtime: Runtime<'_>) {
    let Runtime { node, pods, reports, .. } = runtime;
    while runtime.goes_on() {
        pods.look_at_living(node, reports);
        look_under_lock(node, pods, reports);
        thread::sleep(Duration::from_millis(3));
    }
}

/// Looks while nobody may be between a request to ECS and its record. Then each address on the ENI has its reason: a record,
/// or the request of an ADD that was killed; and no release names what a living pod has.
fn look_under_lock(node: &Node, pods: &Pods, reports: &Reports<'_>) {
    let Some(_lock) = lock_eni(node) else { return };
    let adding = pods.adding();
    let live: Vec<(String, IpAddr)> = pods.live().iter().map(|(name, ip)| (name.clone(), *ip)).collect();
    let mut on_eni = node.on_eni();
    on_eni.retain(|address| !live.iter().any(|(_, lives)| lives == address));
    let books = Books::read_at_once(node);
    look_at_reserve(node, &books, reports);
    for (container, address) in live {
        let stranger = books.releasing.iter().find(|it| it.names(address) && !it.is_of(&container));
        if let Some(release) = stranger.filter(|_| pods.has(&container, address)) {
            let what = format!("the release {} names {address} of {container}, which lives", release.name);
            reports.report(Broken::Theft, what);
        }
    }
    for address in on_eni.into_iter().filter(|address| !books.name(*address)) {
        if !books.explain(node, address) {
            reports.report(Broken::Loss, format!("{address} is on the ENI, and no file names it"));
        } else if let Some(add) = books.add_that_got(node, address)
            && let Some(container) = adding.iter().find(|container| add.is_of(container))
            && is_answered(node, &add.tokens())
            && pods.adding().contains(container)
        {
            let what = format!(
                "{address} was given to the ADD of {container}, which has let go of the ENI's lock, and no record names it"
            );
            reports.report(Broken::Loss, what);
        }
    }
}

/// What the reserve has to offer is on the ENI: the next pod may get it. Nobody may be between a request to ECS and its record.
pub(crate) fn look_at_reserve(node: &Node, books: &Books, reports: &Reports<'_>) {
    for address in books.on_offer().difference(&node.on_eni()) {
        reports.report(Broken::Theft, format!("{address} is in the reserve, and not on the ENI"));
    }
}

/// Whether a request has had an answer that tells what it brought. A refusal does not: an earlier copy may have brought something, and
/// the ADD may go on with an address from the reserve while its request is in doubt.
fn is_answered(node: &Node, tokens: &[String]) -> bool {
    let of_it = |token: &Option<String>| token.as_ref().is_some_and(|token| tokens.contains(token));
    node.cloud
        .last_call(|call| of_it(&call.client_token))
        .is_some_and(|call| call.answered && call.code.is_none())
}
