//! From the arguments to what is printed.

use std::path::Path;

use crate::base::deadline::Deadline;
use crate::commands::consent::Consent;
use crate::commands::error::CommandError;
use crate::commands::networks::{Configuration, Network};
use crate::commands::output::print_error;
use crate::commands::routes::comparison::compare_twice;
use crate::commands::routes::remove::remove;
use crate::commands::routes::repairing::repair;
use crate::commands::routes::report::Report;
use crate::commands::routes::stores::NodeStores;
use crate::failure::Failure;
use crate::routes::{Difference, Expected};

/// What to do about the node's routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Action {
    /// Only to look.
    Look,
    /// To put in place what is missing, and to remove what is left over.
    Repair,
    /// To remove all that is this plugin's.
    Remove(Consent),
}

/// Looks at the node's routes, repairs or removes them. They are the node's and not a network's, so whichever network is named, all
/// of them count.
pub(in crate::commands) fn routes(
    config: &Path,
    network: Option<&str>,
    action: Action,
    as_json: bool,
) -> Result<(), CommandError> {
    let found = Configuration::read(config);
    if let Action::Remove(consent) = action {
        return remove(found, consent, as_json);
    }
    let found = found.map_err(CommandError::Configuration)?;
    let (first, _) = found.chosen(network).map_err(CommandError::Configuration)?;
    for (file, why) in &found.broken {
        print_error(&format!("{} is ignored, because it is broken: {why}", file.display()));
    }
    first.start_log("routes");
    let Some(routed) = found.networks.iter().find(|network| network.is_routed()) else {
        return Report::unrouted(first).print(as_json);
    };
    let deadline = Deadline::after(routed.ipam().timeout().map_err(Failure::from)?);
    let report = match action {
        Action::Repair => Report::of(repair(&found.networks, routed, deadline)?),
        Action::Look | Action::Remove(_) => {
            let (expected, differences) = look(&found.networks, routed, deadline)?;
            Report { expected, changes: Vec::new(), differences, unrouted: None }
        }
    };
    report.print(as_json)
}

/// What the kernel should have, and what differs from that.
fn look(
    networks: &[Network],
    routed: &Network,
    deadline: Deadline,
) -> Result<(Expected, Vec<Difference>), CommandError> {
    let mut stores = NodeStores::open(networks)?;
    let enis = stores.ask_enis(routed, deadline)?;
    stores.add_claimed(&enis)?;
    compare_twice(&stores, &enis, deadline)
}
