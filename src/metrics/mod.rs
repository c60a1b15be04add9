//! The numbers for a monitoring system: a file in the form of Prometheus that `node_exporter` reads (`metricsFile`).
//!
//! They are what costs little: names in directories are counted, and one small file an ENI is read, never a record. Nor are the
//! names of the active records on the hot path, because there is one for each pod: the store keeps their number. Those of the
//! reserve are counted: there are not many more than `reserve` says.
//!
//! What adds up over calls is in one small file beside the store, the *totals*, and whoever has their lock writes both. Nobody
//! waits for it: who does not get it leaves a line, and who has it looks for lines when it has let go.

mod active_records;
mod event;
mod facts;
mod file;
mod histogram;
mod ledger;
mod pending;
mod render;
mod text;
mod totals;

use std::path::Path;

use crate::store::Store;

pub(crate) use active_records::ActiveRecords;
pub(crate) use event::Event;
pub(crate) use file::{check, sweep};

use ledger::Ledger;

/// How often the file is written because others have left something meanwhile. What they leave after that waits for the next call:
/// nobody does others' work for ever.
const ATTEMPTS: usize = 10;

/// Adds `events` to the totals and brings the file at `path` up to date. That this fails is no failure of whatever changed the store.
pub(crate) fn update(store: &Store, path: &Path, active: ActiveRecords, events: Vec<Event>) {
    if let Err(why) = try_update(store, path, active, events) {
        log::warn!("cannot write the metrics file {}: {why}", path.display());
    }
}

/// Every process that changes the store comes here afterwards. Who does not get the lock leaves at least an empty line, and who
/// has it looks again when he has let go: so the last one to write has seen the last change, and no counter goes back.
fn try_update(
    store: &Store,
    path: &Path,
    active: ActiveRecords,
    mut events: Vec<Event>,
) -> Result<(), String> {
    let ledger = Ledger::of(store);
    let failed = |error: std::io::Error| format!("{}: {error}", store.metrics_directory().display());
    for attempt in 0..ATTEMPTS {
        let mut hold = ledger.try_hold().map_err(failed)?;
        if hold.is_none() && attempt == 0 {
            ledger.leave(&events).map_err(failed)?;
            events.clear();
            // The holder may have looked before the line was there.
            hold = ledger.try_hold().map_err(failed)?;
        }
        let Some(hold) = hold else { return Ok(()) };
        let (mut totals, seen) = hold.read();
        for event in events.drain(..) {
            totals.add(event);
        }
        if active == ActiveRecords::Counted {
            let counted = store.releases().and_then(|releases| store.active_census(&releases));
            totals.active = Some(counted.map_err(|error| error.to_string())?);
        }
        if let Err(error) = hold.keep(&totals) {
            // What is shown and not kept would be taken back by the next call.
            log::warn!("the metrics do not count this call: {}", failed(error));
            totals = hold.kept();
        }
        let text = render::render(store, active, &totals).map_err(|error| error.to_string())?;
        file::replace(path, &text).map_err(|error| error.to_string())?;
        drop(hold);
        if !ledger.has_more(&seen) {
            break;
        }
    }
    Ok(())
}
