//! Pods that start and end together, and pods that come and go: requests, wall time, and the disk's fsync beside it.
//!
//! Unlike in the tests, nothing is held back: this is what a node sees. `BUDGETS_BINARY` names a release binary to measure, and
//! `FIGURES_BEFORE` another one, whose figures are printed beside, in turns.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Node, Timed, World, at_once, last_of, needs};

use super::median;
use crate::start_together::{ASSIGN, PODS, UNASSIGN, limit_requests, names, warm_up};

/// A binary to be measured, and how it is named in the table.
pub(super) struct Binary {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
}

/// The binary under test, and one from before if the environment names it.
pub(super) fn binaries() -> Vec<Binary> {
    let path = needs::release_binary().unwrap_or_else(|| harness::plugin!().into());
    let before = std::env::var_os("FIGURES_BEFORE").map(|path| Binary { name: "before", path: path.into() });
    before.into_iter().chain([Binary { name: "now", path }]).collect()
}

/// A node as most are: the deadline and the log of the defaults.
fn node_of(binary: &Binary, world: World) -> Node {
    let mut node = Node::in_world(&binary.path, world);
    node.ipam.remove("timeoutSeconds");
    node.set("logLevel", "info");
    node
}

/// How long the disk of the stores takes to make a small file durable: the median of many, in milliseconds.
fn fsync_time(directory: &Path) -> f64 {
    let once = |number: usize| {
        let mut file = fs::File::create(directory.join(format!("probe{number}"))).unwrap();
        file.write_all(b"{}").unwrap();
        let start = Instant::now();
        file.sync_data().unwrap();
        start.elapsed()
    };
    median((0..50).map(once).collect())
}

/// How many of the answers are no success.
fn failed(answers: &[Timed]) -> usize {
    answers.iter().filter(|timed| timed.answer.status() != 0).count()
}

/// Calls at once, what they cost, and what they would cost if nothing but ECS took time.
fn print_together(node: &Node, what: &str, pods: &[String], verb: &str, latency: Duration) {
    let actions = if verb == "ADD" { ASSIGN } else { UNASSIGN };
    node.cloud.set_latency(latency);
    node.cloud.clear_ledger();
    let answers = at_once(pods.iter().map(|pod| node.call(verb, pod)));
    node.cloud.set_latency(Duration::ZERO);
    let counts = actions.map(|action| node.cloud.count(action));
    let requests = counts.iter().sum::<usize>();
    let wall = last_of(&answers).as_secs_f64();
    let ideal = f64::from(u32::try_from(requests).unwrap()) * latency.as_secs_f64();
    println!(
        "{what:38} {verb} {:4} ms: {:3} + {:2} requests, {:2} failed, {wall:6.2} s = {:4.2} x requests x latency {:+5.2} s, {} overlaps",
        latency.as_millis(),
        counts[0],
        counts[1],
        failed(&answers),
        wall / ideal,
        wall - ideal,
        node.cloud.overlaps(),
    );
}

#[test]
#[ignore = "it prints figures"]
fn pods_that_start_and_end_together() {
    println!(
        "{PODS} calls at once; one fsync takes {:.2} ms",
        fsync_time(tempfile::tempdir().unwrap().path())
    );
    for (limit, families) in [(32, 1), (10, 1), (32, 2), (10, 2)] {
        for latency in [50, 200, 500].map(Duration::from_millis) {
            for binary in binaries() {
                let node = node_of(&binary, World::single_node()).with("ipv6", families == 2);
                let pods = names("c", PODS);
                let what = format!("{}, ECS takes {limit}, {families} families", binary.name);
                limit_requests(&node, limit);
                // That a hundred calls describe the ENI first is not what is measured.
                warm_up(&node);
                print_together(&node, &what, &pods, "ADD", latency);
                for pod in &pods {
                    // Where an ADD has failed.
                    let _ = node
                        .call("ADD", pod)
                        .config(|config| config["ipam"]["timeoutSeconds"] = 60.into())
                        .run();
                }
                let forgotten = fs::read_dir(node.store().join("eni")).into_iter().flatten().flatten();
                // DELs have to learn by themselves what ECS takes.
                for state in forgotten.filter(|file| file.path().extension().is_some_and(|it| it == "json")) {
                    fs::remove_file(state.path()).unwrap();
                }
                print_together(&node, &what, &pods, "DEL", latency);
                let (on_eni, counts, reserved) = (node.on_eni().len(), node.counts(), node.reserved());
                if (on_eni, counts, reserved) != (0, [0; 4], 0) {
                    println!("    left over: {on_eni} on the ENI, records {counts:?}, {reserved} reserved");
                }
            }
        }
    }
}

#[test]
#[ignore = "it prints figures"]
fn pods_that_start_while_others_end() {
    for latency in [50, 200, 500].map(Duration::from_millis) {
        for binary in binaries() {
            let node = node_of(&binary, World::single_node());
            let (old, new) = (names("old", 50), names("new", 50));
            let _ = at_once(old.iter().map(|pod| node.call("ADD", pod)));
            node.cloud.set_latency(latency);
            node.cloud.clear_ledger();
            let calls = old.iter().zip(&new);
            let calls = calls.flat_map(|(old, new)| [node.call("DEL", old), node.call("ADD", new)]);
            let answers = at_once(calls);
            let counts = [ASSIGN, UNASSIGN].map(|[action, _]| node.cloud.count(action));
            let last = |first: usize| answers.iter().skip(first).step_by(2).map(|it| it.after).max().unwrap();
            println!(
                "{}: 50 ADDs and 50 DELs at once, {} ms: {} assign, {} unassign, {} failed; the last DEL after {:.2} s, \
                 the last ADD after {:.2} s, {} overlaps",
                binary.name,
                latency.as_millis(),
                counts[0],
                counts[1],
                failed(&answers),
                last(0).as_secs_f64(),
                last(1).as_secs_f64(),
                node.cloud.overlaps(),
            );
        }
    }
}

/// One pod every 0.3 s, and pods as fast as they can, with reserves of ten and none.
#[test]
#[ignore = "it prints figures"]
fn pods_that_come_and_go() {
    for (reserve, every) in [(10, 300), (10, 0), (0, 0)] {
        let node = node_of(&binaries().pop().unwrap(), World::single_node());
        let node = node.with("reserve", reserve).with("reuseDelaySeconds", 1);
        let (mut adds, mut dels) = (Vec::new(), Vec::new());
        for pod in names("c", 100) {
            let start = Instant::now();
            let _ = node.add(&pod).address();
            adds.push(start.elapsed());
            let added = Instant::now();
            node.del(&pod).ok();
            dels.push(added.elapsed());
            thread::sleep(Duration::from_millis(every).saturating_sub(start.elapsed()));
        }
        println!(
            "reserve {reserve}, 100 pods, one every {every} ms: {} requests ({} assign, {} unassign), ADD {:.1} ms, DEL {:.1} ms \
             (medians), {} in the reserve at the end",
            node.cloud.ledger().len(),
            node.cloud.count(ASSIGN[0]),
            node.cloud.count(UNASSIGN[0]),
            median(adds),
            median(dels),
            node.reserved(),
        );
    }
}

/// A DEL among many records and one among few, in turns.
#[test]
#[ignore = "it prints figures"]
fn a_del_among_many_records() {
    const ROUNDS: usize = 101;
    for binary in binaries() {
        let is_before = binary.name == "before";
        // With a reserve that is empty, one that is full of others' addresses, and one that has room.
        for reserve in [0, 10, 1000].into_iter().take(if is_before { 1 } else { 3 }) {
            let nodes = [(10, 10), (20_000, 500)].map(|(active, entries)| {
                let node = node_of(&binary, World::single_node());
                node.crowd(active, if is_before { 0 } else { entries });
                node
            });
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                for (node, times) in nodes.iter().zip(&mut times) {
                    let _ = node.add("measured").address();
                    let call =
                        node.call("DEL", "measured").config(|it| it["ipam"]["reserve"] = reserve.into());
                    let start = Instant::now();
                    call.run().ok();
                    times.push(start.elapsed());
                }
            }
            let [few, many] = times.map(median);
            println!(
                "{}: a DEL with reserve {reserve}, median of {ROUNDS}: {few:.2} ms among 10 records, {many:.2} ms among 20000 \
                 and 500 reserved: {:.3}",
                binary.name,
                many / few
            );
        }
    }
}
