//! Figures of the chained plugin, printed and not judged:
//! `cargo test --release --test plugin figures -- --ignored --nocapture`. Those of the IPAM plugin are in benches/figures.

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
