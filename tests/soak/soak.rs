//! One soak: phases of chaos, and after each of them rest.

use std::any::Any;
use std::fs;
use std::path::PathBuf;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use harness::simulator::AddressPolicy;
use harness::{Effect, Fault, Node, World};

use crate::dice::Dice;
use crate::pods::Pods;
use crate::report::{Broken, Reports, Tally};
use crate::rest::{Rest, come_to_rest};
use crate::runtime::Runtime;
use crate::watch::watch;
use crate::{ASSIGN, DESCRIBE, UNASSIGN};

/// How long the chaos lasts before everything comes to rest and is looked at.
const PHASE: Duration = Duration::from_secs(3);

/// How many calls at a time each node has.
const WORKERS: u64 = 6;

/// How far descriptions lag behind in the chaos: less than the plugin takes into account, and longer than most pods live.
const DESCRIBE_LAG: Duration = Duration::from_secs(2);

/// How many addresses every other node keeps for new pods, and how long they rest: less than a phase.
const RESERVE: usize = 3;
const REST: Duration = Duration::from_secs(1);

/// How a soak is to be done.
pub(crate) struct Settings {
    pub(crate) plugin: PathBuf,
    pub(crate) length: Duration,
    /// At least so many operations, however long they take.
    pub(crate) operations: u64,
    /// How many nodes there are, each with a cloud of its own.
    pub(crate) nodes: u64,
    pub(crate) seed: u64,
}

/// What a soak has seen.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) phases: u64,
    pub(crate) broken: Option<(Broken, String)>,
    /// What helps to see why.
    pub(crate) scene: String,
}

/// Soaks until the time is over and the operations are done, or until a promise is broken.
pub(crate) fn soak(settings: &Settings) -> Outcome {
    let reports = Reports::default();
    thread::scope(|scope| {
        let one = |number| {
            let reports = &reports;
            scope.spawn(move || soak_node(settings, number, reports))
        };
        let nodes: Vec<_> = (0..settings.nodes).map(one).collect();
        let mut outcome = Outcome::default();
        for node in nodes {
            let of_one = node.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome.tally += of_one.tally;
            outcome.phases += of_one.phases;
            outcome.scene += &of_one.scene;
        }
        outcome.broken = reports.first();
        outcome
    })
}

fn soak_node(settings: &Settings, number: u64, all_reports: &Reports<'_>) -> Outcome {
    let seed = settings.seed.wrapping_mul(settings.nodes).wrapping_add(number);
    // Released addresses are handed out again at once, so that a late release would find a new owner.
    let world =
        World::single_node().with_policy(AddressPolicy::LowestFree).with_quota(200, 200).with_seed(seed);
    let mut node = Node::in_world(&settings.plugin, world).with("gcGraceSeconds", 0).with("logLevel", "info");
    if number % 2 == 1 {
        // Every other pod is of a network without one.
        node.set("reserve", RESERVE);
        node.set("reuseDelaySeconds", REST.as_secs());
    }
    let (pods, reports) = (Pods::default(), Reports::of(all_reports));
    let start = Instant::now();
    let mut phases = 0_u64;
    let goes_on = |phases| {
        let operations = pods.tally().operations();
        phases == 0
            || start.elapsed() < settings.length
            || operations < settings.operations.div_ceil(settings.nodes)
    };
    while goes_on(phases) && !reports.any() {
        let seed_of_phase = seed ^ phases.wrapping_mul(0xd134_2543_de82_ef95);
        // Four nodes meet all situations in two phases, and the first rest leaves nothing in doubt that could hide one.
        let begins = if phases % 2 == 1 { Begins::WithBoot } else { Begins::AsItWas };
        make_chaos(&mut node, &pods, &reports, seed_of_phase, (begins, number + 4 * phases));
        if !reports.any() {
            let rest = match phases % 3 {
                0 => Rest::Long,
                1 => Rest::PassersBy,
                _ => Rest::Short,
            };
            come_to_rest(&mut node, &pods, &reports, rest);
        }
        phases += 1;
    }
    if !reports.any() {
        pods.delete_all(&node);
        come_to_rest(&mut node, &pods, &reports, Rest::Long);
    }
    let scene = if reports.has_reported() { node.scene().to_string() } else { String::new() };
    Outcome { tally: pods.tally(), phases, broken: None, scene }
}

/// How a phase begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    AsItWas,
    /// The node boots.
    WithBoot,
}

/// One phase of chaos, which begins with one situation of its own.
fn make_chaos(
    node: &mut Node,
    pods: &Pods,
    reports: &Reports<'_>,
    seed: u64,
    (begins, situation): (Begins, u64),
) {
    node.set("timeoutSeconds", 2);
    node.cloud.set_description_lag(Node::ENI, DESCRIBE_LAG);
    node.cloud.set_latency(Duration::from_millis(5));
    let conflist = node.directory().join("chaos.conflist");
    fs::write(&conflist, node.conflist().to_string()).expect("the configuration can be written");
    let runtime = Runtime { node, pods, reports, conflist: &conflist, end: Instant::now() + PHASE };
    let node = runtime.node;
    if begins == Begins::WithBoot {
        runtime.reboot(&mut Dice::new(!seed));
    }
    thread::scope(|scope| {
        let watching = scope.spawn(move || watch(runtime));
        let beginning = scope.spawn(move || runtime.one_situation(situation, &mut Dice::new(seed)));
        finish(beginning, reports);
        inject_faults(node);
        let workers: Vec<_> = (1..=WORKERS)
            .map(|worker| scope.spawn(move || runtime.trouble(Dice::new(seed.wrapping_add(worker << 32)))))
            .collect();
        for thread in workers.into_iter().chain([watching]) {
            finish(thread, reports);
        }
    });
}

/// Waits for a thread. One that panics has seen a call that did not do as expected.
fn finish(thread: ScopedJoinHandle<'_, ()>, reports: &Reports<'_>) {
    if let Err(panic) = thread.join() {
        reports.report(Broken::Stall, format!("a call did not do as expected: {}", text_of(&*panic)));
    }
}

/// The first lines of a panic: the rest is a scene.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or_default().lines().take(4).collect::<Vec<_>>().join(" ")
}

fn inject_faults(node: &Node) {
    let late = Effect::Late(Duration::from_millis(1200));
    for (action, probability, effect) in [
        (UNASSIGN, 0.03, Effect::DropBefore),
        (UNASSIGN, 0.03, Effect::DropAfter),
        (UNASSIGN, 0.03, late.clone()),
        (UNASSIGN, 0.03, Effect::Html502AfterActing),
        (UNASSIGN, 0.03, Effect::code("ServiceUnavailable")),
        (UNASSIGN, 0.03, Effect::code("Operation.Conflict")),
        (ASSIGN, 0.02, Effect::DropBefore),
        (ASSIGN, 0.02, Effect::DropAfter),
        (ASSIGN, 0.01, late),
        (ASSIGN, 0.02, Effect::code("InternalError")),
        (ASSIGN, 0.03, Effect::code("QuotaExceeded.PrivateIpAddress")),
        (DESCRIBE, 0.10, Effect::Garbage),
    ] {
        node.cloud.inject(Fault::on(action).probability(probability).effect(effect));
    }
}
