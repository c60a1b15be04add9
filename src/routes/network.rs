//! The routes, rules, links and the mark of this process's network namespace.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use netlink_packet_route::AddressFamily;

use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::routes::address::{self, LinkAddress};
use crate::routes::conntrack;
use crate::routes::error::{Doing, Error, Result};
use crate::routes::item::{Item, LinkName};
use crate::routes::kernel::Kernel;
use crate::routes::link::{self, Link};
use crate::routes::mark;
use crate::routes::numbers;
use crate::routes::observed::Observed;
use crate::routes::plan::{self, Need, Used};
use crate::routes::reach;
use crate::routes::rule::{self, Rule, Selects};
use crate::routes::table::RouteWay;
use crate::routes::{EniNetwork, Expected};

/// The kernel's network, through netlink.
#[derive(Debug)]
pub(crate) struct Network {
    pub(super) kernel: Kernel,
}

/// Something that was put in place or removed, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change(pub(crate) String);

/// How the kernel's state differs from what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DifferenceKind {
    /// It should be there, or be otherwise.
    Missing,
    /// It is this plugin's, and belongs to nobody any more.
    LeftOver,
    /// Nothing that this plugin puts in place: something else is in its way.
    InTheWay,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) kind: DifferenceKind,
    /// The ENI whose part this is; `None` for the node's.
    pub(crate) eni: Option<EniId>,
    /// The pod's address that it is about, if it is about one.
    pub(crate) address: Option<IpAddr>,
    /// What it is, such as `the rule "2048: from 192.168.0.5 lookup 1000000001"`.
    pub(crate) what: String,
}

impl Network {
    /// Opens the way to the kernel.
    pub(crate) fn open(deadline: Deadline) -> Result<Self> {
        let kernel = Kernel::new(deadline);
        kernel.routing()?;
        Ok(Self { kernel })
    }

    /// Puts in place what the node, `eni` and these addresses on it need, and first removes rules of this plugin that lead one of
    /// the addresses elsewhere. It lists nothing that grows with the number of pods. Doing it again changes nothing.
    ///
    /// A pod's rule comes last: whoever is killed before leaves nothing that leads a packet astray.
    pub(crate) fn put(&self, enis: &[EniNetwork], eni: &EniId, addresses: &[IpAddr]) -> Result<Vec<Change>> {
        for address in addresses {
            self.refuse_local(*address)?;
        }
        let of_pods = enis.iter().find(|it| it.eni == *eni).ok_or_else(|| Error::no_eni(eni))?;
        let primary = enis.iter().find(|it| it.is_primary);
        let links = Links::new(&self.kernel);
        let mut observed = Observed::begin()?;
        let (mut used, mut needs) = (Vec::new(), Vec::new());
        for eni in enis {
            if eni == of_pods || Some(eni) == primary {
                let link = links.find(eni)?.ok_or_else(|| no_link(eni))?;
                let it = Used::new(eni, numbers::table_of(mac_of(eni)?), link, &observed)?;
                observed.look_at_link(&self.kernel, &it.link)?;
                observed.look_at_table(&self.kernel, it.table)?;
                used.push(it);
            } else if let Some(link) = links.find_by_addresses(eni)? {
                // A link without an address has no route in the main table, so that its group does not matter.
                needs.push(Need { eni: Some(eni.eni.clone()), address: None, item: plan::group(&link) });
                observed.links.push(link);
            }
        }
        let primary = used.iter().find(|it| it.eni.is_primary);
        if let Some(primary) = primary {
            observed.look_at_mark(&self.kernel, &primary.link.name)?;
        }
        needs.extend(of_enis_and_node(&used, &observed, &|it| addresses.contains(&it)));
        let mut changes = self.put_what_is_missing(&needs, &observed)?;
        changes.extend(self.remove(&left_over_routes(&needs, &used, &observed))?);
        if let Some(of_pods) = used.iter().find(|it| it.eni.eni == *eni) {
            for address in addresses {
                changes.extend(self.put_pod(&of_pods.pod_rule(*address).item, *address)?);
            }
        }
        Ok(changes)
    }

    /// Removes the rules of this plugin for an address, and what connection tracking remembers of the address.
    pub(crate) fn remove_pod(&self, address: IpAddr) -> Result<Vec<Change>> {
        let removed = self.remove_pod_rules(address)?;
        let mut changes: Vec<_> =
            removed.into_iter().map(|rule| Change::removed(&Item::Rule(rule))).collect();
        let what = || format!("delete what connection tracking has of {address}");
        let forgotten = match self.kernel.netfilter() {
            Ok(netfilter) => conntrack::forget(netfilter, address).doing(what)?,
            // A kernel without netfilter remembers nothing.
            Err(refusal) if refusal.is(libc::EPROTONOSUPPORT) => 0,
            Err(refusal) => Err(refusal).doing(what)?,
        };
        if forgotten > 0 {
            changes
                .push(Change(format!("deleted {forgotten} entries of connection tracking with {address}")));
        }
        Ok(changes)
    }

    /// Compares everything with what it should be.
    pub(crate) fn differences(&self, expected: &Expected) -> Result<Vec<Difference>> {
        let found = self.compare(expected)?;
        let mut differences: Vec<_> = found.in_the_way;
        let difference = |kind| {
            move |need: &Need| Difference {
                kind,
                eni: need.eni.clone(),
                address: need.address,
                what: need.item.to_string(),
            }
        };
        differences.extend(found.missing.iter().map(difference(DifferenceKind::Missing)));
        differences.extend(found.left_over.iter().map(difference(DifferenceKind::LeftOver)));
        differences
            .sort_by(|a, b| (a.kind, &a.eni, a.address, &a.what).cmp(&(b.kind, &b.eni, b.address, &b.what)));
        Ok(differences)
    }

    /// Puts in place what is missing, and removes what is left over.
    ///
    /// What is missing comes first: no pod is without a rule in between.
    pub(crate) fn repair(&self, expected: &Expected) -> Result<Vec<Change>> {
        let found = self.compare(expected)?;
        let mut changes = Vec::new();
        for need in &found.missing {
            if need.item.put(&self.kernel)? {
                changes.push(Change::put(&need.item));
            }
        }
        changes.extend(self.remove(&found.left_over)?);
        Ok(changes)
    }

    /// Removes everything of this plugin: rules, tables, the mark, and what links have of it.
    ///
    /// Links stay up, and the settings `accept_ra` and `src_valid_mark` stay as they are: nobody knows how they were before.
    pub(crate) fn remove_all(&self, enis: &[EniNetwork]) -> Result<Vec<Change>> {
        let mut observed = Observed::everything(&self.kernel)?;
        let mut items: Vec<_> = observed.our_rules().map(Item::Rule).collect();
        items.sort_by_key(|item| match item {
            // Pods first: a pod whose table is gone would be told that nothing is reachable.
            Item::Rule(rule) => std::cmp::Reverse(rule.preference),
            _ => std::cmp::Reverse(0),
        });
        let of_enis: BTreeSet<_> =
            enis.iter().filter_map(|eni| mac_of(eni).ok()).map(numbers::table_of).collect();
        for table in &of_enis | &observed.tables() {
            observed.look_at_table(&self.kernel, table)?;
        }
        // The default route goes before the way to its gateway.
        items.extend(our_routes(&observed));
        if self.kernel.filter(|| "look for the nftables table".to_owned(), mark::is_there)? {
            items.push(Item::Mark(String::new()));
        }
        items.extend(our_addresses(enis, &observed));
        // Only now: by it whoever comes after one that was killed sees which links have addresses of this plugin.
        items.extend(observed.links.iter().filter(|link| link.group == numbers::GROUP).map(plan::group));
        let needs: Vec<_> = items.into_iter().map(|item| Need { eni: None, address: None, item }).collect();
        self.remove(&needs)
    }

    /// Why the link of an ENI can carry nothing that this plugin could help with: it is not here, or has no carrier. `None` where it
    /// can, or where the next ADD brings it up.
    pub(crate) fn why_link_is_down(&self, eni: &EniNetwork) -> Result<Option<String>> {
        let Some(link) = Links::new(&self.kernel).find(eni)? else {
            return Ok(Some(no_link(eni).to_string()));
        };
        let without_carrier = link.is_up && !link.has_carrier;
        Ok(without_carrier.then(|| {
            format!(
                "the network interface {} of {} has no carrier: is the ENI still attached?",
                link.name, eni.eni
            )
        }))
    }

    /// Has the IPv6 addresses of the host's end of a pod's link work at once. `ptp` gives it the pod's gateway, which answers nobody
    /// for a second or two while the kernel asks whether another has it; on a link to one pod nobody can have.
    ///
    /// To be called after the main plugin, which makes the route to the pod's address by which the link is found.
    pub(crate) fn skip_duplicate_detection(&self, addresses: &[IpAddr]) -> Result<Vec<Change>> {
        let routing = self.kernel.routing()?;
        let mut changes = Vec::new();
        for address in addresses.iter().filter(|it| it.is_ipv6()) {
            let what = || format!("look for the link of the pod with {address}");
            let way = reach::way_to(routing, *address).doing(what)?;
            let Some(index) = way.filter(reach::Way::is_to_one_address).and_then(|way| way.link) else {
                continue;
            };
            let Some(link) = link::by_index(routing, index).doing(what)? else { continue };
            for own in address::list(routing, AddressFamily::Inet6, Some(index)).doing(what)? {
                if own.is_global && own.is_tentative() {
                    let what = format!("duplicate address detection for {} on {}", own.address, link.name);
                    address::end_duplicate_detection(routing, &own).doing(|| format!("end {what}"))?;
                    changes.push(Change(format!("ended {what}")));
                }
            }
        }
        changes.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(changes)
    }

    fn refuse_local(&self, address: IpAddr) -> Result<()> {
        let routing = self.kernel.routing()?;
        let what = || format!("look for the way to {address}");
        let Some(way) = reach::way_to(routing, address).doing(what)?.filter(|way| way.is_local) else {
            return Ok(());
        };
        let link = match way.link {
            Some(index) => link::by_index(routing, index).doing(what)?.map(|link| link.name),
            None => None,
        };
        Err(Error::Local { address, link: link.unwrap_or_else(|| "an interface".to_owned()) })
    }

    fn put_what_is_missing(&self, needs: &[Need], observed: &Observed) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for need in needs.iter().filter(|need| need.item.is_in(observed) != Some(true)) {
            if need.item.put(&self.kernel)? {
                changes.push(Change::put(&need.item));
            }
        }
        Ok(changes)
    }

    /// Has a pod's address led by this rule and no other.
    fn put_pod(&self, rule: &Item, address: IpAddr) -> Result<Vec<Change>> {
        let mut removed: Vec<_> = self.remove_pod_rules(address)?.into_iter().map(Item::Rule).collect();
        let is_new = rule.put(&self.kernel)?;
        let was_there = removed.contains(rule);
        removed.retain(|it| it != rule);
        let mut changes: Vec<_> = removed.iter().map(Change::removed).collect();
        if is_new && !was_there {
            changes.push(Change::put(rule));
        }
        Ok(changes)
    }

    fn remove_pod_rules(&self, address: IpAddr) -> Result<Vec<Rule>> {
        rule::remove_from_pod(self.kernel.routing()?, address)
            .doing(|| format!("remove the rules for what comes from {address}"))
    }

    fn remove(&self, needs: &[Need]) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        for need in needs {
            if need.item.remove(&self.kernel)? {
                changes.push(Change::removed(&need.item));
            }
        }
        Ok(changes)
    }

    /// Compares all that the kernel has with all that it should have.
    fn compare(&self, expected: &Expected) -> Result<Comparison> {
        let mut observed = Observed::everything(&self.kernel)?;
        let is_pods = |address: IpAddr| expected.pods.contains_key(&address);
        // A node without pods lacks nothing.
        let has_pods = !expected.pods.is_empty();
        let is_used = |eni: &EniNetwork| {
            has_pods && (eni.is_primary || expected.pods.values().any(|it| *it == eni.eni))
        };
        let mut comparison = Comparison::default();
        let (mut used, mut needs) = (Vec::new(), Vec::new());
        for eni in &expected.enis {
            let (mac, is_used) = (mac_of(eni)?, is_used(eni));
            match link::of_mac(&observed.links, mac).cloned() {
                Some(link) if is_used => used.push(Used::new(eni, numbers::table_of(mac), link, &observed)?),
                Some(link) if has_pods && observed.addresses_of(link.index).any(|it| it.is_global) => {
                    needs.push(Need { eni: Some(eni.eni.clone()), address: None, item: plan::group(&link) });
                }
                None if is_used => comparison.in_the_way.push(Difference {
                    kind: DifferenceKind::Missing,
                    eni: Some(eni.eni.clone()),
                    address: None,
                    what: format!(
                        "the network interface of {} with the hardware address {}",
                        eni.eni, eni.mac
                    ),
                }),
                _ => {}
            }
        }
        for it in &used {
            observed.look_at_table(&self.kernel, it.table)?;
        }
        if let Some(primary) = used.iter().find(|it| it.eni.is_primary) {
            observed.look_at_mark(&self.kernel, &primary.link.name)?;
        }
        needs.extend(of_enis_and_node(&used, &observed, &is_pods));
        for (address, eni) in &expected.pods {
            needs.extend(used.iter().filter(|it| it.eni.eni == *eni).map(|it| it.pod_rule(*address)));
        }
        comparison.left_over = left_over_routes(&needs, &used, &observed);
        comparison.left_over.extend(self.left_over_tables(expected, &observed)?);
        comparison.left_over.extend(left_over_rules(&needs, expected, &observed));
        comparison.in_the_way.extend(in_the_way(expected, &observed));
        needs.retain(|need| need.item.is_in(&observed) != Some(true));
        comparison.missing = needs;
        Ok(comparison)
    }

    /// The tables of ENIs that have gone.
    fn left_over_tables(&self, expected: &Expected, observed: &Observed) -> Result<Vec<Need>> {
        let of_enis: BTreeSet<_> =
            expected.enis.iter().filter_map(|eni| mac_of(eni).ok()).map(numbers::table_of).collect();
        let mut gone = Observed { has_ipv6: observed.has_ipv6, ..Observed::default() };
        // A node whose ENIs nobody knows has none that have gone.
        for table in observed.tables().difference(&of_enis).filter(|_| !of_enis.is_empty()) {
            gone.look_at_table(&self.kernel, *table)?;
        }
        Ok(our_routes(&gone).map(|item| Need { eni: None, address: None, item }).collect())
    }
}

/// What the kernel has otherwise than it should.
#[derive(Debug, Default)]
struct Comparison {
    /// In the order in which it is put in place.
    missing: Vec<Need>,
    left_over: Vec<Need>,
    /// What this plugin can do nothing about.
    in_the_way: Vec<Difference>,
}

/// The links of ENIs.
struct Links<'a> {
    kernel: &'a Kernel,
    all: OnceCell<Vec<Link>>,
}

impl<'a> Links<'a> {
    fn new(kernel: &'a Kernel) -> Self {
        Self { kernel, all: OnceCell::new() }
    }

    /// The link of an ENI. All links are listed only where none of the ENI's own addresses leads to it: before the first pod of an
    /// ENI, and while its link is down.
    fn find(&self, eni: &EniNetwork) -> Result<Option<Link>> {
        if let Some(link) = self.find_by_addresses(eni)? {
            return Ok(Some(link));
        }
        if self.all.get().is_none() {
            let all =
                link::list(self.kernel.routing()?).doing(|| "list the network interfaces".to_owned())?;
            let _ = self.all.set(all);
        }
        let all = self.all.get().map(Vec::as_slice).unwrap_or_default();
        Ok(link::of_mac(all, mac_of(eni)?).cloned())
    }

    fn find_by_addresses(&self, eni: &EniNetwork) -> Result<Option<Link>> {
        link::by_addresses(self.kernel.routing()?, &own_addresses(eni), mac_of(eni)?)
            .doing(|| format!("look for the network interface of {}", eni.eni))
    }
}

fn own_addresses(eni: &EniNetwork) -> Vec<IpAddr> {
    [Some(eni.address.into()), eni.address6.map(IpAddr::from)].into_iter().flatten().collect()
}

fn mac_of(eni: &EniNetwork) -> Result<[u8; 6]> {
    numbers::parse_mac(&eni.mac).ok_or_else(|| no_link(eni))
}

fn no_link(eni: &EniNetwork) -> Error {
    Error::NoLink { eni: eni.eni.to_string(), mac: eni.mac.clone() }
}

/// What the used ENIs and the node need.
fn of_enis_and_node(used: &[Used<'_>], observed: &Observed, is_pods: &dyn Fn(IpAddr) -> bool) -> Vec<Need> {
    let mut needs: Vec<_> = used.iter().flat_map(|it| it.link_and_table(observed)).collect();
    let primary = used.iter().find(|it| it.eni.is_primary);
    needs.extend(primary.into_iter().flat_map(|it| plan::node(it, observed)));
    needs.extend(used.iter().flat_map(|it| it.own_rules(observed, is_pods)));
    needs
}

/// The addresses that this plugin gave to links. Where the kernel says who did, nobody has to know the ENIs.
fn our_addresses(enis: &[EniNetwork], observed: &Observed) -> Vec<Item> {
    let kernel_knows = observed.addresses.iter().any(LinkAddress::has_protocol);
    let is_an_enis = |link: &Link, address: IpAddr| {
        let mut of_link = enis.iter().filter(|eni| {
            mac_of(eni).is_ok_and(|mac| link::of_mac(&observed.links, mac).is_some_and(|it| it == link))
        });
        of_link.any(|eni| own_addresses(eni).contains(&address))
    };
    let mut items = Vec::new();
    for link in &observed.links {
        let is_known = |address| kernel_knows && link.group == numbers::GROUP || is_an_enis(link, address);
        let ours =
            observed.addresses_of(link.index).filter(|it| it.is_ours(kernel_knows) && is_known(it.address));
        items.extend(ours.map(|it| Item::Address(link.into(), it.address)));
    }
    items
}

/// The routes of this plugin that somebody looked at, the way to a gateway behind what leads by it.
fn our_routes(observed: &Observed) -> impl Iterator<Item = Item> {
    let ours =
        observed.routes.iter().filter(|it| it.is_kernels && numbers::is_table_of_an_eni(it.route.table));
    let mut ours: Vec<_> = ours.map(|it| &it.route).collect();
    ours.sort_by_key(|route| (route.table, route.destination.is_some()));
    ours.into_iter().map(|route| {
        let link = match route.way {
            RouteWay::Out { link, .. } => observed.link(link),
            RouteWay::Unreachable => None,
        };
        let name =
            link.map_or_else(|| LinkName { index: 0, name: "that has gone".to_owned() }, LinkName::from);
        Item::Route(name, route.clone())
    })
}

/// What the tables of used ENIs have of this plugin and do not need, such as the way to an earlier gateway.
fn left_over_routes(needs: &[Need], used: &[Used<'_>], observed: &Observed) -> Vec<Need> {
    let needed: Vec<_> = needs
        .iter()
        .filter_map(|need| match &need.item {
            Item::Route(_, route) => Some(route),
            _ => None,
        })
        .collect();
    let mut left_over = Vec::new();
    for used in used {
        for found in observed.routes.iter().filter(|it| it.is_kernels && it.route.table == used.table) {
            if !needed.iter().any(|route| found.route.is_replaced_by(route)) {
                let item = Item::Route((&used.link).into(), found.route.clone());
                left_over.push(Need { eni: Some(used.eni.eni.clone()), address: None, item });
            }
        }
    }
    left_over
}

/// The rules of this plugin that are for nobody, or lead elsewhere than they should.
fn left_over_rules(needs: &[Need], expected: &Expected, observed: &Observed) -> Vec<Need> {
    let needed: BTreeSet<_> = needs
        .iter()
        .filter_map(|need| match need.item {
            Item::Rule(rule) => Some(rule),
            _ => None,
        })
        .collect();
    // What is needed for one place is wrong elsewhere.
    let place = |rule: &Rule| (rule.preference, rule.is_ipv6, rule.selects);
    let places: BTreeSet<_> = needed.iter().map(place).collect();
    let own: BTreeSet<_> = expected.enis.iter().flat_map(own_addresses).collect();
    let macs: Vec<_> = expected.enis.iter().filter_map(|eni| mac_of(eni).ok()).collect();
    let of_links = macs.iter().filter_map(|mac| link::of_mac(&observed.links, *mac));
    let of_links: BTreeSet<_> =
        of_links.flat_map(|link| observed.addresses_of(link.index)).map(|it| it.address).collect();
    let is_somebodys = |address: IpAddr| {
        expected.pods.contains_key(&address) || expected.others.contains(&address) || own.contains(&address)
    };
    let is_left_over = |rule: &Rule| {
        let is_for_nobody = match rule.selects {
            Selects::From(address) if rule.preference == numbers::FROM_ENI => {
                !is_somebodys(address) && !of_links.contains(&address)
            }
            Selects::From(address) => !is_somebodys(address),
            Selects::NotBehindAnEni | Selects::Marked => false,
        };
        is_for_nobody || places.contains(&place(rule))
    };
    let rules = observed.our_rules().filter(|rule| !needed.contains(rule) && is_left_over(rule));
    let is_table = |eni: &EniNetwork, table| mac_of(eni).is_ok_and(|mac| numbers::table_of(mac) == table);
    let eni_of = |table| Some(expected.enis.iter().find(|eni| is_table(eni, table))?.eni.clone());
    let need = |rule: Rule| Need { eni: eni_of(rule.table), address: rule.source(), item: Item::Rule(rule) };
    rules.map(need).collect()
}

/// What others have put where it keeps a pod from being reached.
fn in_the_way(expected: &Expected, observed: &Observed) -> Vec<Difference> {
    let difference = |eni: &EniId, address: IpAddr, what| Difference {
        kind: DifferenceKind::InTheWay,
        eni: Some(eni.clone()),
        address: Some(address),
        what,
    };
    let before = numbers::NOT_BEHIND_AN_ENI + 1..numbers::FROM_ENI;
    let rules = observed.rules.as_deref().unwrap_or_default();
    let foreign: Vec<_> =
        rules.iter().filter(|it| it.ours().is_none() && before.contains(&it.preference)).collect();
    let mut found = Vec::new();
    for (address, eni) in &expected.pods {
        for rule in &foreign {
            let is_right = rule
                .rule
                .is_some_and(|it| it.preference == numbers::FROM_POD && it.source() == Some(*address));
            if rule.source.is_some_and(|source| source.contains(*address)) && !is_right {
                found.push(difference(eni, *address, format!("the rule \"{rule}\"")));
            }
        }
        for local in observed.addresses.iter().filter(|it| it.address == *address) {
            let link = observed.link(local.link).map_or("an interface", |link| link.name.as_str());
            found.push(difference(eni, *address, format!("the address {address} on this node's own {link}")));
        }
    }
    found
}

impl Change {
    fn put(item: &Item) -> Self {
        Self(format!("put {item} in place"))
    }

    fn removed(item: &Item) -> Self {
        Self(format!("removed {item}"))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.kind {
            DifferenceKind::Missing => "is missing",
            DifferenceKind::LeftOver => "is left over",
            DifferenceKind::InTheWay => "is in the way",
        };
        write!(f, "{} {state}", self.what)
    }
}
