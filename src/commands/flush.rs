//! `flush`: retries every pending release, begins those of what an earlier boot left and of what the reserve has too much, and cleans up
//! after interrupted ADDs. A timer can run it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::Family;
use crate::commands::error::CommandError;
use crate::commands::flushed::Flushed;
use crate::commands::kept_reserves::KeptReserves;
use crate::commands::networks::{Configuration, Network};
use crate::commands::output::{print_error, print_json, print_lines};
use crate::commands::own_time::OwnTime;
use crate::commands::progress::Progress;
use crate::commands::routes::repair;
use crate::commands::tried::Tried;
use crate::context::CallContext;
use crate::failure::{self, Failure};
use crate::node::facts::known_region;
use crate::pool::release::Doing;
use crate::routes::Change;
use crate::store::{Kept, State};

/// Tries every release of every store at once, however earlier attempts ended. A request in doubt keeps its addresses until
/// its outcome is known. It takes no longer than `timeout`, or its usual time.
pub(super) fn flush<'n>(
    networks: impl Iterator<Item = &'n Network>,
    found: &Configuration,
    timeout: Option<Duration>,
    as_json: bool,
) -> Result<(), CommandError> {
    let (flushed, failed) = flush_all(networks, found, timeout, &Progress::new(as_json));
    if as_json {
        print_json(&flushed.to_json())?;
    } else {
        print_lines(flushed.in_words(failed))?;
    }
    if flushed.left.is_empty() && flushed.earlier.kept.is_empty() && !failed {
        Ok(())
    } else {
        Err(CommandError::LeftOver)
    }
}

/// The same for all networks of `configuration`, without a word, in a simulation.
///
/// # Errors
/// Why the configuration cannot be read.
#[cfg(feature = "simulation")]
pub fn flush_silently(configuration: &std::path::Path) -> Result<(), String> {
    let found = Configuration::read(configuration)?;
    flush_all(found.networks.iter(), &found, None, &Progress::new(true));
    Ok(())
}

/// Also whether something has failed.
fn flush_all<'n>(
    networks: impl Iterator<Item = &'n Network>,
    found: &Configuration,
    timeout: Option<Duration>,
    progress: &Progress,
) -> (Flushed, bool) {
    let all = &found.networks;
    let (mut flushed, mut failed, mut served) = (Flushed::default(), false, BTreeSet::new());
    let time = OwnTime::starts(timeout);
    let mut routed = None;
    for network in networks {
        routed = routed.or_else(|| network.is_routed().then_some(network));
        let directory = network.ipam().data_directory();
        if directory.as_ref().is_ok_and(|directory| !served.insert(directory.clone())) {
            continue;
        }
        // An error in one store does not keep the addresses of the others.
        let done = time.open(network.ipam()).and_then(|context| {
            context.run_then_write_metrics(|context| {
                let networks = with_store_of(network, all);
                let reserves = KeptReserves::read(&context.store, networks, found.broken.is_empty());
                progress.while_shown(|| flush_store(context, &reserves, &mut flushed, progress))
            })
        });
        if let Err(failure) = done {
            failed = true;
            print_error(&format!("network {:?}: {failure}", network.name()));
        }
    }
    if let Some(routed) = routed {
        match repair_routes(all, routed) {
            Ok(changes) => flushed.routes = changes,
            Err(why) => {
                failed = true;
                print_error(&format!("the node's routes are not repaired: {why}"));
            }
        }
    }
    (flushed, failed)
}

/// Puts in place what a boot, a link that went down or a network manager has taken away since the last ADD. The routes are the
/// node's, so the records of all networks count.
fn repair_routes(all: &[Network], routed: &Network) -> Result<Vec<Change>, String> {
    let timeout = routed.ipam().timeout().map_err(|error| error.to_string())?;
    let repaired = repair(all, routed, Deadline::after(timeout));
    repaired.map(|repaired| repaired.changes).map_err(|error| error.to_string())
}

/// The networks with the store of this one.
fn with_store_of<'n>(network: &Network, all: &'n [Network]) -> impl Iterator<Item = &'n Network> {
    let directory = network.store_directory().ok();
    all.iter().filter(move |other| other.store_directory().ok() == directory)
}

/// Begins the release of what the reserve has beyond what the configurations keep. What an earlier boot left is kept as well as any: it is
/// no pod's.
fn give_back(
    context: &CallContext<'_>,
    reserves: &KeptReserves<'_>,
    flushed: &mut Flushed,
) -> failure::Result<()> {
    let region = context.ipam.address().ok().and_then(|settings| known_region(&context.store, &settings));
    let of = |eni: &EniId, network: &str, _: Family| reserves.on(eni, network);
    let kept = Kept { of: &of, most: usize::MAX, region: region.as_ref() };
    for begun in context.store.release_all_surplus(&kept, context.patience())? {
        let release = context.store.releasing(&begun)?;
        flushed.surplus.extend(release.iter().flat_map(|it| it.allocation.ips()));
    }
    Ok(())
}

fn flush_store(
    context: &CallContext<'_>,
    reserves: &KeptReserves<'_>,
    flushed: &mut Flushed,
    progress: &Progress,
) -> failure::Result<()> {
    progress.step(|| "looking for what is left to be released".to_owned());
    context.sweep()?;
    let dead = context.store.release_dead_intents(context.patience(), |_| true);
    let earlier = flushed.earlier.begin_releases(context);
    let given_back = give_back(context, reserves, flushed);
    let mut before = context.store.list()?;
    if before.iter().any(|it| it.state == State::Quarantined) {
        let region = || known_region(&context.store, &context.ipam.address().ok()?);
        context.store.release_damaged_releases(region, context.patience())?;
        before = context.store.list()?;
    }
    let watch = |eni: &EniId, doing: Doing, left: usize| progress.on_eni(eni, doing, left);
    let began = Timestamp::now();
    let drained = context.drain(true, progress.is_shown().then_some(&watch))?;
    context.note_flush();
    flushed.add(&Tried::new(began, &drained), &before, &context.store.list()?);
    // What is left says why itself.
    let is_said = |eni: &EniId| flushed.left.iter().any(|it| it.eni.as_ref() == Some(eni));
    let mut unsaid = drained.into_iter().filter(|(eni, _)| !is_said(eni));
    unsaid.try_for_each(|(_, drained)| drained.map(drop))?;
    dead.map_err(Failure::from)?;
    given_back.and(earlier)
}
