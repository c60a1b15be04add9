//! What the kernel's routes should be by the records of a store.

use std::collections::BTreeSet;

use crate::failure::Result;
use crate::routes::{EniNetwork, Expected};
use crate::store::Store;

/// What the pods of these networks need, by the active records of this boot. Addresses of other records are in use, too, and need
/// nothing: those of other networks, and of pods that no boot has let live.
///
/// # Errors
/// When a record cannot be read: nobody knows then what is left over.
pub(crate) fn expected(store: &Store, networks: &BTreeSet<&str>, enis: Vec<EniNetwork>) -> Result<Expected> {
    let mut expected = Expected { enis, ..Expected::default() };
    for active in store.all_active()? {
        let needs_rules = networks.contains(active.0.network.as_str()) && !active.0.is_of_earlier_boot();
        for address in active.0.ips() {
            if needs_rules {
                expected.pods.insert(address, active.0.eni.clone());
            } else {
                expected.others.insert(address);
            }
        }
    }
    Ok(expected)
}
