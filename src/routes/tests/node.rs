//! A node in a network namespace of its own, with a primary ENI, two secondary ones, and the VPC's end of each.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use harness::{Need, eventually};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::routes::{Change, Difference, EniNetwork, Expected, Network};

/// A node, which lives as long as this.
pub(super) struct Node(Child);

/// The n-th ENI: `eth0` is the primary one's link.
pub(super) fn eni(n: u8) -> EniNetwork {
    EniNetwork {
        eni: id(n),
        mac: format!("00:16:3e:00:00:0{n}"),
        is_primary: n == 0,
        address: [192, 168, n, 10].into(),
        gateway: [192, 168, n, 253].into(),
        address6: Some(format!("fd00:{n}::10").parse().unwrap()),
        gateway6: Some(format!("fd00:{n}::fd").parse().unwrap()),
    }
}

pub(super) fn id(n: u8) -> EniId {
    EniId::try_from(format!("eni-{n}")).unwrap()
}

pub(super) fn enis() -> Vec<EniNetwork> {
    (0..3).map(eni).collect()
}

/// What should be there for these pods, each with the number of its ENI.
pub(super) fn expected(pods: &[(&str, u8)]) -> Expected {
    let pods = pods.iter().map(|(address, n)| (address.parse().unwrap(), id(*n))).collect();
    Expected { enis: enis(), pods, others: [].into() }
}

impl Node {
    /// A node with its primary ENI as DHCP sets it up, and secondary ones that nobody has touched. `None`, with a line that says
    /// so, where the machine makes no network namespaces.
    pub(super) fn new() -> Option<Self> {
        if let Some(why) = Need::NetworkNamespaces.missing() {
            println!("skipped: {why}");
            return None;
        }
        let mut command = Command::new("unshare");
        let child = command.args(["--net", "sleep", "infinity"]).stdin(Stdio::null()).spawn().unwrap();
        let node = Self(child);
        let ours = fs::read_link("/proc/self/ns/net").unwrap();
        eventually("the node has its own network", || fs::read_link(node.path()).is_ok_and(|it| it != ours));
        node.sh("ip link set lo up");
        for n in 0..3 {
            node.add_link(n);
        }
        node.sh("ip link set eth0 up; ip address add 192.168.0.10/24 dev eth0; ip route add default via 192.168.0.253");
        node.sh("ip address add fd00:0::10/64 dev eth0 nodad");
        Some(node)
    }

    /// Attaches the n-th ENI.
    pub(super) fn add_link(&self, n: u8) {
        self.sh(&format!("ip link add eth{n} address 00:16:3e:00:00:0{n} type veth peer name vpc{n}"));
        self.sh(&format!("ip link set vpc{n} addrgenmode none up"));
        self.sh(&format!("ip link set eth{n} addrgenmode none"));
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }

    /// What a command prints that runs on this node.
    pub(super) fn sh(&self, script: &str) -> String {
        let mut command = Command::new("nsenter");
        let arguments = [&format!("--net={}", self.path()), "sh", "-c", script];
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Does something on this node.
    pub(super) fn on<T: Send>(&self, work: impl FnOnce(&Network) -> T + Send) -> T {
        let path = self.path();
        thread::scope(|scope| {
            let working = scope.spawn(|| {
                let name_space = File::open(path).unwrap();
                move_into_link_name_space(name_space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                work(&Network::open(Deadline::after(Duration::from_secs(60))).unwrap())
            });
            working.join().unwrap()
        })
    }

    pub(super) fn put(&self, n: u8, addresses: &[&str]) -> Vec<String> {
        let addresses: Vec<_> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        texts(self.on(|network| network.put(&enis(), &id(n), &addresses)).unwrap())
    }

    pub(super) fn differences(&self, expected: &Expected) -> Vec<String> {
        let differences = self.on(|network| network.differences(expected)).unwrap();
        differences.iter().map(Difference::to_string).collect()
    }

    /// All that this plugin could change, line by line, without what depends on the order in which links come up.
    pub(super) fn everything(&self) -> Vec<String> {
        let all = self.sh(
            "ip rule; ip -6 rule; ip -4 route show table all; ip -6 route show table all; nft list ruleset; ip -d link; ip address",
        );
        let mut lines: Vec<_> =
            all.lines().filter(|it| !it.starts_with("multicast")).map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

pub(super) fn texts(changes: Vec<Change>) -> Vec<String> {
    changes.into_iter().map(|change| change.0).collect()
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
