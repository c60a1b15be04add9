//! Two network namespaces and the path between them, which can be cut in one direction.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use harness::eventually;

const CLIENT: &str = "192.0.2.1";
const SERVER: &str = "192.0.2.2";

/// The server's hardware address, and one that nobody has.
const SERVERS: &str = "02:00:00:00:00:02";
const NOBODYS: &str = "02:00:00:00:00:99";

/// The namespace of a client and that of a server.
pub(crate) struct Network {
    client: NameSpace,
    server: NameSpace,
}

/// A network namespace, which lives as long as this process.
struct NameSpace(Child);

impl Network {
    pub(crate) fn new() -> Self {
        let network = Self { client: NameSpace::new(), server: NameSpace::new() };
        let server = network.server.0.id().to_string();
        let pair = ["link", "add", "client", "type", "veth", "peer", "name", "server"];
        network.client.ip(&[&pair[..], &["address", SERVERS, "netns", &server]].concat());
        network.client.ip(&["address", "add", &format!("{CLIENT}/24"), "dev", "client"]);
        network.server.ip(&["address", "add", &format!("{SERVER}/24"), "dev", "server"]);
        network.client.ip(&["link", "set", "client", "up"]);
        network.server.ip(&["link", "set", "server", "up"]);
        network.heal();
        network
    }

    /// Nothing that the client sends arrives from here on. What the server sends does.
    pub(crate) fn cut(&self) {
        self.send_to(NOBODYS);
    }

    /// Everything arrives again.
    pub(crate) fn heal(&self) {
        self.send_to(SERVERS);
    }

    fn send_to(&self, hardware: &str) {
        let neighbour = ["neighbour", "replace", SERVER, "dev", "client", "nud", "permanent"];
        self.client.ip(&[&neighbour[..], &["lladdr", hardware]].concat());
    }

    /// A listener in the server's namespace.
    pub(crate) fn listen(&self) -> TcpListener {
        let path = self.server.path();
        let listening = thread::spawn(move || {
            let name_space = fs::File::open(path).unwrap();
            move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&name_space),
                Some(LinkNameSpaceType::Network),
            )
            .unwrap();
            TcpListener::bind(format!("{SERVER}:0")).unwrap()
        });
        listening.join().unwrap()
    }

    /// The arguments with which `nsenter` starts a program in the client's namespace.
    pub(crate) fn enter_client(&self) -> [String; 1] {
        [format!("--net={}", self.client.path().display())]
    }

    /// How many bytes the client's kernel keeps for the server at this address because they are not acknowledged. `None` if
    /// there is no connection.
    pub(crate) fn unacknowledged(&self, server: SocketAddr) -> Option<u64> {
        let table = fs::read_to_string(format!("/proc/{}/net/tcp", self.client.0.id())).unwrap();
        let to = format!("020200C0:{:04X}", server.port());
        table.lines().find_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let [_, _, remote, _, queues, ..] = words[..] else { return None };
            (remote == to).then(|| u64::from_str_radix(queues.split(':').next().unwrap(), 16).unwrap())
        })
    }
}

impl NameSpace {
    fn new() -> Self {
        let mut command = Command::new("unshare");
        let child = command.args(["--net", "sleep", "infinity"]).stdin(Stdio::null()).spawn().unwrap();
        let name_space = Self(child);
        let ours = fs::read_link("/proc/self/ns/net").unwrap();
        let has_begun = || fs::read_link(name_space.path()).is_ok_and(|it| it != ours);
        eventually("the process has its own network", has_begun);
        name_space
    }

    fn path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.0.id()).into()
    }

    fn ip(&self, arguments: &[&str]) {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg("ip").args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "ip {arguments:?}: {output:?}");
    }
}

impl Drop for NameSpace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
