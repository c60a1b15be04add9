//! What an ADD and a DEL cost with and without `metricsFile`, in turns. `BUDGETS_BINARY` names a release binary to measure, and
//! `FIGURES_BEFORE` another one.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use harness::{Calling, Node, needs};

use super::median;

/// How often each call is made.
const RUNS: usize = 151;

/// A binary to be measured, and how it is named in the table.
struct Binary {
    name: &'static str,
    path: PathBuf,
}

/// The binary under test, and one from before if the environment names it.
fn binaries() -> Vec<Binary> {
    let path = needs::release_binary().unwrap_or_else(|| harness::plugin!().into());
    let before = std::env::var_os("FIGURES_BEFORE").map(|path| Binary { name: "before", path: path.into() });
    before.into_iter().chain([Binary { name: "now", path }]).collect()
}

/// A warm node with one other pod.
fn node_of(binary: &Binary, metrics: bool) -> Node {
    let mut node = Node::new(&binary.path);
    node.ipam.remove("logLevel");
    if metrics {
        let path = node.directory().join("aliyun-eni-ipam.prom");
        node.set("metricsFile", path.to_str().unwrap());
    }
    let _ = (node.add("neighbour").address(), node.add("measured").address());
    node.del("measured").ok();
    node
}

/// An ADD and a DEL, with something that is done to each.
fn add_and_del<'n>(node: &'n Node, mut each: impl FnMut(&str, Calling<'n>)) {
    for verb in ["ADD", "DEL"] {
        each(verb, node.call(verb, "measured"));
    }
}

/// How many system calls each makes: the least of some.
fn system_calls(node: &Node) -> [usize; 2] {
    let report = node.directory().join("trace");
    let strace = ["-f", "-qq", "-e", "signal=none", "-o", &report.display().to_string()].map(str::to_owned);
    let mut least = [usize::MAX; 2];
    for _ in 0..5 {
        add_and_del(node, |verb, call| {
            let answer = call.under("strace", &strace).run();
            assert_eq!(answer.status(), 0, "{answer:?}");
            let trace = fs::read_to_string(&report).unwrap();
            let calls = trace.lines().filter(|line| !line.contains("<... ")).count();
            let least = &mut least[usize::from(verb == "DEL")];
            *least = calls.min(*least);
        });
    }
    least
}

#[test]
#[ignore = "it prints figures"]
fn calls_with_and_without_metrics() {
    let binaries = binaries();
    let nodes: Vec<_> = binaries
        .iter()
        .flat_map(|binary| [false, true].map(|metrics| (binary.name, metrics, node_of(binary, metrics))))
        .collect();
    let mut times = vec![[Vec::new(), Vec::new()]; nodes.len()];
    for _ in 0..RUNS {
        for ((_, _, node), times) in nodes.iter().zip(&mut times) {
            add_and_del(node, |verb, call| {
                let start = Instant::now();
                let answer = call.run();
                times[usize::from(verb == "DEL")].push(start.elapsed());
                assert_eq!(answer.status(), 0, "{answer:?}");
            });
        }
    }
    for ((name, metrics, node), [add, del]) in nodes.into_iter().zip(times) {
        let [add_calls, del_calls] = system_calls(&node);
        println!(
            "{name:6} metricsFile {metrics:5}: ADD {:6.2} ms, {add_calls} system calls; DEL {:6.2} ms, {del_calls} system calls",
            median(add),
            median(del),
        );
    }
}
