//! STATUS: could an ADD make an address reachable now?
//!
//! Only what no ADD repairs counts, and only of ENIs that pods use: that an ENI which nobody uses has gone is no reason. It waits for
//! nobody and asks nobody but the kernel: it takes no lock, and an ENI that was never found out counts as well.

use super::tools::deadline;
use crate::base::eni::EniId;
use crate::config::ChainedOptions;
use crate::failure::{Failure, Result};
use crate::node::enis::known;
use crate::routes::{self, EniNetwork, Network};
use crate::store::{State, Store};

/// Serves a STATUS.
///
/// # Errors
/// A configuration or a store that cannot be used, and the link of an ENI that can carry nothing.
pub(super) fn status(options: &ChainedOptions<'_>) -> Result<()> {
    options.check_all()?;
    let store =
        Store::open(&options.data_directory()?).map_err(|error| Failure::NotAvailable(error.to_string()))?;
    let enis = known(&store);
    if enis.is_empty() {
        return Ok(());
    }
    let down = links_down(&enis).map_err(|error| Failure::LinkDown(error.to_string()))?;
    if down.is_empty() {
        return Ok(());
    }
    // The records are read only now: in general all links are up.
    let records = store.list().map_err(|error| Failure::NotAvailable(error.to_string()))?;
    let active =
        records.iter().filter(|it| it.state == State::Active).filter_map(|it| it.allocation.as_ref());
    let used: Vec<_> = active.filter(|it| !it.is_of_earlier_boot()).map(|it| &it.eni).collect();
    let whys: Vec<_> = down.into_iter().filter(|(eni, _)| used.contains(eni)).map(|(_, why)| why).collect();
    if whys.is_empty() { Ok(()) } else { Err(Failure::LinkDown(whys.join("; "))) }
}

/// The ENIs whose links can carry nothing, with the reasons.
fn links_down(enis: &[EniNetwork]) -> routes::Result<Vec<(&EniId, String)>> {
    let network = Network::open(deadline())?;
    let mut down = Vec::new();
    for eni in enis {
        down.extend(network.why_link_is_down(eni)?.map(|why| (&eni.eni, why)));
    }
    Ok(down)
}
