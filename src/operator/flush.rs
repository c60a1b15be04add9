//! `flush`: what is releasing is released, and what interrupted ADDs left is undone; for a timer.

use std::collections::BTreeSet;

use serde_json::json;

use super::networks::Network;
use super::{Trouble, complain, say, say_json};
use crate::config::Ipam;
use crate::failure::{self, Failure};
use crate::session::Session;
use crate::store::{Allocation, Listed, State};

/// Tries every release of every store at once, whatever failed before. Addresses that must not be released yet are left
/// alone.
pub(super) fn flush<'n>(networks: impl Iterator<Item = &'n Network>, as_json: bool) -> Result<(), Trouble> {
    let (mut left, mut failed, mut served) = (Vec::new(), false, BTreeSet::new());
    for network in networks {
        let directory = network.ipam().data_directory();
        if directory.as_ref().is_ok_and(|directory| !served.insert(directory.clone())) {
            continue;
        }
        match flush_store(network.ipam()) {
            Ok(mut listed) => left.append(&mut listed),
            // Trouble with one store must not keep the others' addresses.
            Err(failure) => {
                failed = true;
                complain(&format!("network {:?}: {failure}", network.name()));
            }
        }
    }
    if as_json {
        say_json(&json!({ "left": left.len() }))?;
    } else {
        for listed in &left {
            let error = listed.progress.last_error.as_deref().unwrap_or("it must not be released yet");
            let what = listed.allocation.as_ref().map_or("a record".into(), Allocation::to_string);
            say(format!("{what} is still releasing ({}): {error}", listed.path.display()))?;
        }
    }
    if left.is_empty() && !failed { Ok(()) } else { Err(Trouble::LeftOver) }
}

/// What is left afterwards.
fn flush_store(ipam: Ipam<'_>) -> failure::Result<Vec<Listed>> {
    let session = Session::open(ipam)?;
    session.sweep()?;
    let buried = session.store.bury_dead(session.deadline, |_| true);
    session.drain(true)?;
    buried.map_err(Failure::from)?;
    let mut left = session.store.list()?;
    left.retain(|listed| listed.state == State::Releasing || is_of_later_version(listed));
    Ok(left)
}

/// Whether this is a release that another version has begun and has to end: a damaged one is in `quarantine/` by now.
fn is_of_later_version(listed: &Listed) -> bool {
    listed.state == State::Quarantined
        && listed.path.parent().is_some_and(|directory| directory.ends_with("releasing"))
}
