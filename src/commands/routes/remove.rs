//! Removes all of this plugin's from the kernel, also where nothing is configured any more: a package does so when it is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;

use crate::base::deadline::Deadline;
use crate::commands::consent::Consent;
use crate::commands::error::CommandError;
use crate::commands::networks::{Configuration, Network};
use crate::commands::output::{print, print_error, print_json, print_lines, short_id};
use crate::commands::routes::stores::{NodeStores, ask_enis};
use crate::node::pods::NodePods;
use crate::routes::{self, Change, EniNetwork, Expected};
use crate::store::{Allocation, RoutesLock, State};

/// How long all of it may take where no configuration says.
const PATIENCE: Duration = Duration::from_secs(25);

/// Removes rules, tables and the mark. Neither a configuration nor a store nor metadata has to be there: what is this plugin's, the
/// kernel shows.
pub(super) fn remove(
    found: Result<Configuration, String>,
    consent: Consent,
    as_json: bool,
) -> Result<(), CommandError> {
    // Without a configuration, the store in its usual place is looked at.
    let networks = found.map(|found| found.networks).unwrap_or_default();
    let networks = if networks.is_empty() { vec![Network::with_defaults()] } else { networks };
    networks[0].start_log("routes");
    let stores = NodeStores::open(&networks).inspect_err(|why| print_error(&format!("not looked at: {why}")));
    let stores = stores.ok();
    let losing = pods_that_lose_their_way(stores.as_ref())?;
    if !losing.is_empty() && !consent.obtain(&question(&losing)) {
        return Err(CommandError::Failed("not confirmed, so nothing was removed".into()));
    }
    let changes = remove_all(&networks, stores.as_ref())?;
    if as_json {
        let changes: Vec<_> = changes.iter().map(ToString::to_string).collect();
        return print_json(&json!({ "routed": networks.iter().any(Network::is_routed), "changes": changes }));
    }
    print_lines(&changes)?;
    if changes.is_empty() {
        print("the kernel has nothing of this plugin")?;
    } else if let Some(network) = networks.iter().find(|network| network.is_routed()) {
        let file = network.file().display();
        print(format!(
            "the next ADD puts it in place again, unless {} is taken out of {file}",
            network.entry()
        ))?;
    }
    Ok(())
}

/// What became of the node's routes.
pub(in crate::commands) enum Removed {
    /// All of them are gone: what was changed.
    All(Vec<Change>),
    /// These addresses need them, each with who has it. Nothing was changed.
    Needed(BTreeMap<IpAddr, String>),
}

/// Removes all of this plugin's from the kernel, unless a pod of these networks, or one that is seen to live, is routed by it.
pub(in crate::commands) fn remove_unless_needed(networks: &[Network]) -> Result<Removed, CommandError> {
    let stores = NodeStores::open(networks)?;
    let needed = pods_that_lose_their_way(Some(&stores))?;
    if !needed.is_empty() {
        return Ok(Removed::Needed(needed));
    }
    remove_all(networks, Some(&stores)).map(Removed::All)
}

fn remove_all(networks: &[Network], stores: Option<&NodeStores<'_>>) -> Result<Vec<Change>, CommandError> {
    // Counted from here on, because a person may have thought.
    let timeout = networks.first().and_then(|network| network.ipam().timeout().ok());
    let deadline = Deadline::after(timeout.unwrap_or(PATIENCE));
    let enis = enis(stores, deadline);
    let _locks: Vec<RoutesLock> = match stores {
        Some(stores) => stores.lock(deadline)?,
        None => Vec::new(),
    };
    let changes = routes::Network::open(deadline)?.remove_all(&enis)?;
    for change in &changes {
        log::info!("{change}");
    }
    Ok(changes)
}

/// The ENIs, as far as somebody tells: it needs them only for what it has put on their links.
fn enis(stores: Option<&NodeStores<'_>>, deadline: Deadline) -> Vec<EniNetwork> {
    let asked = stores.and_then(|stores| ask_enis(stores.routed()?, deadline).ok());
    asked.unwrap_or_default()
}

/// The addresses of pods whose rules are there, each with what is known of the pod.
fn pods_that_lose_their_way(
    stores: Option<&NodeStores<'_>>,
) -> Result<BTreeMap<IpAddr, String>, CommandError> {
    let kernel = routes::Network::open(Deadline::after(PATIENCE))?;
    let ours = kernel.differences(&Expected::default())?;
    let ruled: BTreeSet<IpAddr> = ours.iter().filter_map(|difference| difference.address).collect();
    let recorded: BTreeMap<IpAddr, String> = stores.map(NodeStores::active).unwrap_or_default();
    let pods = NodePods::look();
    let user = |address: &IpAddr| recorded.get(address).cloned().or_else(|| pods.user_of(*address));
    Ok(ruled.into_iter().filter_map(|address| Some((address, user(&address)?))).collect())
}

fn question(losing: &BTreeMap<IpAddr, String>) -> Vec<String> {
    let mut lines = vec!["These pods are routed by what is to be removed:".to_owned()];
    lines.extend(losing.iter().map(|(address, pod)| format!("  {address}: {pod}")));
    lines.push("They lose their network until the next ADD on this node. Remove it?".to_owned());
    lines
}

impl NodeStores<'_> {
    /// The addresses of active records of this boot, each with who has it. What cannot be read is left out.
    pub(in crate::commands) fn active(&self) -> BTreeMap<IpAddr, String> {
        let listed = self.all().flat_map(|store| store.list().unwrap_or_default());
        let active = listed.filter(|it| it.state == State::Active).filter_map(|it| it.allocation);
        let living = active.filter(|it| !it.is_of_earlier_boot());
        living.flat_map(|it| it.ips().map(|address| (address, owner(&it))).collect::<Vec<_>>()).collect()
    }
}

fn owner(allocation: &Allocation) -> String {
    match &allocation.pod {
        Some(pod) => format!("pod {pod}"),
        None => format!("container {}", short_id(&allocation.owner.container_id)),
    }
}
