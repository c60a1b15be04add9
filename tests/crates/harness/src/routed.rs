//! A node whose ENIs are links of a network namespace, with this plugin in both of its roles.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use ecs_simulator::World;
use serde_json::{Value, json};

use crate::{Calling, NameSpace, Node, Within};

/// A node whose ENIs are links of a network namespace: `eth0` is the primary one, `eth1` has the pods' addresses. Its cloud listens
/// there too. Needs [`Need::Root`](crate::Need::Root) and [`Need::NetworkNamespaces`](crate::Need::NetworkNamespaces).
#[derive(Debug)]
pub struct RoutedNode {
    /// The node, with its cloud and its store.
    pub node: Within<Node>,
    /// Where its links are.
    pub name_space: Arc<NameSpace>,
}

/// What the kernel has of the plugin's, and what others have put there, as `ip` and `nft` show it: sorted lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kernel(pub Vec<String>);

/// Each link with its hardware address; the first has an address of its own, too.
const LINKS: [(&str, &str); 2] = [("eth0", "00:16:3e:00:00:01"), ("eth1", "00:16:3e:00:00:02")];

/// The table of `eth1`, as its hardware address has it.
pub const TABLE: u32 = 1_000_000_002;

/// The table of `eth0`.
pub const PRIMARY_TABLE: u32 = 1_000_000_001;

/// Removes everything that a test has left.
const CLEAN: &str = "
for family in -4 -6; do
    ip $family rule flush
    ip $family rule add pref 32766 lookup main
    for table in 55 1000000001 1000000002; do ip $family route flush table $table; done
done 2>/dev/null
ip rule add pref 32767 lookup default
for link in eth0 eth1; do ip link del $link; done 2>/dev/null
nft flush ruleset
conntrack -F 2>/dev/null
true
";

/// What there is. Addresses that links make by themselves would come and go.
const SHOW: &str = "
ip rule | sed 's/^/rule /'
ip -6 rule | sed 's/^/rule6 /'
ip route show table all | grep -v 'table local' | sed 's/^/route /'
ip -6 route show table all | grep -v -e 'table local' -e 'ff00::' -e 'fe80::' | sed 's/^/route6 /'
ip -o addr show | awk '$2 != \"lo\" { print \"address\", $2, $4 }'
for link in eth0 eth1; do
    ip -o link show $link | sed -n 's/^[0-9]*: \\([a-z0-9]*\\)@[^<]*<\\([^>]*\\)>.* \\(group [^ ]*\\).*/link \\1 \\2 \\3/p'
done
for file in /proc/sys/net/ipv4/conf/eth0/src_valid_mark /proc/sys/net/ipv6/conf/eth1/accept_ra; do
    echo \"$file $(cat $file)\"
done 2>/dev/null
nft list ruleset | sed 's/^/nft /'
";

impl RoutedNode {
    /// A node in the simulator's usual world, as a boot leaves it.
    #[must_use]
    pub fn new(plugin: impl AsRef<Path>) -> Self {
        Self::in_world(plugin, World::single_node())
    }

    /// A node in a world of the test's own that has the usual ENIs.
    #[must_use]
    pub fn in_world(plugin: impl AsRef<Path>, world: World) -> Self {
        let name_space = Arc::new(NameSpace::new());
        for (name, value) in [
            ("ipv6/conf/default/addr_gen_mode", "1"),
            ("ipv6/conf/default/dad_transmits", "0"),
            ("ipv6/conf/default/accept_dad", "0"),
            ("ipv4/ip_forward", "1"),
        ] {
            name_space.set_parameter(&format!("net/{name}"), value);
        }
        let plugin = plugin.as_ref();
        let node = name_space.within(|| Node::in_world(plugin, world));
        let routed = Self { node, name_space };
        routed.boot();
        routed
    }

    /// Makes the network what a boot leaves: no rules, tables or marks, and the primary ENI's link alone has an address.
    pub fn boot(&self) {
        let _ = self.name_space.output("sh", &["-c", CLEAN], "");
        for (link, _) in LINKS {
            self.attach(link);
        }
        self.name_space.ip("link set eth0 up\naddr add 192.168.0.10/24 dev eth0\n\
             route add default via 192.168.0.253 dev eth0\naddr add 2001:db8:1234:1a00::a/64 dev eth0 nodad");
    }

    /// Makes the link of an ENI, as an attachment does: it is down and has no address.
    pub fn attach(&self, link: &str) {
        let mac = LINKS.iter().find(|(name, _)| *name == link).map_or("", |(_, mac)| mac);
        self.name_space.ip(&format!(
            "link add {link} address {mac} type veth peer name vpc-{link}\nlink set vpc-{link} up"
        ));
    }

    /// Takes the link of an ENI away, as a detachment does.
    pub fn detach(&self, link: &str) {
        self.name_space.ip(&format!("link del {link}"));
    }

    /// A call of the IPAM plugin.
    pub fn ipam(&self, verb: &str, pod: &str) -> Calling<'_> {
        self.there(self.node.call(verb, pod))
    }

    /// A call of the chained plugin; the result of the plugins before it is `prevResult`, if there is one.
    pub fn chained(&self, verb: &str, pod: &str, prev_result: Option<&Value>) -> Calling<'_> {
        self.there(self.chained_here(verb, pod, prev_result))
    }

    /// The same, to be made from within the namespace, or under another program first.
    pub fn chained_here(&self, verb: &str, pod: &str, prev_result: Option<&Value>) -> Calling<'_> {
        self.node.call(verb, pod).config(|config| {
            let mut entry = self.entry();
            entry["cniVersion"] = config["cniVersion"].take();
            entry["name"] = config["name"].take();
            if let Some(result) = prev_result {
                entry["prevResult"] = result.clone();
            }
            *config = entry;
        })
    }

    /// Has a call made in the namespace.
    pub fn there<'a>(&self, call: Calling<'a>) -> Calling<'a> {
        call.under("nsenter", &self.name_space.enter())
    }

    /// The entry of `plugins` that is the chained plugin's.
    #[must_use]
    pub fn entry(&self) -> Value {
        let ipam = &self.node.ipam;
        json!({
            "type": "aliyun-eni-ipam",
            "dataDir": ipam["dataDir"],
            "metadataEndpoint": ipam["metadataEndpoint"],
            "logFile": ipam["logFile"],
            "logLevel": "debug",
        })
    }

    /// Runs an operator's command with the configuration of both roles, to be refined before it is run.
    ///
    /// # Panics
    /// When the configuration cannot be written.
    pub fn command(&self, arguments: &[&str]) -> Calling<'_> {
        self.there(self.command_here(arguments))
    }

    /// The same, to be run from within the namespace, or under another program first.
    ///
    /// # Panics
    /// When the configuration cannot be written.
    #[expect(clippy::expect_used, reason = "a test without it is no test")]
    pub fn command_here(&self, arguments: &[&str]) -> Calling<'_> {
        let mut config = self.node.conflist();
        config["plugins"].as_array_mut().expect("a list").push(self.entry());
        let file = self.node.directory().join("pods.conflist");
        fs::write(&file, config.to_string()).expect("the configuration can be written");
        self.node.program(&[arguments, &["--config", &file.display().to_string()]].concat())
    }

    /// The ADDs of a pod, as a runtime calls them; the result of the last.
    #[track_caller]
    #[must_use]
    pub fn add(&self, pod: &str) -> Added {
        let result = self.ipam_add(pod);
        let answer = self.chained("ADD", pod, Some(&result)).run();
        let addresses = answer.addresses();
        Added { result, addresses }
    }

    /// The ADD of the IPAM plugin: what the main plugin would pass on.
    #[track_caller]
    #[must_use]
    pub fn ipam_add(&self, pod: &str) -> Value {
        let mut result = self.ipam("ADD", pod).run().result();
        result["interfaces"] = json!([{"name": "eth0", "sandbox": "/var/run/netns/test"}]);
        for ip in result["ips"].as_array_mut().into_iter().flatten() {
            ip["interface"] = json!(0);
        }
        result
    }

    /// The DELs of a pod, as a runtime calls them: in the reverse order.
    #[track_caller]
    pub fn del(&self, pod: &str, prev_result: Option<&Value>) {
        self.chained("DEL", pod, prev_result).run().ok();
        self.ipam("DEL", pod).run().ok();
    }

    /// What the kernel has.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        let shown = self.name_space.output("sh", &["-c", SHOW], "");
        let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut lines: Vec<_> = shown.lines().map(plain).collect();
        lines.sort();
        Kernel(lines)
    }
}

/// A pod that was added.
#[derive(Clone, Debug)]
pub struct Added {
    /// What the runtime passes on at the next call.
    pub result: Value,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl Kernel {
    /// The tables to which rules for a pod's address lead.
    #[must_use]
    pub fn tables_of(&self, address: IpAddr) -> Vec<u32> {
        let from = format!("from {address} ");
        let rules = self.rules().filter(|line| line.contains("2048:") && line.contains(&from));
        let table = |line: &str| line.split("lookup ").nth(1)?.split_whitespace().next()?.parse().ok();
        rules.filter_map(table).collect()
    }

    /// All rules.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|line| line.starts_with("rule")).map(String::as_str)
    }

    /// The lines that name this address.
    pub fn naming(&self, address: IpAddr) -> impl Iterator<Item = &str> {
        let named = format!(" {address} ");
        self.0.iter().filter(move |line| format!("{line} ").contains(&named)).map(String::as_str)
    }

    /// What differs, in words for a failed expectation.
    #[must_use]
    pub fn difference(&self, expected: &Self) -> String {
        let only = |one: &Self, other: &Self, sign| {
            let lines = one.0.iter().filter(|line| !other.0.contains(line));
            lines.map(|line| [sign, " ", line, "\n"].concat()).collect::<String>()
        };
        only(expected, self, "-") + &only(self, expected, "+")
    }
}

/// The addresses in a plugin's result.
#[must_use]
pub fn addresses_of(result: &Value) -> Vec<IpAddr> {
    let ips = result["ips"].as_array().into_iter().flatten();
    ips.filter_map(|ip| ip["address"].as_str()?.split('/').next()?.parse().ok()).collect()
}
