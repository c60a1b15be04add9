//! Figures, printed and not judged: `cargo test --release --test plugin figures -- --ignored --nocapture --test-threads 1`.

mod metrics;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Node, World};
use serde_json::json;

use crate::{node, node_in};

/// The median of some durations in milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// The median duration of a call that is made 200 times.
fn time(plugin: &Path, command: &str, container: &str, stdin: &Path) -> f64 {
    let once = || {
        let mut call = Command::new(plugin);
        call.env_clear()
            .env("CNI_COMMAND", command)
            .env("CNI_CONTAINERID", container)
            .env("CNI_IFNAME", "eth0");
        call.env("CNI_PATH", "/opt/cni/bin").stdin(std::fs::File::open(stdin).unwrap()).stdout(Stdio::null());
        let start = Instant::now();
        assert!(call.status().unwrap().success());
        start.elapsed()
    };
    median((0..200).map(|_| once()).collect())
}

#[test]
#[ignore = "it prints figures"]
fn dels_at_once() {
    for count in [30, 110] {
        let node = node().with("timeoutSeconds", 60).with("logLevel", "info");
        let containers: Vec<_> = (0..count).map(|number| format!("c{number}")).collect();
        for container in &containers {
            let _ = node.add(container).address();
        }
        let _ = node.add("alone").address();
        node.cloud.set_latency(Duration::from_millis(200));
        let start = Instant::now();
        node.del("alone").ok();
        let one = start.elapsed();
        node.cloud.clear_ledger();
        let start = Instant::now();
        let running: Vec<_> =
            containers.iter().map(|container| node.call("DEL", container).start()).collect();
        for call in running {
            call.wait().ok();
        }
        let all = start.elapsed();
        assert!(node.on_eni().is_empty());
        println!(
            "{count} DELs at once, ECS answers after 200 ms: {} Unassign calls, {} overlaps, {} ms in all; one DEL alone {} \
             ms",
            node.cloud.count("UnassignPrivateIpAddresses"),
            node.cloud.overlaps(),
            all.as_millis(),
            one.as_millis()
        );
    }
}

#[test]
#[ignore = "it prints figures"]
fn start_up_and_growth() {
    let world = World::single_node().with_vswitch("192.168.0.0/20", "192.168.15.253").with_quota(2100, 10);
    let node = node_in(world).with("logLevel", "info");
    let stdin = node.directory().join("stdin");
    std::fs::write(&stdin, node.config().to_string()).unwrap();
    println!("VERSION: {:.2} ms", time(node.plugin(), "VERSION", "", &stdin));
    println!("DEL without a record, no store: {:.2} ms", time(node.plugin(), "DEL", "nobody", &stdin));
    for records in [1, 1000] {
        while node.on_eni().len() < records {
            let _ = node.add(&format!("c{}", node.on_eni().len())).address();
        }
        println!(
            "DEL without a record, {records} active: {:.2} ms",
            time(node.plugin(), "DEL", "nobody", &stdin)
        );
        println!(
            "DEL and ADD with {records} active: {:.1} ms",
            median((0..50).map(|_| add_and_del(&node)).collect())
        );
    }
    host_local(&node);
}

fn add_and_del(node: &Node) -> Duration {
    let start = Instant::now();
    let _ = node.add("measured").address();
    node.del("measured").ok();
    start.elapsed()
}

/// The same for the reference plugin, where Debian's package of it is installed.
fn host_local(node: &Node) {
    let plugin = Path::new("/usr/lib/cni/host-local");
    if !plugin.exists() {
        println!("host-local: {} is not installed, so there is nothing to compare with", plugin.display());
        return;
    }
    let stdin = node.directory().join("host-local");
    let config = json!({"cniVersion": "1.0.0", "name": "pods", "type": "ptp", "ipam": {"type": "host-local",
        "dataDir": node.directory().join("networks"), "ranges": [[{"subnet": "192.168.0.0/20"}]]}});
    std::fs::write(&stdin, config.to_string()).unwrap();
    println!("host-local: VERSION {:.2} ms", time(plugin, "VERSION", "", &stdin));
    println!("host-local: DEL without a record {:.2} ms", time(plugin, "DEL", "nobody", &stdin));
}

/// What a chained ADD costs with so many pods' rules on the node: it does not grow.
#[test]
#[ignore = "prints figures"]
fn a_chained_add_among_the_rules_of_many_pods() {
    let node = harness::RoutedNode::new(harness::plugin!());
    node.name_space.run(|| {
        let pod = node.add("pod");
        let mut there = 1;
        for count in [1, 10, 110, 250] {
            for nth in there..count {
                let rule =
                    format!("rule add pref 2048 from 10.0.0.{nth} lookup {} protocol kernel", harness::TABLE);
                node.name_space.ip(&rule);
            }
            there = count;
            let mut times: Vec<_> = (0..31)
                .map(|_| {
                    node.chained("DEL", "pod", Some(&pod.result)).run().ok();
                    let start = std::time::Instant::now();
                    let _ = node.chained("ADD", "pod", Some(&pod.result)).run().addresses();
                    start.elapsed()
                })
                .collect();
            times.sort();
            let trace = node.node.directory().join("trace");
            let arguments = ["-f", "-qq", "-o", &trace.display().to_string()].map(str::to_owned);
            let call = node.chained_here("ADD", "pod", Some(&pod.result)).under("strace", &arguments);
            let _ = node.there(call).run().addresses();
            let calls = std::fs::read_to_string(trace).unwrap().lines().count();
            println!("{count} rules: {:?} (median of 31), {calls} system calls", times[15]);
        }
    });
}
