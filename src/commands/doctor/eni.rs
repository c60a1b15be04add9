//! The ENI that pods get addresses of: whose it is, and what its vSwitch looks like.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::cloud::ecs::Eni;
use crate::cloud::metadata;
use crate::commands::doctor::report::{Report, Status};
use crate::commands::doctor::site::Site;
use crate::commands::networks::Network;
use crate::config::Family4;
use crate::failure::Failure;
use crate::node::ownership;

/// The status of an ENI that can be used.
const IN_USE: &str = "InUse";

/// Checks that pods can get addresses of the ENI, and returns it with its hardware address if so. One of several that cannot be used
/// is passed over, so it keeps nobody from an address.
pub(super) fn own(
    site: &Site<'_>,
    described: Option<Eni>,
    is_one_of_several: bool,
    report: &mut Report,
) -> Option<(Eni, String)> {
    let eni = &site.place.eni;
    let bad = if is_one_of_several { Status::Warn } else { Status::Fail };
    let not_ours = || Failure::NotOurs { eni: eni.clone() };
    let ours = described.as_ref().map_or(Ok(None), |described| {
        ownership::mac_of_described(&site.place.store, site.client, described, site.deadline)
    });
    match (described, ours) {
        (_, Err(error)) => report.add("eni", bad, &error),
        (None, _) | (_, Ok(None)) => report.add("eni", bad, &not_ours()),
        (Some(it), _) if it.service_managed => {
            report.add("eni", bad, &Failure::ServiceManaged { eni: it.id });
        }
        (Some(it), Ok(Some(mac))) => {
            let kind = format!("{:?}", it.kind).to_lowercase();
            let detail = format!("{eni} ({mac}, {kind}, {}) is attached to this instance", it.status);
            if it.status == IN_USE {
                report.ok("eni", detail);
            } else {
                report.warn("eni", format!("{detail}, but not {IN_USE}: look at it in the ECS console"));
            }
            return Some((it, mac));
        }
    }
    None
}

/// Checks that the network's results fit the vSwitch of the ENI: an address that is not in `subnet` is given to no pod. What is
/// right needs no line.
pub(super) fn subnets(site: &Site<'_>, network: &Network, mac: &str, report: &mut Report) {
    let Ok(settings) = network.addresses() else { return };
    let metadata = site.client.metadata();
    let real = || metadata.subnet(mac, site.deadline).map(IpNetwork::from);
    // Below ptp it is the ENI's own address otherwise.
    let gateway = || match settings.gateway {
        None if settings.below_ptp => Ok(None),
        None => metadata.gateway(mac, site.deadline).map(|it| Some(it.into())),
        configured => Ok(configured),
    };
    let real6 = || metadata.subnet6(mac, site.deadline).map(|it| it.map(IpNetwork::from));
    match settings.ipv4 {
        Family4::Off => {}
        Family4::FromMetadata => fits(real(), gateway(), report),
        Family4::Block(block) => {
            covers("subnet", block, real().ok(), report);
            fits(Ok(block), gateway(), report);
        }
    }
    match (settings.ipv6, settings.subnet6) {
        (false, _) => {}
        (true, Some(block)) => covers("subnet6", block, real6().ok().flatten(), report),
        (true, None) => match real6() {
            Ok(Some(_)) => {}
            Ok(None) => report.fail("subnet", Failure::Unfound { key: "subnet6" }),
            Err(error) => report.fail("subnet", error),
        },
    }
}

/// Checks that the gateway is in the subnet; both may come from metadata.
fn fits(
    block: Result<IpNetwork, metadata::Error>,
    gateway: Result<Option<IpAddr>, metadata::Error>,
    report: &mut Report,
) {
    match block.and_then(|block| Ok((block, gateway?))) {
        Ok((block, Some(gateway))) if !block.contains(gateway) => report.fail(
            "subnet",
            format!(
                "the gateway {gateway} is not in {block}: set both ipam.subnet and ipam.gateway to those of the ENI's vSwitch, \
                 or neither"
            ),
        ),
        Ok(_) => {}
        Err(error) => report.fail("subnet", error),
    }
}

/// Checks that a configured block has every address that ECS may give.
fn covers(key: &str, configured: IpNetwork, real: Option<IpNetwork>, report: &mut Report) {
    let Some(real) = real else { return };
    if configured.prefix() > real.prefix() || !configured.contains(real.network()) {
        report.fail(
            "subnet",
            format!("ipam.{key} is {configured}, but the vSwitch of the ENI has {real}: correct it, or leave it out"),
        );
    }
}
