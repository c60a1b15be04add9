//! A node whose instance metadata is switched off, so that the ENI's link is what proves that the ENI is this node's. Each test
//! has a network namespace with links of its own, and a way from there to the simulated cloud.

use std::fs;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use harness::{Answer, Calling, Need, Node, World};

use crate::node;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces]:
        a_link_with_the_enis_hardware_address_proves_that_the_eni_is_here,
        a_bridge_that_has_kept_the_enis_hardware_address_proves_nothing,
        when_the_link_goes_nothing_is_released_any_more;
}

const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// A network namespace of this name, as `ip netns` has it: with a view of `/sys` that shows its links.
struct Machine(String);

impl Machine {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let machine = Self(format!("eni-link-{}-{count}", std::process::id()));
        ip(&["netns", "add", &machine.0]);
        machine.ip(&["link", "set", "lo", "up"]);
        machine
    }

    fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", self.0.as_str()], arguments].concat());
    }

    /// A link that looks like the ENI's.
    fn attach(&self, mac: &str) {
        self.ip(&["tuntap", "add", "eth1", "mode", "tap"]);
        self.ip(&["link", "set", "eth1", "address", mac]);
    }

    fn detach(&self) {
        self.ip(&["link", "delete", "eth1"]);
    }

    /// A bridge with a hardware address that somebody has set.
    fn bridge(&self, mac: &str) {
        self.ip(&["link", "add", "br0", "type", "bridge"]);
        self.ip(&["link", "set", "br0", "address", mac]);
    }

    /// Makes a server of the test's network reachable at the same address of this machine's loopback.
    fn reach(&self, server: SocketAddr) {
        let path = format!("/run/netns/{}", self.0);
        let listening = thread::spawn(move || {
            let name_space = fs::File::open(path).unwrap();
            move_into_link_name_space(name_space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            TcpListener::bind(server).unwrap()
        });
        let listener = listening.join().unwrap();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
                pass_on(client.try_clone().unwrap(), server.try_clone().unwrap());
                pass_on(server, client);
            }
        });
    }

    /// Makes a call or a command one of this machine.
    fn on<'n>(&self, call: Calling<'n>) -> Calling<'n> {
        call.under("ip", &["netns", "exec", &self.0].map(str::to_owned))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.0]);
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {output:?}");
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        // Either side may be gone: the other one is told.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// A node on `machine` that knows everything without metadata, and has none.
fn without_metadata(machine: &Machine) -> Node {
    let mut node = node().with("regionId", World::REGION_ID);
    machine.reach(node.cloud.endpoint().trim_start_matches("http://").trim_end_matches('/').parse().unwrap());
    node.set("metadataEndpoint", "http://127.0.0.1:1");
    node.set("subnet", "192.168.0.0/24");
    node.set("gateway", "192.168.0.253");
    node
}

fn mac(node: &Node) -> String {
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).mac.clone())
}

fn add(machine: &Machine, node: &Node, container: &str) -> Answer {
    machine.on(node.call("ADD", container)).run()
}

fn del(machine: &Machine, node: &Node, container: &str) {
    machine.on(node.call("DEL", container)).run().ok();
}

fn a_link_with_the_enis_hardware_address_proves_that_the_eni_is_here() {
    let machine = Machine::new();
    let node = without_metadata(&machine);
    let text = add(&machine, &node, "c0").error(11);
    assert!(text.contains("cannot prove that") && text.contains(&mac(&node)), "{text}");
    machine.attach(&mac(&node));
    let address = add(&machine, &node, "c0").address();
    assert!(node.on_eni().contains(&address));
    del(&machine, &node, "c0");
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
    assert!(node.cloud.metadata_requests().is_empty());
}

fn a_bridge_that_has_kept_the_enis_hardware_address_proves_nothing() {
    let machine = Machine::new();
    let node = without_metadata(&machine);
    machine.bridge(&mac(&node));
    let text = add(&machine, &node, "c0").error(11);
    assert!(text.contains("cannot prove that"), "{text}");
    assert!(node.on_eni().is_empty(), "{}", node.scene());
}

fn when_the_link_goes_nothing_is_released_any_more() {
    let machine = Machine::new();
    let node = without_metadata(&machine);
    machine.attach(&mac(&node));
    // It stays when the ENI has gone.
    machine.bridge(&mac(&node));
    let address = add(&machine, &node, "c0").address();
    machine.detach();
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = Some("i-another".into()));
    del(&machine, &node, "c0");
    assert_eq!((node.cloud.count(UNASSIGN), node.counts()), (0, [0, 0, 1, 0]), "{}", node.scene());
    // It comes back.
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = Some(World::INSTANCE_ID.into()));
    machine.attach(&mac(&node));
    let flushed = machine.on(node.command(&["flush"])).run();
    assert_eq!(flushed.status(), 0, "{flushed:?}");
    assert!(!node.on_eni().contains(&address) && node.records().is_empty(), "{}", node.scene());
}
