//! Whether the plugins of a network fit each other and the VPC, which carries a frame only if its hardware address and its source
//! address are those of the ENI.

use crate::cloud::ecs::EniKind;
use crate::commands::doctor::cloud::Way;
use crate::commands::doctor::report::Report;
use crate::commands::doctor::site::Place;
use crate::commands::networks::Network;

const NAME: &str = "plugins";

/// Main plugins that cannot work on ECS, each with the reason.
const UNFIT: [(&str, &str); 2] = [
    (
        "macvlan",
        "it gives each pod a hardware address of its own, and the VPC drops frames with any but the ENI's",
    ),
    (
        "bridge",
        "with the ENI as a port it sends frames with the pods' own hardware addresses, which the VPC drops; without, it makes the \
         node look for the whole vSwitch behind the bridge, and only what is masqueraded gets an answer",
    ),
];

/// Checks what the configuration alone tells. What is right needs no line.
pub(super) fn check(network: &Network, report: &mut Report) {
    let main = network.main_plugin();
    if let Some((_, why)) = UNFIT.iter().find(|(unfit, _)| *unfit == main) {
        report.fail(
            NAME,
            format!("{main} cannot work on ECS: {why}. Use ptp with {} behind it instead", network.entry()),
        );
    }
    if network.is_chained_in_front() {
        report.fail(
            NAME,
            format!(
                "the entry {} stands before {main} in `plugins`, where no pod has an address yet: move it behind {main}",
                network.entry()
            ),
        );
    }
    let Some(chained) = network.chained() else { return };
    if let Err(error) = chained.check_all() {
        return report.fail(NAME, error);
    }
    for warning in chained.warnings() {
        report.warn(NAME, warning);
    }
    // A `dataDir` of `ipam` that cannot be used is another line's.
    if let (Ok(one), Ok(other), false) =
        (chained.data_directory(), network.ipam().data_directory(), network.is_routed())
    {
        report.fail(
            NAME,
            format!(
                "the entry of this plugin behind {main} looks for records in {}, but ipam.dataDir is {}, so no pod starts: make it {}",
                one.display(),
                other.display(),
                network.entry()
            ),
        );
    }
}

/// Checks what depends on the ENI: below `ptp` alone, only pods on the primary one are routed by it.
pub(super) fn check_enis(way: &Way<'_>, report: &mut Report) {
    let mut told: Vec<&Network> = Vec::new();
    for place in &way.places {
        let network = place.network;
        if told.iter().any(|it| std::ptr::eq(*it, network)) {
            continue;
        }
        let is_ptp_alone = network.main_plugin() == "ptp" && network.chained().is_none();
        if !is_ptp_alone || network.is_chained_in_front() {
            continue;
        }
        report.about(&[network]);
        match is_primary(way, place) {
            Some(true) => {}
            Some(false) => {
                told.push(network);
                report.fail(
                    NAME,
                    format!(
                        "{} is a secondary ENI, but ptp makes its pods answer by the primary one, and the VPC drops that: add {} behind \
                         ptp in `plugins`",
                        place.eni,
                        network.entry()
                    ),
                );
            }
            None => report.not_tested(NAME, format!("nobody says whether {} is the primary ENI", place.eni)),
        }
    }
}

/// Whether it is the primary ENI: by the description or, without one, by metadata; `None` if neither tells.
fn is_primary(way: &Way<'_>, place: &Place<'_>) -> Option<bool> {
    if let Some(described) = way.described.iter().find(|it| it.id == place.eni) {
        return Some(described.kind == EniKind::Primary);
    }
    let metadata = way.client.metadata();
    let mac = metadata.primary_mac(way.deadline).ok()?;
    Some(metadata.eni_of_mac(&mac, way.deadline).ok()?.as_ref() == Some(&place.eni))
}
