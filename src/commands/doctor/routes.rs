//! What the kernel has of this plugin's routes, and what stands in their way.

use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::commands::doctor::report::{Report, some};
use crate::commands::doctor::used_link::UsedLink;
use crate::commands::doctor::{forwarding, main_table, managers};
use crate::commands::error::CommandError;
use crate::commands::networks::Network;
use crate::commands::routes::{NodeStores, compare_twice};
use crate::failure::Failure;
use crate::node::eni_link;
use crate::routes::{self, Difference, DifferenceKind, EniNetwork, Expected};

const NAME: &str = "routes";

/// Checks the node's routes, if this plugin routes the pods of one of these networks. `used` are the ENIs that networks are configured to
/// use.
pub(super) fn check(networks: &[Network], used: &[EniId], report: &mut Report) {
    let stores = match NodeStores::open(networks) {
        Ok(stores) => stores,
        Err(_) if !networks.iter().any(Network::is_routed) => return,
        Err(failure) => return report.not_tested(NAME, failure),
    };
    let Some(routed) = stores.routed() else { return };
    match stores.damaged() {
        Ok(None) => {}
        Ok(Some(path)) => {
            return report.not_tested(NAME, format!("{} is damaged, see `records`", path.display()));
        }
        Err(failure) => return report.not_tested(NAME, failure),
    }
    if let Err(error) = compare(stores, routed, used, report) {
        report.not_tested(NAME, error);
    }
}

fn compare(
    mut stores: NodeStores<'_>,
    routed: &Network,
    used: &[EniId],
    report: &mut Report,
) -> Result<(), CommandError> {
    let deadline = Deadline::after(routed.ipam().timeout().map_err(Failure::from)?);
    let enis = stores.ask_enis(routed, deadline)?;
    stores.add_claimed(&enis)?;
    let (expected, differences) = compare_twice(&stores, &enis, deadline)?;
    let is_used =
        |eni: &EniNetwork| eni.is_primary || used.contains(&eni.eni) || has_pods(&expected, &eni.eni);
    let used: Vec<&EniNetwork> = enis.iter().filter(|eni| is_used(eni)).collect();
    let kernel = routes::Network::open(deadline)?;
    for eni in &used {
        if let Some(why) = kernel.why_link_is_down(eni)? {
            report.fail("link", format!("{}: {why}", eni.eni));
        }
    }
    say(&differences, report);
    let links: Vec<UsedLink> = used.iter().filter_map(|eni| link_of(eni)).collect();
    main_table::check(&kernel, &links, report)?;
    forwarding::router_advertisements(&links, report);
    managers::check(&links, report);
    Ok(())
}

fn has_pods(expected: &Expected, eni: &EniId) -> bool {
    expected.pods.values().any(|it| it == eni)
}

fn link_of(eni: &EniNetwork) -> Option<UsedLink> {
    Some(UsedLink {
        eni: eni.eni.clone(),
        name: eni_link::find(&eni.mac)?,
        mac: eni.mac.clone(),
        is_primary: eni.is_primary,
        has_ipv6: eni.gateway6.is_some(),
    })
}

/// A line for each kind of difference.
fn say(differences: &[Difference], report: &mut Report) {
    let of = |kind| differences.iter().filter(move |it| it.kind == kind);
    let words = |all: &[&Difference]| some(all.iter().map(|it| it.what.clone()));
    let missing: Vec<_> = of(DifferenceKind::Missing).collect();
    if !missing.is_empty() {
        report.fail(
            NAME,
            format!(
                "missing, so that pods may not be answered: {}: run `aliyun-eni-ipam routes --repair`, and see what has taken it away",
                words(&missing)
            ),
        );
    }
    let left_over: Vec<_> = of(DifferenceKind::LeftOver).collect();
    if !left_over.is_empty() {
        report.warn(
            NAME,
            format!(
                "left over from pods that are gone: {}: run `aliyun-eni-ipam routes --repair`",
                words(&left_over)
            ),
        );
    }
    // What is in the way of a pod's address keeps the pod from being answered.
    let (of_pods, others): (Vec<_>, Vec<_>) =
        of(DifferenceKind::InTheWay).partition(|it| it.address.is_some());
    if !of_pods.is_empty() {
        report.fail(NAME, format!("in the way of pods: {}", words(&of_pods)));
    }
    if !others.is_empty() {
        report.warn(NAME, format!("in the way: {}", words(&others)));
    }
    if differences.is_empty() {
        report.ok(NAME, "the node's routes are as they should be");
    }
}
