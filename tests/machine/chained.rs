//! The plugin as one of a chain on a node with a primary and a secondary ENI: what its calls make of the kernel's rules, and what
//! they leave alone. Each test has a network namespace with links of its own, in which the simulated cloud is, too.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;

use harness::simulator::AddressPolicy;
use harness::{Answer, Calling, NameSpace, Need, Node, Running, Within, World, eventually};
use serde_json::{Value, json};

use crate::node;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces]:
        an_add_has_each_address_routed_by_its_eni_and_a_del_undoes_it,
        an_add_again_puts_back_what_is_missing,
        a_del_without_a_record_goes_by_the_previous_result,
        a_late_del_leaves_the_rule_of_the_pod_that_has_the_address_by_now,
        a_del_that_waits_for_its_turn_sees_the_pod_that_came_meanwhile,
        a_check_names_what_is_missing,
        a_gc_removes_the_rules_that_no_record_explains_and_no_others,
        a_status_fails_while_the_interface_of_an_eni_in_use_is_missing,
        both_families_are_routed,
        without_metadata_the_store_and_the_default_route_tell,
        what_metadata_has_not_told_is_asked_for_again,
        without_metadata_no_pod_with_an_ipv6_address_is_routed,
        one_eni_that_metadata_does_not_describe_keeps_no_other_from_being_routed,
        what_the_plugins_before_gave_is_passed_on_as_it_came,
        an_answer_that_nobody_reads_leaves_the_routes_to_the_del,
        calls_at_once_leave_the_rules_of_the_pods_that_live;
}

/// The table of an ENI, by the simulated one's hardware address.
const TABLE_OF_PRIMARY: &str = "1000000001";
const TABLE_OF_SECONDARY: &str = "1000000002";

/// A node's network, with the links of both ENIs.
pub(crate) struct Machine {
    pub(crate) name_space: Arc<NameSpace>,
    /// Where the other ends of the links are.
    vpc: NameSpace,
    pub(crate) node: Within<Node>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::with(|node| node)
    }

    pub(crate) fn with(change: impl FnOnce(Node) -> Node + Send) -> Self {
        let name_space = Arc::new(NameSpace::new());
        let node = name_space.within(|| change(node()));
        let machine = Self { name_space, vpc: NameSpace::new(), node };
        machine.attach("eth0", World::PRIMARY_ENI);
        machine.attach("eth1", World::SECONDARY_ENI);
        machine
            .name_space
            .ip("link set eth0 up\naddr add 192.168.0.10/24 dev eth0\nroute add default via 192.168.0.253");
        machine
    }

    /// A link that looks like the ENI's.
    pub(crate) fn attach(&self, link: &str, eni: &str) {
        let (mac, vpc) = (self.mac(eni), self.vpc.pid());
        self.name_space.ip(&format!("link add {link} address {mac} type veth peer name {link} netns {vpc}"));
        self.vpc.ip(&format!("link set {link} up"));
    }

    /// One without another end, which proves more, and has no carrier.
    fn attach_tap(&self, link: &str, eni: &str) {
        self.name_space.ip(&format!("tuntap add {link} mode tap\nlink set {link} address {}", self.mac(eni)));
    }

    pub(crate) fn mac(&self, eni: &str) -> String {
        self.node.cloud.with_world(|world| world.eni_mut(eni).mac.clone())
    }

    /// Makes a call one of this machine.
    pub(crate) fn on<'n>(&self, call: Calling<'n>) -> Calling<'n> {
        call.under("nsenter", &self.name_space.enter())
    }

    /// A call of the IPAM plugin.
    pub(crate) fn ipam(&self, verb: &str, container: &str) -> Answer {
        self.on(self.node.call(verb, container).env("CNI_ARGS", ARGS)).run()
    }

    /// A call of the chained plugin.
    fn chained(&self, verb: &str, container: &str, prev_result: &Value) -> Calling<'_> {
        let mut entry = json!({
            "cniVersion": "1.1.0", "name": self.node.network, "type": "aliyun-eni-ipam", "dataDir": self.node.store(),
            "metadataEndpoint": self.node.ipam["metadataEndpoint"], "logFile": self.node.directory().join("log"),
        });
        if !prev_result.is_null() {
            entry["prevResult"] = prev_result.clone();
        }
        self.on(self.node.call(verb, container).stdin(entry.to_string()))
    }

    /// Both ADDs of a pod, and what the first gave.
    pub(crate) fn add(&self, container: &str) -> Value {
        let result = self.ipam("ADD", container).result();
        let answer = self.chained("ADD", container, &result).run();
        assert_eq!(answer.json(), result);
        result
    }

    /// The rules for pods: each address with its table.
    pub(crate) fn rules(&self) -> Vec<String> {
        let shown = ["rule show", "-6 rule show"].map(|command| self.name_space.show(command)).concat();
        let of_pods = shown.lines().filter_map(|line| line.strip_prefix("2048:"));
        of_pods
            .map(|line| {
                line.split_whitespace()
                    .filter(|it| !["from", "lookup", "proto", "kernel"].contains(it))
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    }
}

const ARGS: &str = "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;IgnoreUnknown=1";

/// The addresses of a result.
fn addresses(result: &Value) -> Vec<IpAddr> {
    let ips = result["ips"].as_array().unwrap().iter();
    ips.map(|ip| ip["address"].as_str().unwrap().split('/').next().unwrap().parse().unwrap()).collect()
}

/// The rules that these results need.
fn rules_of(results: &[&Value]) -> Vec<String> {
    let all = results.iter().flat_map(|result| addresses(result));
    all.map(|address| format!("{address} {TABLE_OF_SECONDARY}")).collect()
}

fn an_add_has_each_address_routed_by_its_eni_and_a_del_undoes_it() {
    let machine = Machine::new();
    let [first, second] = ["c1", "c2"].map(|container| machine.add(container));
    let mut rules = machine.rules();
    rules.sort();
    let mut expected = rules_of(&[&first, &second]);
    expected.sort();
    assert_eq!(rules, expected);
    let log = machine.node.log();
    let line = log.lines().find(|line| line.contains("routes ADD c1/eth0") && line.contains("default/web-0"));
    assert!(line.is_some(), "{log}");
    // As a runtime does it, against the order of the chain, and as often as it likes.
    for _ in 0..2 {
        machine.chained("DEL", "c1", &first).run().ok();
        machine.ipam("DEL", "c1").ok();
        assert_eq!(machine.rules(), rules_of(&[&second]));
    }
    machine.chained("DEL", "c1", &Value::Null).run().ok();
    machine.chained("DEL", "c2", &Value::Null).run().ok();
    assert_eq!(machine.rules(), [""; 0]);
}

fn an_add_again_puts_back_what_is_missing() {
    let machine = Machine::new();
    let result = machine.add("c1");
    let log = machine.node.log().len();
    assert_eq!(machine.chained("ADD", "c1", &result).run().json(), result);
    assert!(!machine.node.log()[log..].contains("INFO"), "{}", &machine.node.log()[log..]);
    machine.name_space.ip("rule del pref 2048\nlink set eth1 down");
    assert_eq!(machine.chained("ADD", "c1", &result).run().json(), result);
    assert_eq!(machine.rules(), rules_of(&[&result]));
    let table = machine.name_space.show(&format!("route show table {TABLE_OF_SECONDARY}"));
    assert!(table.contains("default via 192.168.0.253 dev eth1"), "{table}");
}

fn a_del_without_a_record_goes_by_the_previous_result() {
    let machine = Machine::new();
    let result = machine.add("c1");
    machine.ipam("DEL", "c1").ok();
    assert_eq!(machine.rules(), rules_of(&[&result]));
    machine.chained("DEL", "c1", &Value::Null).run().ok();
    assert_eq!(machine.rules(), rules_of(&[&result]));
    machine.chained("DEL", "c1", &result).run().ok();
    assert_eq!(machine.rules(), [""; 0]);
}

fn a_late_del_leaves_the_rule_of_the_pod_that_has_the_address_by_now() {
    let machine = Machine::new();
    let old = machine.add("old");
    machine.ipam("DEL", "old").ok();
    let wish = format!("IP={}", addresses(&old)[0]);
    let new = machine.on(machine.node.call("ADD", "new").env("CNI_ARGS", wish)).run().result();
    assert_eq!(addresses(&new), addresses(&old));
    // The record of the new pod is there, its rule is not yet: the one of the old pod is not removed from under its ADD.
    machine.chained("DEL", "old", &old).run().ok();
    let _ = machine.chained("ADD", "new", &new).run().json();
    machine.chained("DEL", "old", &old).run().ok();
    assert_eq!(machine.rules(), rules_of(&[&new]));
    machine.chained("DEL", "new", &Value::Null).run().ok();
    assert_eq!(machine.rules(), [""; 0]);
}

/// Waits until the call is in line for a lock, and fails if it ends before.
fn until_it_waits(call: &mut Running<'_>) {
    let pid = call.pid().to_string();
    eventually("the call waits for a lock", || {
        assert!(call.is_running(), "it has not waited");
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("->") && line.split_whitespace().any(|it| it == pid))
    });
}

fn a_del_that_waits_for_its_turn_sees_the_pod_that_came_meanwhile() {
    let machine = Machine::new();
    let old = machine.add("old");
    machine.ipam("DEL", "old").ok();
    let lock = fs::File::open(machine.node.store().join("routes.lock")).unwrap();
    lock.lock().unwrap();
    let mut del = machine.chained("DEL", "old", &old).start();
    until_it_waits(&mut del);
    let wish = format!("IP={}", addresses(&old)[0]);
    let new = machine.on(machine.node.call("ADD", "new").env("CNI_ARGS", wish)).run().result();
    let mut add = machine.chained("ADD", "new", &new).start();
    until_it_waits(&mut add);
    drop(lock);
    del.wait().ok();
    assert_eq!(add.wait().json(), new);
    assert_eq!(machine.rules(), rules_of(&[&new]));
    assert!(machine.node.log().contains("is new/eth0's by now, so its rule stays"), "{}", machine.node.log());
}

fn a_check_names_what_is_missing() {
    let machine = Machine::new();
    let [result, other] = ["c1", "c2"].map(|container| machine.add(container));
    machine.chained("CHECK", "c1", &result).run().ok();
    let [own, others] = [&result, &other].map(|result| addresses(result)[0]);
    // What another pod lacks is that pod's.
    machine.name_space.ip(&format!("rule del pref 2048 from {others}"));
    machine.chained("CHECK", "c1", &result).run().ok();
    machine.name_space.ip(&format!("rule del pref 2048 from {own}"));
    let text = machine.chained("CHECK", "c1", &result).run().error(103);
    assert!(text.contains(&own.to_string()) && !text.contains(&others.to_string()), "{text}");
    assert!(text.contains("is missing") && text.contains("routes --repair"), "{text}");
    let _ = machine.chained("ADD", "c1", &result).run().json();
    machine.chained("CHECK", "c1", &result).run().ok();
    machine.name_space.ip("link set eth1 down");
    let text = machine.chained("CHECK", "c1", &result).run().error(103);
    assert!(text.contains("eth1"), "{text}");
    machine.ipam("DEL", "c1").ok();
    let text = machine.chained("CHECK", "c1", &result).run().error(104);
    assert!(text.contains("no addresses are recorded"), "{text}");
}

fn a_gc_removes_the_rules_that_no_record_explains_and_no_others() {
    let machine = Machine::new();
    let [gone, kept] = ["c1", "c2"].map(|container| machine.add(container));
    machine.ipam("DEL", "c1").ok();
    // Somebody else's rule, one of a pod that this host has a route to, and one of an ENI that this store has nothing of.
    let (used, of_another) = ("192.168.0.77", format!("192.168.0.88 {TABLE_OF_PRIMARY}"));
    machine.name_space.ip(&format!(
        "rule add pref 2048 from 192.168.0.66 lookup 66\n\
         rule add pref 2048 from 192.168.0.88 lookup {TABLE_OF_PRIMARY} protocol kernel\nrule add pref 2048 from {used} lookup {TABLE_OF_SECONDARY} protocol kernel\n\
         link add veth1 type veth peer name veth2\nlink set veth1 up\nroute add {used} dev veth1"
    ));
    machine.chained("GC", "", &Value::Null).run().ok();
    let rules = machine.rules();
    assert!(!rules.iter().any(|rule| rule.starts_with(&addresses(&gone)[0].to_string())), "{rules:?}");
    for rule in
        [&rules_of(&[&kept])[0], "192.168.0.66 66", &of_another, &format!("{used} {TABLE_OF_SECONDARY}")]
    {
        assert!(rules.iter().any(|it| it == rule), "{rule} is not among {rules:?}");
    }
    assert!(machine.node.log().contains(used), "{}", machine.node.log());
    machine.chained("CHECK", "c2", &kept).run().ok();
}

fn a_status_fails_while_the_interface_of_an_eni_in_use_is_missing() {
    let machine = Machine::new();
    let status = || machine.chained("STATUS", "", &Value::Null).run();
    status().ok();
    let result = machine.add("c1");
    let asked = machine.node.cloud.metadata_requests().len();
    status().ok();
    // The next ADD brings it up.
    machine.name_space.ip("link set eth1 down");
    status().ok();
    machine.name_space.ip("link del eth1");
    let text = status().error(50);
    assert!(text.contains(World::SECONDARY_ENI), "{text}");
    assert_eq!(machine.node.cloud.metadata_requests().len(), asked);
    let text = machine.chained("ADD", "c1", &result).run().error(104);
    assert!(text.contains(World::SECONDARY_ENI), "{text}");
    // It is over when the ENI is back, and when no pod has an address of it.
    machine.attach("eth1", World::SECONDARY_ENI);
    status().ok();
    machine.name_space.ip("link del eth1");
    machine.chained("DEL", "c1", &result).run().ok();
    machine.ipam("DEL", "c1").ok();
    status().ok();
}

fn both_families_are_routed() {
    let machine = Machine::with(|node| node.with("ipv6", true));
    let result = machine.add("c1");
    assert_eq!(addresses(&result).len(), 2);
    assert_eq!(machine.rules(), rules_of(&[&result]));
    let table = machine.name_space.show(&format!("-6 route show table {TABLE_OF_SECONDARY}"));
    assert!(table.contains("default via 2001:db8:1234:1a00:ffff:ffff:ffff:fff5 dev eth1"), "{table}");
    machine.chained("CHECK", "c1", &result).run().ok();
    machine.chained("DEL", "c1", &result).run().ok();
    assert_eq!(machine.rules(), [""; 0]);
}

fn without_metadata_the_store_and_the_default_route_tell() {
    let machine = Machine::with(|node| {
        node.with("regionId", World::REGION_ID)
            .with("metadataEndpoint", "http://127.0.0.1:1")
            .with("subnet", "192.168.0.0/24")
    });
    // The link is what proves that the ENI is this node's.
    machine.name_space.ip("link del eth1");
    machine.attach_tap("eth1", World::SECONDARY_ENI);
    let result = machine.add("c1");
    assert_eq!(result["ips"][0]["gateway"], "192.168.0.11", "that of the vSwitch is not recorded below ptp");
    assert_eq!(machine.rules(), rules_of(&[&result]));
    let table = machine.name_space.show(&format!("route show table {TABLE_OF_SECONDARY}"));
    assert!(table.contains("default via 192.168.0.253 dev eth1"), "{table}");
    let table = machine.name_space.show(&format!("route show table {TABLE_OF_PRIMARY}"));
    assert!(table.contains("default via 192.168.0.253 dev eth0"), "{table}");
    let own = machine.name_space.show("rule show");
    for (address, table) in [("192.168.0.10", TABLE_OF_PRIMARY), ("192.168.0.11", TABLE_OF_SECONDARY)] {
        assert!(own.contains(&format!("2049:\tfrom {address} lookup {table}")), "{own}");
    }
    assert!(machine.node.cloud.metadata_requests().is_empty());
    machine.chained("CHECK", "c1", &result).run().ok();
    // Where neither tells, the way out is named.
    machine.name_space.ip("route del default");
    fs::remove_dir_all(machine.node.store().join("cache")).unwrap();
    let text = machine.chained("ADD", "c1", &result).run().error(11);
    assert!(text.contains("cannot read instance metadata") && text.contains("metadataEndpoint"), "{text}");
}

/// The chained ADD of a pod while metadata does not answer.
fn add_without_metadata(machine: &Machine, result: &Value) -> Answer {
    let call = machine.chained("ADD", "c1", result);
    call.config(|entry| entry["metadataEndpoint"] = json!("http://127.0.0.1:1")).run()
}

fn what_metadata_has_not_told_is_asked_for_again() {
    let machine = Machine::new();
    let result = machine.ipam("ADD", "c1").result();
    let _ = add_without_metadata(&machine, &result).json();
    let log = machine.node.log();
    assert!(log.contains("WARN") && log.contains("is taken for the gateway of"), "{log}");
    assert_eq!(machine.rules(), rules_of(&[&result]));
    let asked = || machine.node.cloud.metadata_requests().len();
    let before = asked();
    let add = || machine.chained("ADD", "c1", &result).run().json();
    assert_eq!(add(), result);
    let told = asked();
    assert!(told > before, "it has taken the guess for what metadata told");
    assert_eq!(add(), result);
    assert_eq!(asked(), told);
    // What it has told in this boot stays.
    let log = machine.node.log().len();
    let _ = add_without_metadata(&machine, &result).json();
    assert!(!machine.node.log()[log..].contains("WARN"), "{}", &machine.node.log()[log..]);
}

fn without_metadata_no_pod_with_an_ipv6_address_is_routed() {
    let machine = Machine::with(|node| node.with("ipv6", true));
    let result = machine.ipam("ADD", "c1").result();
    let text = add_without_metadata(&machine, &result).error(11);
    assert!(text.contains("tells the IPv6 gateway") && text.contains("metadataEndpoint"), "{text}");
    assert_eq!(machine.rules(), [""; 0]);
    assert_eq!(machine.chained("ADD", "c1", &result).run().json(), result);
    assert_eq!(machine.rules(), rules_of(&[&result]));
    let table = machine.name_space.show(&format!("-6 route show table {TABLE_OF_PRIMARY}"));
    assert!(table.contains("default via 2001:db8:1234:1a00:ffff:ffff:ffff:fff5 dev eth0"), "{table}");
}

fn one_eni_that_metadata_does_not_describe_keeps_no_other_from_being_routed() {
    let machine = Machine::new();
    let third =
        harness::simulator::Eni::new("eni-third", "00:16:3e:00:00:03", "192.168.0.12".parse().unwrap());
    machine.node.cloud.with_world(|world| world.enis.insert(third.id.clone(), third));
    let odd = "/latest/meta-data/network/interfaces/macs/00:16:3e:00:00:03/gateway";
    machine.node.cloud.inject_metadata(odd, harness::Effect::Empty { status: 500 }, None);
    // Nothing but metadata tells which ENI is the primary one.
    machine.name_space.ip("route del default");
    let result = machine.add("c1");
    assert_eq!(machine.rules(), rules_of(&[&result]));
    assert!(machine.node.log().contains("an ENI of this node is left out"), "{}", machine.node.log());
}

fn what_the_plugins_before_gave_is_passed_on_as_it_came() {
    let machine = Machine::new();
    let given = machine.ipam("ADD", "c1").result();
    let address = format!("{}/24", addresses(&given)[0]);
    let newest = json!({
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "eth0", "sandbox": "/run/netns/a", "mtu": 1500, "socketPath": "", "pciID": ""}],
        "ips": [{"address": address, "gateway": "192.168.0.253", "interface": 0}],
        "routes": [{"dst": "0.0.0.0/0", "mtu": 1400, "priority": 5}],
        "dns": {"nameservers": ["10.0.0.53"]},
        "x-unknown": [1, 2.5, null, {"deep": [12_345_678_901_234_567_890_u64]}],
    });
    let oldest = json!({
        "cniVersion": "0.1.0",
        "ip4": {"ip": address, "gateway": "192.168.0.253", "routes": [{"dst": "0.0.0.0/0"}]},
        "dns": {},
    });
    for result in [newest, oldest] {
        let version = result["cniVersion"].clone();
        let call = machine.chained("ADD", "c1", &result).config(|entry| entry["cniVersion"] = version);
        assert_eq!(call.run().json(), result);
    }
}

fn an_answer_that_nobody_reads_leaves_the_routes_to_the_del() {
    let machine = Machine::new();
    let result = machine.ipam("ADD", "c1").result();
    let unread = machine.chained("ADD", "c1", &result).run_unread();
    assert_eq!(unread.status(), 1);
    assert_eq!(machine.rules(), rules_of(&[&result]));
    assert!(machine.node.log().contains("the pod's routes stay until its DEL"), "{}", machine.node.log());
    machine.chained("DEL", "c1", &result).run().ok();
    assert_eq!(machine.rules(), [""; 0]);
}

fn calls_at_once_leave_the_rules_of_the_pods_that_live() {
    let machine = Machine::with(|node| node.with("timeoutSeconds", 60));
    // An address is given again at once.
    machine.node.cloud.with_world(|world| world.policy = AddressPolicy::LowestFree);
    let add_and_end = |pod: usize| {
        let result = machine.add(&format!("c{pod}"));
        if pod.is_multiple_of(2) {
            return Some(result);
        }
        machine.chained("DEL", &format!("c{pod}"), &result).run().ok();
        machine.ipam("DEL", &format!("c{pod}")).ok();
        // It comes again when another pod may have the address.
        machine.chained("DEL", &format!("c{pod}"), &result).run().ok();
        None
    };
    let live: Vec<_> = std::thread::scope(|scope| {
        let pods: Vec<_> = (0..32).map(|pod| scope.spawn(move || add_and_end(pod))).collect();
        pods.into_iter().filter_map(|pod| pod.join().unwrap()).collect()
    });
    let (mut rules, mut expected) = (machine.rules(), rules_of(&live.iter().collect::<Vec<_>>()));
    rules.sort();
    expected.sort();
    assert_eq!(rules, expected);
}
