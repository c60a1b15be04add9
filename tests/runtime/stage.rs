//! A node whose pods get their addresses from the plugin under test: a containerd, a simulated cloud, and a
//! look at every call that the plugin gets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use harness::simulator::World;
use harness::{Node, Record};
use serde_json::{Value, json};

use crate::containerd::Containerd;
use crate::tools::{PATIENCE, holds_within};
use crate::wrapper::Wrapper;

/// The plugin under test.
pub(crate) fn plugin() -> &'static Path {
    harness::plugin!()
}

pub(crate) const ASSIGN: &str = "AssignPrivateIpAddresses";
pub(crate) const UNASSIGN: &str = "UnassignPrivateIpAddresses";

pub(crate) struct Stage {
    // Dropped in this order: the callers before the called.
    pub(crate) runtime: Containerd,
    pub(crate) calls: Wrapper,
    /// The cloud, the plugin's store and its configuration.
    pub(crate) node: Node,
}

impl Stage {
    /// A node with one network of type `ptp`.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same with another configuration of the plugin.
    pub(crate) fn with(change: impl FnOnce(&mut Node)) -> Self {
        let mut node = node();
        change(&mut node);
        Self::of(node, &[])
    }

    /// The same with further CNI plugins, under these names.
    pub(crate) fn with_plugins(plugins: &[(&str, &Path)]) -> Self {
        Self::of(node(), plugins)
    }

    fn of(node: Node, plugins: &[(&str, &Path)]) -> Self {
        let calls = Wrapper::new(plugin());
        let ipam = calls.path();
        let runtime = Containerd::start(&[&[("aliyun-eni-ipam", ipam.as_path())], plugins].concat());
        let stage = Self { runtime, calls, node };
        stage.use_conflist(&stage.node.ptp_conflist());
        stage
    }

    /// Has containerd use this configuration from now on.
    #[track_caller]
    pub(crate) fn use_conflist(&self, conflist: &Value) {
        self.runtime.write_conflist("pods", conflist);
    }

    /// The CNI commands that the plugin has got, in order.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.calls.calls().into_iter().map(|call| call.command).collect()
    }

    /// The pod's address, as containerd reports it.
    #[track_caller]
    pub(crate) fn address(&self, pod: &str) -> IpAddr {
        self.runtime.pod_ip(pod).parse().expect("the pod has an address")
    }

    /// Expects that these pods, and no others, have an address each: the same in the pod's network namespace, in the
    /// store under the pod's id, on the ENI, and in the ledger of what the cloud was asked.
    #[track_caller]
    pub(crate) fn expect_pods(&self, pods: &[&str]) {
        let of_pods: BTreeMap<String, Vec<IpAddr>> =
            pods.iter().map(|&pod| (pod.to_owned(), vec![self.address(pod)])).collect();
        for (pod, addresses) in &of_pods {
            let in_netns = self.runtime.pod_netns_addresses(pod);
            let in_netns: Vec<IpAddr> = in_netns.iter().filter_map(|address| address.parse().ok()).collect();
            assert_eq!(&in_netns, addresses, "the pod's network namespace and containerd");
        }
        self.node.expect_in_use(of_pods.values().flatten().copied());
        let of_container = |record: &Record| {
            (record.0["containerId"].as_str().unwrap_or_default().to_owned(), record.addresses().collect())
        };
        let recorded: BTreeMap<String, Vec<IpAddr>> = self.node.records().iter().map(of_container).collect();
        assert_eq!(recorded, of_pods, "the store and the pods");
    }

    /// Waits for what others do by themselves.
    #[track_caller]
    pub(crate) fn eventually(&self, what: &str, condition: impl FnMut() -> bool) {
        let met = holds_within(PATIENCE, condition);
        assert!(met, "waited in vain: {what}\n{}\n{}", self.node.scene(), self.runtime.log());
    }

    /// Waits until nothing is recorded any more.
    #[track_caller]
    pub(crate) fn eventually_empty(&self) {
        self.eventually("an empty store", || self.node.records().is_empty());
    }
}

/// A cloud and a configuration for runtimes. Credentials come from the instance's role, because the
/// environment is that of the runtime.
pub(crate) fn node() -> Node {
    let mut node = Node::new(plugin());
    node.cloud.with_world(|world| move_to_own_block(world, &node.cloud.endpoint()));
    node.set("credentials", json!({"source": "ecs-ram-role"}));
    node.set("routes", json!([{"dst": "0.0.0.0/0"}]));
    // The newest that Debian's plugins know.
    node.version = "1.0.0".into();
    node
}

/// Gives the vSwitch a block that nobody else on this machine uses: the pods of all tests share its routing
/// table. The simulator's port is nobody else's, so the block that is named after it is neither.
fn move_to_own_block(world: &mut World, endpoint: &str) {
    let port = endpoint.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    let [high, low] = port.expect("a port").to_be_bytes();
    let block = format!("10.{high}.{low}.0/24").parse().expect("a block");
    world.set_vswitch(block, [10, high, low, 253].into());
}
