//! What an ADD says of a main plugin below which its pod cannot talk. Its result is right, and so this is a warning.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::config::{AddressSettings, TYPE};
use crate::context::CallContext;
use crate::node::placement::EniPlacement;

/// The main plugins that cannot work on ECS, and why.
const UNFIT: &[(&str, &str)] = &[
    (
        "macvlan",
        "each pod sends with a MAC address of its own, and the VPC carries only frames with the ENI's",
    ),
    (
        "bridge",
        "through an ENI in the bridge pods send with MAC addresses of their own, and the VPC carries only frames with the ENI's; \
         as the pods' gateway the bridge takes the vSwitch's block away from the ENI",
    ),
];

/// For how long after the first ADD on an ENI the chained plugin may not have come yet: several pods may start at once.
const BEGINNING: Duration = Duration::from_mins(1);

/// Says so if the main plugin cannot work on ECS.
pub(super) fn warn_of_unfit(main_plugin: Option<&str>) {
    if let Some((name, why)) = UNFIT.iter().find(|(name, _)| Some(*name) == main_plugin) {
        log::warn!("the main plugin {name} does not work on ECS: {why}; use ptp instead");
    }
}

/// Says so if nobody routes the pods of a secondary ENI below `ptp`. An IPAM plugin does not see which plugins come behind the main
/// one, but the chained plugin leaves a trace in the store with the first pod. Once it is there, this is one look.
pub(super) fn warn_of_missing_routes(
    context: &CallContext<'_>,
    settings: &AddressSettings,
    place: &EniPlacement,
) {
    if !settings.below_ptp || !place.secondary || context.store.has_set_routes() {
        return;
    }
    let is_new = place.known_since.is_none_or(|since| since.age(Timestamp::now()) < BEGINNING);
    // The pod of this ADD is the first one, whose turn with the chained plugin comes next.
    if !is_new && context.store.has_several_active() {
        log::warn!(
            "{} is a secondary ENI, and no chained plugin has set routes for its pods, so the VPC drops what they send: add \
             {{\"type\": \"{TYPE}\"}} behind ptp to the plugins of this network, with \"dataDir\": \"{}\" if that is not \
             the default",
            place.eni,
            context.store.directory().display()
        );
    }
}
