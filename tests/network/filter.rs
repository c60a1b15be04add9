//! That the emulated VPC drops what ECS drops: without this, the other tests of this suite prove nothing.

use std::net::IpAddr;
use std::sync::Arc;

use harness::Need;

use crate::cluster::Cluster;
use crate::inventory::{self, VSwitches};
use crate::node::Links;
use crate::place::{Family, PORT, Place};
use crate::probe::{HASTE, Outcome, Protocol, Way};
use crate::setup::Setup;
use crate::vpc_filter::Dropped;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces, Need::Nftables, Need::StandardPlugins]:
        what_an_eni_does_not_have_is_dropped,
        what_the_cloud_takes_away_is_carried_no_more;
}

fn way(from: &Place, source: Option<IpAddr>, to: &Place, family: Family) -> Way {
    Way {
        group: "filter",
        from: (from.name.clone(), Arc::clone(&from.name_space)),
        source,
        to: (to.address(family), PORT).into(),
        protocol: Protocol::Tcp,
        answered_by: to.name.clone(),
        seen_as: None,
    }
}

#[track_caller]
fn arrives(way: Way) {
    let outcome = Outcome::of(vec![way]).insist();
    assert_eq!(outcome.failed().count(), 0, "{outcome}");
}

/// It does not arrive, and the VPC has counted why.
#[track_caller]
fn is_dropped(cluster: &Cluster, way: Way, why: Dropped) {
    let before = cluster.vpc.dropped(why);
    let outcome = Outcome::soon(vec![way], HASTE);
    assert_eq!(outcome.failed().count(), 1, "{:?}", outcome.ways);
    assert!(cluster.vpc.dropped(why) > before, "{why:?}");
}

fn cluster() -> Cluster {
    Cluster::new(Setup::PtpAlone.kind(VSwitches::One, Links::Bare), Setup::PtpAlone)
}

fn what_an_eni_does_not_have_is_dropped() {
    let cluster = cluster();
    let (node, elsewhere) = (&cluster.nodes[0].place, &cluster.elsewhere);
    let network = &node.name_space;
    for family in Family::BOTH {
        arrives(way(node, None, elsewhere, family));
    }
    // Addresses that nobody has, and that another ENI of the node has.
    for number in [77, inventory::own_number(1, 1)] {
        let (ipv4, ipv6) = (inventory::ipv4(0, number), inventory::ipv6(0, number));
        network.ip(&format!("addr add {ipv4}/32 dev eth0\naddr add {ipv6}/128 dev eth0 nodad"));
        is_dropped(&cluster, way(node, Some(ipv4.into()), elsewhere, Family::V4), Dropped::Ipv4);
        is_dropped(&cluster, way(node, Some(ipv6.into()), elsewhere, Family::V6), Dropped::Ipv6);
        // Now the node asks who has its gateway's address in the name of that address.
        network.set_parameter("net/ipv4/conf/all/arp_announce", "0");
        network.ip("neigh flush dev eth0");
        is_dropped(&cluster, way(node, Some(ipv4.into()), elsewhere, Family::V4), Dropped::Arp);
        network.set_parameter("net/ipv4/conf/all/arp_announce", "2");
        network.ip(&format!("addr del {ipv4}/32 dev eth0\naddr del {ipv6}/128 dev eth0"));
    }
    let mac = network.output("cat", &["/sys/class/net/eth0/address"], "");
    network.ip("link set eth0 address 02:00:00:00:00:77");
    is_dropped(&cluster, way(node, None, elsewhere, Family::V4), Dropped::Mac);
    network.ip(&format!("link set eth0 address {mac}"));
    for family in Family::BOTH {
        arrives(way(node, None, elsewhere, family));
    }
}

fn what_the_cloud_takes_away_is_carried_no_more() {
    let cluster = cluster();
    let (node, pod, elsewhere) = (&cluster.nodes[0], &cluster.pods[0][0], &cluster.elsewhere);
    let eni = node.eni(0);
    for (family, why) in [(Family::V4, Dropped::Ipv4), (Family::V6, Dropped::Ipv6)] {
        let there_and_back =
            [way(&pod.place, None, elsewhere, family), way(elsewhere, None, &pod.place, family)];
        there_and_back.clone().into_iter().for_each(arrives);
        node.cloud.cloud.unassign(&eni, pod.place.address(family));
        cluster.carry();
        let [there, back] = there_and_back.clone();
        is_dropped(&cluster, there, why);
        assert_eq!(Outcome::soon(vec![back], HASTE).failed().count(), 1);
        node.cloud.cloud.assign(&eni, pod.place.address(family));
        cluster.carry();
        there_and_back.into_iter().for_each(arrives);
    }
}
