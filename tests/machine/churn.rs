//! Many pods come and go at once, calls are killed, and links go and come back: in the end the kernel has what living pods need.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use harness::simulator::AddressPolicy;
use harness::{Added, Calling, RoutedNode, TABLE, World};

harness::tests! {
    needs [harness::Need::Root, harness::Need::NetworkNamespaces]:
        after_many_adds_dels_and_kills_there_are_the_rules_of_living_pods_and_no_others,
        what_a_link_loses_is_shown_and_comes_back_with_the_next_add;
}

/// So many runtimes' threads work at once, on so many pods each, one after the other.
const AT_ONCE: u64 = 20;
const PODS_EACH: u64 = 10;

/// Numbers that look random and are the same in every run: how the processes fell between each other is not.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// Makes a call, or kills it at some moment: whether it has ended well.
    fn survives(&mut self, call: Calling<'_>) -> bool {
        let mut running = call.start();
        if self.below(4) > 0 {
            let answer = running.wait();
            if answer.status() != 0 {
                answer.fail("success");
            }
            return true;
        }
        thread::sleep(Duration::from_micros(self.below(30_000)));
        let ended = !running.is_running();
        running.kill();
        ended
    }
}

fn node() -> RoutedNode {
    let world = World::single_node().with_policy(AddressPolicy::LowestFree);
    let mut node = RoutedNode::in_world(harness::plugin!(), world);
    node.node.set("timeoutSeconds", 60);
    node
}

/// A pod comes and, unless it is the last of its thread, goes. Calls are killed on the way, and the runtime goes on as it does: it
/// calls DEL for an ADD that failed, and calls a DEL again until it succeeds.
fn live(node: &RoutedNode, dice: &mut Dice, pod: &str, stays: bool) -> Option<Added> {
    let result = node.ipam_add(pod);
    let added = dice.survives(node.chained("ADD", pod, Some(&result)));
    let addresses: Vec<IpAddr> = harness::addresses_of(&result);
    if stays && added {
        return Some(Added { result, addresses });
    }
    for address in &addresses {
        let entry = format!(
            "-I -p udp -s {address} -d 10.9.9.9 --sport 1 --dport 2 -r 10.9.9.9 -q {address} \
             --reply-port-src 2 --reply-port-dst 1 -t 600"
        );
        let _ = node.name_space.attempt("conntrack", &entry.split_whitespace().collect::<Vec<_>>(), "");
    }
    while !dice.survives(node.chained("DEL", pod, Some(&result))) || !dice.survives(node.ipam("DEL", pod)) {}
    // Every pod gets at least two DELs.
    node.del(pod, None);
    None
}

fn after_many_adds_dels_and_kills_there_are_the_rules_of_living_pods_and_no_others() {
    let node = node();
    let living: Vec<Added> = node.name_space.run(|| {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..AT_ONCE)
                .map(|nth| {
                    let node = &node;
                    scope.spawn(move || {
                        let mut dice = Dice(nth + 1);
                        let pods =
                            (0..PODS_EACH).map(|pod| (format!("pod-{nth}-{pod}"), pod + 1 == PODS_EACH));
                        pods.filter_map(|(pod, stays)| live(node, &mut dice, &pod, stays)).collect::<Vec<_>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|it| it.join().unwrap()).collect()
        })
    });
    assert!(!living.is_empty(), "a pod has survived");
    let kernel = node.kernel();
    let alive: BTreeSet<IpAddr> = living.iter().flat_map(|it| it.addresses.clone()).collect();
    for address in &alive {
        assert_eq!(kernel.tables_of(*address), [TABLE], "the rule for {address}\n{kernel:#?}");
    }
    let ours = kernel.rules().filter(|rule| rule.contains(" 2048: "));
    assert_eq!(ours.count(), alive.len(), "rules for {alive:?} and no others: {kernel:#?}");
    let (_, tracked, _) = node.name_space.attempt("conntrack", &["-L"], "");
    for line in tracked.lines().filter(|line| line.contains("10.9.9.9")) {
        assert!(alive.iter().any(|it| line.contains(&format!("={it} "))), "of a pod that is gone: {line}");
    }
    let shown = node.name_space.run(|| node.command(&["routes"]).run());
    assert_eq!(shown.status(), 0, "{}", shown.stdout());
}

fn what_a_link_loses_is_shown_and_comes_back_with_the_next_add() {
    let node = node();
    node.name_space.run(|| {
        let first = node.add("first");
        let shown = node.command(&["routes"]).run();
        assert_eq!(shown.status(), 0, "{}", shown.stdout());
        let whole = node.kernel();
        let losses: [fn(&RoutedNode); 2] = [
            |node| node.name_space.ip("link set eth1 down\nlink set eth1 up"),
            |node| {
                node.detach("eth1");
                node.attach("eth1");
            },
        ];
        for (nth, lose) in losses.into_iter().enumerate() {
            lose(&node);
            assert_ne!(node.kernel(), whole);
            let shown = node.command(&["routes"]).run();
            assert_eq!(shown.status(), 1, "{}", shown.stdout());
            assert!(shown.stdout().contains("eth1"), "{}", shown.stdout());
            let next = node.add(&format!("next-{nth}"));
            let shown = node.command(&["routes"]).run();
            assert_eq!(shown.status(), 0, "{}", shown.stdout());
            node.del(&format!("next-{nth}"), Some(&next.result));
            let kernel = node.kernel();
            assert!(kernel == whole, "{}", kernel.difference(&whole));
        }
        node.del("first", Some(&first.result));
    });
}
