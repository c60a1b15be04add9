//! Whether each ENI has one store. Two do not know each other's records: one may release an address late, when a pod of the other
//! has it.

use std::path::PathBuf;

use crate::base::eni::EniId;
use crate::commands::doctor::report::Report;
use crate::commands::networks::Network;
use crate::config::Interfaces;
use crate::store::{Error, Store};

const NAME: &str = "stores";

/// A configured network, its store, and its ENI as far as that is known.
pub(super) struct Located<'n> {
    pub(super) network: &'n Network,
    pub(super) store: PathBuf,
    pub(super) eni: Option<EniId>,
    /// The server on this machine that stands for the cloud, if one does: its ENIs are not those of the same names elsewhere.
    pub(super) cloud: Option<String>,
}

impl Located<'_> {
    fn has_the_eni_of(&self, other: &Self) -> bool {
        match (&self.eni, &other.eni) {
            (Some(eni), Some(others)) => eni == others && self.cloud == other.cloud,
            // What is configured alike is one ENI, whichever that is.
            _ => self.configured().is_some_and(|configured| other.configured() == Some(configured)),
        }
    }

    fn configured(&self) -> Option<(Option<EniId>, Option<String>, Option<Interfaces>)> {
        let settings = self.network.ipam().address().ok()?;
        Some((settings.eni, settings.interface, settings.interfaces))
    }

    fn in_words(&self) -> String {
        format!("{} (network {:?})", self.store.display(), self.network.name())
    }
}

/// Compares all networks with each other, and with what other stores of this machine have claimed.
pub(super) fn check(networks: &[Located<'_>], report: &mut Report) {
    let mut fine = true;
    for (i, one) in networks.iter().enumerate() {
        let earlier = &networks[..i];
        let is_news = |it: &&Located<'_>| it.store != one.store && it.has_the_eni_of(one);
        let is_told = earlier.iter().any(|it| it.store == one.store && it.has_the_eni_of(one));
        if let (Some(other), false) = (earlier.iter().find(is_news), is_told) {
            fine = false;
            let eni = one.eni.as_ref().or(other.eni.as_ref()).map_or("the same ENI", EniId::as_str);
            report.fail(
                NAME,
                format!(
                    "{eni} has two stores, {} and {}: one may release an address that a pod of the other has. Give both networks \
                     one dataDir; before you change the dataDir of a network, delete its pods on this node, because their records \
                     stay behind",
                    other.in_words(),
                    one.in_words()
                ),
            );
        }
        let Some(eni) = one.eni.as_ref().filter(|_| !is_told) else { continue };
        let claimed =
            Store::open(&one.store).and_then(|store| store.claimed_by_another(eni, one.cloud.as_deref()));
        // Who may not look at claims makes none either.
        let Ok(Some(by)) = claimed else { continue };
        if !networks.iter().any(|it| it.store == by && it.has_the_eni_of(one)) {
            fine = false;
            report.fail(NAME, Error::Claimed { eni: eni.clone(), by, this: one.store.clone() });
        }
    }
    if fine && networks.iter().any(|it| it.eni.is_some()) {
        report.ok(NAME, "no two stores are known to use one ENI");
    }
}
