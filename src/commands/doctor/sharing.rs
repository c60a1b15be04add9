//! What networks have in common. What several share is checked once.

use std::path::PathBuf;

use crate::commands::networks::Network;

/// The keys that say how ECS is reached, and as whom.
const WAY: [&str; 7] = [
    "endpoint",
    "metadataEndpoint",
    "allowInsecureEndpoint",
    "caFile",
    "proxy",
    "credentials",
    "signatureMethod",
];

/// Networks that have the same `key`, in the order of the first of each group.
pub(super) fn groups<'n, K: PartialEq>(
    networks: &[&'n Network],
    key: impl Fn(&'n Network) -> K,
) -> Vec<Vec<&'n Network>> {
    let mut groups: Vec<(K, Vec<&Network>)> = Vec::new();
    for network in networks {
        let key = key(network);
        match groups.iter_mut().find(|(of_group, _)| *of_group == key) {
            Some((_, group)) => group.push(network),
            None => groups.push((key, vec![network])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Groups by the way to ECS.
pub(super) fn by_way<'n>(networks: &[&'n Network]) -> Vec<Vec<&'n Network>> {
    groups(networks, |network| network.values(&WAY))
}

/// The store of a network by its real name, which need not exist yet; `None` where `dataDir` cannot be used.
pub(super) fn store_of(network: &Network) -> Option<PathBuf> {
    network.store_directory().ok()
}
