//! A fleet, and what happens to it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use aliyun_eni_ipam::inside::base::simulation;
use rand::Rng;
use tempfile::TempDir;

use crate::account::Counts;
use crate::calls::{self, Pod};
use crate::clock::{Notes, Surroundings};
use crate::node::Node;
use crate::outcome::Outcome;

/// Calls of one action that an account has in a minute: what Terway, Alibaba Cloud's own plugin, allows itself.
pub const QUOTA: u32 = 400;

/// How long ECS takes at least; it takes up to twice as long.
const LATENCY: Duration = Duration::from_millis(200);

/// Longer than anything should take.
const LIMIT: Duration = Duration::from_hours(6);

/// How long an outage lasts.
const OUTAGE: Duration = Duration::from_mins(10);

/// What happens to a fleet.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    run: fn(&Fleet, Duration) -> Expected,
}

/// What a scenario comes to.
struct Expected {
    /// From when on it is measured how long the fleet takes.
    since: Duration,
    /// How many requests there have to be of the action that is asked for most.
    least_requests: usize,
}

/// All scenarios, in the order in which a fleet lives through them.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "pods come and go", run: come_and_go },
    Scenario { name: "rolling update", run: rolling_update },
    Scenario { name: "outage", run: outage },
    Scenario { name: "slow drain", run: slow_drain },
    Scenario { name: "drain", run: drain },
];

/// The size of a fleet.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Nodes.
    pub nodes: usize,
    /// Pods on each.
    pub pods: usize,
    /// Addresses that each keeps.
    pub reserve: usize,
    /// The most addresses that ECS takes in one request.
    pub most_per_request: usize,
    /// Where all randomness comes from.
    pub seed: u64,
}

/// Nodes with pods, on one account.
pub struct Fleet {
    size: Size,
    world: Rc<Surroundings>,
    pods: Rc<RefCell<BTreeSet<Pod>>>,
    /// Actors of the scenario that have not ended.
    busy: Rc<RefCell<usize>>,
    _directory: TempDir,
}

impl Fleet {
    /// Nodes whose pods run, with files below `directory`.
    ///
    /// # Errors
    /// The disk's.
    pub fn new(size: Size, directory: &std::path::Path) -> io::Result<Self> {
        let directory = tempfile::tempdir_in(directory)?;
        let nodes: io::Result<Vec<Node>> =
            (0..size.nodes).map(|number| Node::new(number, directory.path(), &size)).collect();
        let world = Rc::new(Surroundings::new(nodes?, size.seed));
        simulation::enter(Rc::clone(&world) as Rc<dyn simulation::World>);
        let fleet = Self { size, world, pods: Rc::default(), busy: Rc::default(), _directory: directory };
        for node in 0..size.nodes {
            fleet.settle(node);
        }
        fleet.world.schedule.run(|_| false);
        for node in 0..size.nodes {
            let world = Rc::clone(&fleet.world);
            // They were booted at different times.
            let first = fleet.within(Duration::ZERO, Duration::from_mins(5));
            fleet.world.schedule.begin_at(first, node, move || calls::flush(&world, node));
        }
        Ok(fleet)
    }

    /// Lets `scenario` happen, and waits until the fleet has recovered.
    #[must_use]
    pub fn live_through(&self, scenario: Scenario) -> Outcome {
        let schedule = &self.world.schedule;
        // What was before is over: a quarter of an hour, and then the next full minute.
        let begin = Duration::from_mins((schedule.now().as_secs() / 60) + 15);
        schedule.run(|moment| moment >= begin);
        self.world.account.borrow_mut().quota = Some(QUOTA);
        self.world.latency.set(LATENCY);
        self.world.account.borrow_mut().counts = Counts::default();
        self.world.notes.replace(Notes::default());
        let Expected { since, least_requests } = (scenario.run)(self, begin);
        let recovered = self.wait(begin, since);
        let notes = self.world.notes.take();
        // The first minute's worth takes no time.
        let minutes = least_requests.div_ceil(QUOTA.try_into().unwrap_or(usize::MAX)).saturating_sub(1);
        let necessary = Duration::from_mins(minutes.try_into().unwrap_or(u64::MAX));
        Outcome {
            scenario: scenario.name,
            nodes: self.size.nodes,
            pods: self.size.pods,
            reserve: self.size.reserve,
            most_per_request: self.size.most_per_request,
            ended: notes.ended,
            started: notes.started,
            counts: self.world.account.borrow().counts,
            recovered,
            necessary,
            adds: notes.adds,
            failed_adds: notes.failed_adds,
            dels: notes.dels,
            at_once: schedule.most_calls(),
        }
    }

    /// Lets time pass until everything is as it should be; how long that took, unless it took too long.
    fn wait(&self, begin: Duration, since: Duration) -> Option<Duration> {
        let mut recovered = None;
        self.world.schedule.run(|moment| {
            // Nothing more happens at the present moment, once the next one is a later one.
            let now = self.world.schedule.now();
            if moment > now && now >= since && *self.busy.borrow() == 0 && self.is_well() {
                recovered = now.checked_sub(since);
            }
            recovered.is_some() || moment > begin + LIMIT
        });
        recovered
    }

    /// Whether every ENI has the addresses of its pods, and of others no more than it keeps.
    fn is_well(&self) -> bool {
        let pods = self.pods.borrow();
        let on_enis = self.world.on_enis();
        let (least, most) = (pods.len(), pods.len() + self.size.nodes * self.size.reserve);
        (least..=most).contains(&on_enis)
    }

    /// A moment after `begin`, at random.
    fn within(&self, begin: Duration, time: Duration) -> Duration {
        begin + time.mul_f64(self.world.chance.borrow_mut().random_range(0.0..1.0))
    }

    /// Starts the pods of a node one after the other, before anything is counted.
    fn settle(&self, node: usize) {
        let (world, pods, count) = (Rc::clone(&self.world), Rc::clone(&self.pods), self.size.pods);
        self.world.schedule.begin_at(Duration::ZERO, node, move || {
            for _ in 0..count {
                let sandbox = world.next_sandbox();
                let pod = calls::start(&world, Pod { node, sandbox });
                pods.borrow_mut().insert(pod);
            }
        });
    }

    fn start_at(&self, moment: Duration, node: usize) {
        let (world, pods, busy) = (Rc::clone(&self.world), Rc::clone(&self.pods), Rc::clone(&self.busy));
        *busy.borrow_mut() += 1;
        self.world.schedule.begin_at(moment, node, move || {
            let sandbox = world.next_sandbox();
            let pod = calls::start(&world, Pod { node, sandbox });
            pods.borrow_mut().insert(pod);
            world.notes.borrow_mut().started += 1;
            *busy.borrow_mut() -= 1;
        });
    }

    fn end_at(&self, moment: Duration, pod: Pod) {
        let (world, pods, busy) = (Rc::clone(&self.world), Rc::clone(&self.pods), Rc::clone(&self.busy));
        *busy.borrow_mut() += 1;
        self.world.schedule.begin_at(moment, pod.node, move || {
            pods.borrow_mut().remove(&pod);
            calls::end(&world, pod);
            world.notes.borrow_mut().ended += 1;
            *busy.borrow_mut() -= 1;
        });
    }

    fn pods_at_random(&self, share: f64) -> Vec<Pod> {
        let pods: Vec<Pod> = self.pods.borrow().iter().copied().collect();
        let mut chance = self.world.chance.borrow_mut();
        pods.into_iter().filter(|_| chance.random_bool(share)).collect()
    }
}

/// Every node is drained at the same moment, and its pods end within a tenth of a second: those that were still there when their grace
/// period was over.
fn drain(fleet: &Fleet, begin: Duration) -> Expected {
    drain_within(fleet, begin, Duration::from_millis(100))
}

/// The same with pods that take up to half a minute to end, each as long as it likes.
fn slow_drain(fleet: &Fleet, begin: Duration) -> Expected {
    drain_within(fleet, begin, Duration::from_secs(30))
}

fn drain_within(fleet: &Fleet, begin: Duration, time: Duration) -> Expected {
    let pods: Vec<Pod> = fleet.pods.borrow().iter().copied().collect();
    for pod in pods {
        fleet.end_at(fleet.within(begin, time), pod);
    }
    let least_requests = fleet.size.nodes * fleet.size.pods.div_ceil(fleet.size.most_per_request);
    Expected { since: begin, least_requests }
}

/// Every pod of the fleet is replaced within a quarter of an hour: a new one starts, and half a minute later an old one of the same node
/// ends.
fn rolling_update(fleet: &Fleet, begin: Duration) -> Expected {
    let pods = fleet.pods_at_random(1.0);
    let least_requests = pods.len().div_ceil(fleet.size.most_per_request);
    for pod in pods {
        let moment = fleet.within(begin, Duration::from_mins(15));
        fleet.start_at(moment, pod.node);
        fleet.end_at(moment + Duration::from_secs(30), pod);
    }
    Expected { since: begin + Duration::from_mins(15), least_requests }
}

/// In half an hour a fifth of the pods end, each for itself, and others start.
fn come_and_go(fleet: &Fleet, begin: Duration) -> Expected {
    let pods = fleet.pods_at_random(0.2);
    let least_requests = pods.len();
    for pod in pods {
        fleet.end_at(fleet.within(begin, Duration::from_mins(30)), pod);
        fleet.start_at(fleet.within(begin, Duration::from_mins(30)), pod.node);
    }
    Expected { since: begin + Duration::from_mins(30), least_requests }
}

/// ECS does not answer for ten minutes. A third of the pods end meanwhile, and others start.
fn outage(fleet: &Fleet, begin: Duration) -> Expected {
    let end = begin + OUTAGE;
    fleet.world.account.borrow_mut().fail(begin..end);
    for pod in fleet.pods_at_random(1.0 / 3.0) {
        fleet.end_at(fleet.within(begin, OUTAGE), pod);
        fleet.start_at(fleet.within(begin, OUTAGE), pod.node);
    }
    let of_one_node = (fleet.size.pods / 3).div_ceil(fleet.size.most_per_request);
    Expected { since: end, least_requests: fleet.size.nodes * of_one_node }
}
