//! What an ENI, the node and a pod need, in the order in which it is put in place.

use std::net::IpAddr;

use crate::base::eni::EniId;
use crate::routes::EniNetwork;
use crate::routes::error::Result;
use crate::routes::item::{Item, LinkName};
use crate::routes::link::Link;
use crate::routes::observed::Observed;
use crate::routes::rule::Rule;
use crate::routes::sysctl::{self, Setting};
use crate::routes::table::Route;

/// A thing that is needed, and what for.
#[derive(Clone, Debug)]
pub(super) struct Need {
    /// The ENI that needs it; `None` for the node.
    pub(super) eni: Option<EniId>,
    /// The address of the pod that needs it.
    pub(super) address: Option<IpAddr>,
    pub(super) item: Item,
}

/// An ENI that pods use, and its link.
#[derive(Clone, Debug)]
pub(super) struct Used<'a> {
    pub(super) eni: &'a EniNetwork,
    pub(super) table: u32,
    pub(super) link: Link,
    speaks_ipv6: bool,
}

impl<'a> Used<'a> {
    pub(super) fn new(eni: &'a EniNetwork, table: u32, link: Link, observed: &Observed) -> Result<Self> {
        let speaks_ipv6 = observed.has_ipv6 && sysctl::has_ipv6(&link.name)?;
        Ok(Self { eni, table, link, speaks_ipv6 })
    }

    fn need(&self, item: Item) -> Need {
        Need { eni: Some(self.eni.eni.clone()), address: None, item }
    }

    /// The gateways of the families that the link speaks.
    fn gateways(&self) -> Vec<IpAddr> {
        let gateway6 = self.eni.gateway6.filter(|_| self.speaks_ipv6);
        [Some(self.eni.gateway.into()), gateway6.map(IpAddr::from)].into_iter().flatten().collect()
    }

    /// Its own address of the gateway's family, which no pod has: what is known, or what the link has.
    fn own_address(
        &self,
        observed: &Observed,
        gateway: IpAddr,
        is_pods: &dyn Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        if gateway.is_ipv4() {
            return Some(self.eni.address.into());
        }
        let of_link =
            observed.addresses_of(self.link.index).filter(|it| it.address.is_ipv6() && it.is_global);
        let of_link = of_link.map(|it| it.address).filter(|it| !is_pods(*it)).min();
        self.eni.address6.map(IpAddr::from).or(of_link)
    }

    /// What its link and its table need.
    pub(super) fn link_and_table(&self, observed: &Observed) -> Vec<Need> {
        let link = LinkName::from(&self.link);
        let mut items = vec![group(&self.link)];
        if !self.eni.is_primary && observed.has_ipv6 {
            // Before it is brought up.
            items.push(Item::Setting(Setting::ignore_router_advertisements(&link.name)));
        }
        items.push(Item::Up(link.clone()));
        let known = [Some(IpAddr::from(self.eni.address)), self.eni.address6.map(IpAddr::from)];
        let gateways = self.gateways();
        for gateway in &gateways {
            // What is translated to the ENI's address, and ARP, need an address on the link.
            let own = known.into_iter().flatten().find(|it| it.is_ipv4() == gateway.is_ipv4());
            let is_other = |it: IpAddr| it.is_ipv4() == gateway.is_ipv4() && Some(it) != own;
            let mut global = observed.addresses_of(self.link.index).filter(|it| it.is_global);
            if let Some(own) = own.filter(|_| !global.any(|it| is_other(it.address))) {
                items.push(Item::Address(link.clone(), own));
            }
        }
        for gateway in gateways {
            let routes = Route::of_table(self.table, link.index, gateway);
            items.extend(routes.map(|route| Item::Route(link.clone(), route)));
        }
        items.into_iter().map(|item| self.need(item)).collect()
    }

    /// The rules for what the node sends from the ENI's own addresses.
    pub(super) fn own_rules(&self, observed: &Observed, is_pods: &dyn Fn(IpAddr) -> bool) -> Vec<Need> {
        let own = |gateway| self.own_address(observed, gateway, is_pods);
        let rule = |address| self.need(Item::Rule(Rule::from_eni(address, self.table)));
        self.gateways().into_iter().filter_map(own).map(rule).collect()
    }

    /// The rule for what a pod sends.
    pub(super) fn pod_rule(&self, address: IpAddr) -> Need {
        Need { address: Some(address), ..self.need(Item::Rule(Rule::from_pod(address, self.table))) }
    }
}

/// The group that the link of each ENI is in.
pub(super) fn group(link: &Link) -> Item {
    Item::Group(link.into())
}

/// What the node needs, whatever ENIs its pods use.
pub(super) fn node(primary: &Used<'_>, observed: &Observed) -> Vec<Need> {
    let mut items: Vec<_> = observed.families().map(|it| Item::Rule(Rule::not_behind_an_eni(it))).collect();
    items.extend(observed.families().map(|it| Item::Rule(Rule::marked(it, primary.table))));
    items.push(Item::Setting(Setting::reverse_path_by_mark(&primary.link.name)));
    // Last: what it marks is routed by what is there already.
    items.push(Item::Mark(primary.link.name.clone()));
    items.into_iter().map(|item| Need { eni: None, address: None, item }).collect()
}
