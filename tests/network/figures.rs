//! Figures, printed and not judged: what a packet pays for the rules of other pods.
//! `NETWORK_FIGURES=1 cargo test --test network figures`

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use harness::Need;

use crate::cluster::Cluster;
use crate::inventory::VSwitches;
use crate::node::Links;
use crate::place::{Family, Place};
use crate::pod::Pod;
use crate::setup::{Setup, table};

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces, Need::Nftables, Need::StandardPlugins]:
        what_a_packet_pays_for_the_rules_of_other_pods;
}

/// How many other pods have rules.
const OTHERS: [u16; 4] = [0, 10, 110, 250];

/// How often each number is tried, in turn with the others.
const ROUNDS: usize = 31;

/// How many questions are asked one after the other, each time.
const ECHOES: usize = 200;

/// How many packets are sent to somebody who does not listen, each time.
const SENT: u32 = 1000;

/// The port of that one.
const SINK: u16 = 7001;

/// The pods whose packets are measured: one on the primary ENI, one on a secondary ENI.
const MEASURED: [usize; 2] = [0, 2];

/// Somebody who sends to the host elsewhere, and how long that took: there and back, and there.
struct Sender {
    name: String,
    socket: UdpSocket,
    echo: SocketAddr,
    sink: SocketAddr,
    took: [Vec<[f64; 2]>; OTHERS.len()],
}

impl Sender {
    fn new(cluster: &Cluster, name: &str, place: &Place, family: Family) -> Self {
        let any: SocketAddr = match family {
            Family::V4 => (Ipv4Addr::UNSPECIFIED, 0).into(),
            Family::V6 => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        // Not connected: who connects asks for the route only once.
        let socket = place.name_space.run(|| UdpSocket::bind(any)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let elsewhere = &cluster.elsewhere;
        let sink = (elsewhere.address(family), SINK).into();
        Self {
            name: format!("{name}, {}", if family == Family::V4 { "IPv4" } else { "IPv6" }),
            socket,
            echo: elsewhere.socket(family),
            sink,
            took: <[Vec<_>; OTHERS.len()]>::default(),
        }
    }

    /// In microseconds.
    fn measure(&mut self, index: usize) {
        let mut answer = [0; 256];
        let mut ask = || {
            let start = Instant::now();
            self.socket.send_to(b"?", self.echo).unwrap();
            let arrived = self.socket.recv(&mut answer).is_ok();
            arrived.then(|| microseconds(start.elapsed()))
        };
        // The first ones pay for what the kernel has to look up again because the rules have changed.
        for _ in 0..20 {
            let _ = ask();
        }
        let there_and_back = median((0..ECHOES).filter_map(|_| ask()).collect());
        let start = Instant::now();
        for _ in 0..SENT {
            self.socket.send_to(b"?", self.sink).unwrap();
        }
        let there = microseconds(start.elapsed()) / f64::from(SENT);
        self.took[index].push([there_and_back, there]);
    }

    /// The medians, and those of the ratios and differences to what it took in the same round where no other pod had rules.
    fn print(&self) {
        for (others, took) in OTHERS.iter().zip(&self.took) {
            let mut line = format!("{:<34}{others:>7}", self.name);
            for part in [0, 1] {
                let time = median(took.iter().map(|it| it[part]).collect());
                let pairs = || took.iter().zip(&self.took[0]).map(|(it, none)| (it[part], none[part]));
                let ratio = median(pairs().map(|(it, none)| it / none).collect());
                let more = median(pairs().map(|(it, none)| it - none).collect());
                write!(line, "{time:>11.2}{ratio:>7.3}{more:>7.2}").unwrap();
            }
            println!("{line}");
        }
    }
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The rules of the first node: of so many pods that are not there, and behind them, where they are found last, those of these pods.
struct Rules<'c> {
    cluster: &'c Cluster,
    pods: Vec<&'c Pod>,
    others: u16,
}

impl<'c> Rules<'c> {
    fn new(cluster: &'c Cluster) -> Self {
        let (mut pods, mut idle) = (Vec::new(), Vec::new());
        for (index, pod) in cluster.pods[0].iter().enumerate() {
            if MEASURED.contains(&index) { pods.push(pod) } else { idle.push(pod) }
        }
        let rules = Self { cluster, pods, others: 0 };
        rules.run(|family| idle.iter().map(|pod| rules.of_pod("del", pod, family)).collect());
        rules
    }

    fn of_pod(&self, verb: &str, pod: &Pod, family: Family) -> String {
        rule(verb, &pod.place.address(family).to_string(), table(&self.cluster.nodes[0], pod.eni))
    }

    fn set(&mut self, others: u16) {
        let (verb, numbers) =
            if others > self.others { ("add", self.others..others) } else { ("del", others..self.others) };
        let secondary = table(&self.cluster.nodes[0], 1);
        self.run(|family| {
            let mut lines: String = numbers
                .clone()
                .map(|number| match family {
                    Family::V4 => rule(verb, &format!("10.77.{}.{}", number / 256, number % 256), secondary),
                    Family::V6 => rule(verb, &format!("fd77::{:x}", number + 1), secondary),
                })
                .collect();
            for pod in &self.pods {
                for verb in ["del", "add"] {
                    lines += &self.of_pod(verb, pod, family);
                }
            }
            lines
        });
        self.others = others;
    }

    fn run(&self, lines: impl Fn(Family) -> String) {
        let node = self.cluster.nodes[0].name_space();
        node.ip(&lines(Family::V4));
        node.ip6(&lines(Family::V6));
    }
}

fn rule(verb: &str, address: &str, table: u32) -> String {
    format!("rule {verb} preference 2048 protocol kernel from {address} lookup {table}\n")
}

fn what_a_packet_pays_for_the_rules_of_other_pods() {
    let [plugin, alone] = [Setup::Plugin, Setup::PtpAlone]
        .map(|setup| Cluster::new(setup.kind(VSwitches::Two, Links::Bare), setup));
    let _sinks = [&plugin, &alone].map(|cluster| {
        let every = SocketAddr::from((Ipv6Addr::UNSPECIFIED, SINK));
        cluster.elsewhere.name_space.run(|| UdpSocket::bind(every)).unwrap()
    });
    let mut senders = Vec::new();
    for family in Family::BOTH {
        let [primary, secondary] = MEASURED.map(|index| &plugin.pods[0][index].place);
        for (cluster, name, place) in [
            (&alone, "pod of primary ENI, ptp alone", &alone.pods[0][MEASURED[0]].place),
            (&plugin, "pod of primary ENI", primary),
            (&plugin, "pod of secondary ENI", secondary),
            (&plugin, "node", &plugin.nodes[0].place),
        ] {
            senders.push(Sender::new(cluster, name, place, family));
        }
    }
    let mut rules = Rules::new(&plugin);
    for round in 0..ROUNDS {
        for turn in 0..OTHERS.len() {
            let index = (round + turn) % OTHERS.len();
            rules.set(OTHERS[index]);
            for sender in &mut senders {
                sender.measure(index);
            }
        }
    }
    println!("to a host elsewhere: microseconds, ratio and difference to no other pods' rules");
    println!("{:<34}{:>7}{:>25}{:>25}", "from", "others", "there and back", "there");
    senders.iter().for_each(Sender::print);
}
