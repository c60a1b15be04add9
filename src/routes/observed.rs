//! What the kernel has, as far as somebody looked.

use std::collections::BTreeSet;

use netlink_packet_route::AddressFamily;

use crate::routes::address::{self, LinkAddress};
use crate::routes::error::{Doing, Result};
use crate::routes::kernel::Kernel;
use crate::routes::link::{self, Link};
use crate::routes::mark;
use crate::routes::numbers::is_table_of_an_eni;
use crate::routes::rule::{self, FoundRule, Rule};
use crate::routes::sysctl;
use crate::routes::table::{self, FoundRoute};

/// What the kernel has.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<LinkAddress>,
    pub(super) routes: Vec<FoundRoute>,
    /// All rules, if somebody looked: they are as many as the pods.
    pub(super) rules: Option<Vec<FoundRule>>,
    pub(super) mark: Option<mark::State>,
    pub(super) has_ipv6: bool,
}

impl Observed {
    /// Nothing yet.
    pub(super) fn begin() -> Result<Self> {
        Ok(Self { has_ipv6: sysctl::has_ipv6("all")?, ..Self::default() })
    }

    /// All links, addresses and rules, and what leads nowhere in the tables of ENIs.
    pub(super) fn everything(kernel: &Kernel) -> Result<Self> {
        let mut observed = Self::begin()?;
        let routing = kernel.routing()?;
        observed.links = link::list(routing).doing(|| "list the network interfaces".to_owned())?;
        let mut rules = Vec::new();
        for is_ipv6 in observed.families() {
            observed.addresses.extend(
                address::list(routing, family(is_ipv6), None).doing(|| "list the addresses".to_owned())?,
            );
            rules.extend(rule::list(routing, is_ipv6).doing(|| "list the rules".to_owned())?);
            let unreachable =
                table::list_unreachable(routing, is_ipv6).doing(|| "list the routes".to_owned())?;
            observed.routes.extend(unreachable.into_iter().filter(|it| is_table_of_an_eni(it.route.table)));
        }
        observed.rules = Some(rules);
        Ok(observed)
    }

    /// Looks at a link's addresses.
    pub(super) fn look_at_link(&mut self, kernel: &Kernel, link: &Link) -> Result<()> {
        for is_ipv6 in self.families() {
            let addresses = address::list(kernel.routing()?, family(is_ipv6), Some(link.index));
            self.addresses.extend(addresses.doing(|| format!("list the addresses of {}", link.name))?);
        }
        self.links.push(link.clone());
        Ok(())
    }

    /// Looks at a table.
    pub(super) fn look_at_table(&mut self, kernel: &Kernel, table: u32) -> Result<()> {
        self.routes.retain(|it| it.route.table != table);
        for is_ipv6 in self.families() {
            let routes = table::list(kernel.routing()?, is_ipv6, table);
            self.routes.extend(routes.doing(|| format!("list the routes of table {table}"))?);
        }
        Ok(())
    }

    /// Looks at the packet filter's table.
    pub(super) fn look_at_mark(&mut self, kernel: &Kernel, primary_link: &str) -> Result<()> {
        let what = || format!("look at the nftables table \"inet {}\"", mark::TABLE);
        self.mark = Some(kernel.filter(what, |filter| mark::look(filter, primary_link))?);
        Ok(())
    }

    /// Whether each family is IPv6.
    pub(super) fn families(&self) -> impl Iterator<Item = bool> + use<> {
        [false, true].into_iter().take(if self.has_ipv6 { 2 } else { 1 })
    }

    /// The rules of this plugin.
    pub(super) fn our_rules(&self) -> impl Iterator<Item = Rule> {
        self.rules.iter().flatten().filter_map(FoundRule::ours)
    }

    /// The tables of ENIs that somebody has seen routes of.
    pub(super) fn tables(&self) -> BTreeSet<u32> {
        self.routes.iter().map(|it| it.route.table).filter(|it| is_table_of_an_eni(*it)).collect()
    }

    pub(super) fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|it| it.index == index)
    }

    pub(super) fn addresses_of(&self, link: u32) -> impl Iterator<Item = &LinkAddress> {
        self.addresses.iter().filter(move |it| it.link == link)
    }
}

fn family(is_ipv6: bool) -> AddressFamily {
    if is_ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet }
}
