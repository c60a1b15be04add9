//! `flush`: retries every pending release, and cleans up after interrupted ADDs. A timer can run it.

use std::collections::BTreeSet;

use crate::commands::error::CommandError;
use crate::commands::flushed::Flushed;
use crate::commands::networks::Network;
use crate::commands::output::{print_error, print_json, print_lines};
use crate::config::Ipam;
use crate::context::CallContext;
use crate::failure::{self, Failure};

/// Tries every release of every store at once, however earlier attempts ended. A request in doubt keeps its addresses until
/// its outcome is known.
pub(super) fn flush<'n>(
    networks: impl Iterator<Item = &'n Network>,
    as_json: bool,
) -> Result<(), CommandError> {
    let (mut flushed, mut failed, mut served) = (Flushed::default(), false, BTreeSet::new());
    for network in networks {
        let directory = network.ipam().data_directory();
        if directory.as_ref().is_ok_and(|directory| !served.insert(directory.clone())) {
            continue;
        }
        // An error in one store does not keep the addresses of the others.
        if let Err(failure) = flush_store(network.ipam(), &mut flushed) {
            failed = true;
            print_error(&format!("network {:?}: {failure}", network.name()));
        }
    }
    if as_json {
        print_json(&flushed.to_json())?;
    } else {
        print_lines(flushed.in_words(failed))?;
    }
    if flushed.left.is_empty() && !failed { Ok(()) } else { Err(CommandError::LeftOver) }
}

fn flush_store(ipam: Ipam<'_>, flushed: &mut Flushed) -> failure::Result<()> {
    let context = CallContext::open(ipam)?;
    context.sweep()?;
    let dead = context.store.release_dead_intents(context.deadline, |_| true);
    let before = context.store.list()?;
    let drained = context.drain(true);
    flushed.add(&context.store, &before, &context.store.list()?)?;
    drained?;
    dead.map_err(Failure::from)?;
    Ok(())
}
