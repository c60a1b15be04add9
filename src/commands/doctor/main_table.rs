//! Routes of the main table by secondary ENIs. What a DHCP client sets there makes the node send by an ENI that does not have the
//! sender's address, and the VPC drops that.

use crate::commands::doctor::report::{Report, some};
use crate::commands::doctor::used_link::UsedLink;
use crate::commands::error::CommandError;
use crate::routes::Network;

const NAME: &str = "main-table";

/// Checks that the main table has no route by the link of a secondary ENI that pods use.
pub(super) fn check(kernel: &Network, links: &[UsedLink], report: &mut Report) -> Result<(), CommandError> {
    for UsedLink { eni, name, .. } in links.iter().filter(|it| !it.is_primary) {
        let routes = kernel.main_routes_by(name)?;
        if routes.is_empty() {
            continue;
        }
        report.fail(
            NAME,
            format!(
                "the main table has routes by {name}, the secondary ENI {eni}, so what the node sends may leave by it and be dropped: \
                 {}. Probably DHCP has set them: let nothing configure {name} (`apply_full_imds_network_config: false` for \
                 cloud-init, `systemctl disable --now eni.service`), and delete them with `ip route del`",
                some(routes.into_iter())
            ),
        );
    }
    Ok(())
}
