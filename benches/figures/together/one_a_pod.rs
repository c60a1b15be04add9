//! What plugins do that make one request for each pod: in turn, or all at once.
//!
//! They are a few lines that sign and send by the plugin's own client, a thread for each call. They start no process and keep no
//! records, so a real plugin of their kind takes longer.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use aliyun_eni_ipam::inside::base::{Deadline, EniId, Environment, Family, RegionId, hex128};
use aliyun_eni_ipam::inside::cloud::{
    Choice, Client, Disposition, Endpoint, Error, ErrorKind, Settings, Source, StsServer, Want,
};
use harness::World;
use harness::simulator::{Dice, Simulator};

use super::cloud::{ENIS, outcome, world};
use super::size::{Outcome, Size, Verb};

/// How the pods' requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Manner {
    /// One after the other for each ENI: what a careful plugin does.
    InTurn,
    /// All at once, and again what ECS refuses: what happens where nobody takes care.
    AtOnce,
}

/// What is to be measured.
pub(super) type Case = (Size, Verb, Manner);

/// Before a request is repeated for the first time. Each wait is at random between half of it and all of it, and twice as long as the
/// one before.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// Longer than any of it takes.
const PATIENCE: Duration = Duration::from_mins(20);

/// One pod's request.
struct Request {
    verb: Verb,
    eni: EniId,
    address: IpAddr,
    /// Of the random numbers.
    seed: u64,
}

/// Measures all of them side by side, each with a cloud of its own: they sleep nearly all the time.
pub(super) fn measure(sizes: &[Size]) -> BTreeMap<Case, Outcome> {
    let of_size = |size: &Size| {
        [Verb::Add, Verb::Del]
            .into_iter()
            .flat_map(|verb| [Manner::AtOnce, Manner::InTurn].map(|manner| (*size, verb, manner)))
            .collect::<Vec<_>>()
    };
    let mut cases: Vec<Case> = sizes.iter().flat_map(of_size).collect();
    // What takes longest begins.
    cases.sort_by_key(|(size, _, _)| std::cmp::Reverse(size.latency * u32_of(size.pods) / u32_of(size.enis)));
    thread::scope(|scope| {
        let mut running = Vec::new();
        for case in cases {
            running.push((case, scope.spawn(move || one(case))));
            if case.2 == Manner::AtOnce {
                // The crowd that begins has the processors for itself.
                thread::sleep(Duration::from_millis(400));
            }
        }
        running.into_iter().map(|(case, it)| (case, it.join().expect("it is measured"))).collect()
    })
}

fn one((size, verb, manner): Case) -> Outcome {
    let cloud = Simulator::start(world(size.enis, size.pods)).expect("the simulator listens");
    let requests = (0..size.pods).map(|pod| request(&cloud, verb, ENIS[pod % size.enis], pod));
    let mut lines: Vec<Vec<Request>> = match manner {
        Manner::InTurn => ENIS[..size.enis].iter().map(|_| Vec::new()).collect(),
        Manner::AtOnce => (0..size.pods).map(|_| Vec::new()).collect(),
    };
    let count = lines.len();
    for (pod, request) in requests.enumerate() {
        lines[pod % count].push(request);
    }
    cloud.set_latency(size.latency);
    let settings = settings(&cloud);
    let gate = Barrier::new(count + 1);
    let start = thread::scope(|scope| {
        for line in lines {
            let (gate, settings) = (&gate, &settings);
            scope.spawn(move || {
                gate.wait();
                for request in line {
                    request.make(settings);
                }
            });
        }
        gate.wait();
        Instant::now()
    });
    let wall = start.elapsed();
    let left: usize = ENIS[..size.enis].iter().map(|eni| cloud.addresses(eni).len()).sum();
    let wanted = if verb == Verb::Add { size.pods } else { 0 };
    outcome(&cloud, wall, left.abs_diff(wanted))
}

/// A pod's request. To be released, its address has to be there.
fn request(cloud: &Simulator, verb: Verb, eni: &str, pod: usize) -> Request {
    let address = IpAddr::from(Ipv4Addr::from(u32::from(Ipv4Addr::new(192, 168, 4, 1)) + u32_of(pod)));
    if verb == Verb::Del {
        cloud.assign(eni, address);
    }
    Request { verb, eni: eni.to_owned().try_into().expect("an ENI"), address, seed: u64::from(u32_of(pod)) }
}

impl Request {
    /// Makes it, until ECS does what is asked. Each pod is a process of its own, and so has a client of its own.
    fn make(self, settings: &Settings) {
        let client = Client::new(settings.clone());
        let token = hex128().expect("a random number");
        let mut wait = FIRST_WAIT;
        let mut dice = Dice(self.seed);
        while let Err(error) = self.send(&client, &token) {
            let is_refused = matches!(error.kind, ErrorKind::Refused(Disposition::Retry));
            assert!(is_refused, "{error}");
            thread::sleep(wait.mul_f64(0.5 + dice.fraction() / 2.0));
            wait = LONGEST_WAIT.min(wait * 2);
        }
    }

    fn send(&self, client: &Client, token: &str) -> Result<(), Error> {
        let region = RegionId::try_from(World::REGION_ID.to_owned()).expect("a region");
        let deadline = Deadline::after(PATIENCE);
        match self.verb {
            Verb::Add => {
                client.assign(&region, &self.eni, Family::V4, &Want::Count(1), token, deadline).map(drop)
            }
            Verb::Del => client.unassign(&region, &self.eni, &[self.address], deadline).map(drop),
        }
    }
}

/// With the simulator's permanent key.
fn settings(cloud: &Simulator) -> Settings {
    let endpoint = Endpoint::parse(&cloud.endpoint(), false).expect("an endpoint");
    let environment: Environment = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", World::ACCESS_KEY_ID),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", World::ACCESS_KEY_SECRET),
    ]
    .into_iter()
    .collect();
    Settings {
        endpoint: Choice::At(endpoint.clone()),
        sts: StsServer::At(endpoint),
        metadata_endpoint: Endpoint::parse_any(&cloud.metadata_endpoint()).expect("an endpoint"),
        credentials: Source::Environment,
        environment,
        ..Settings::default()
    }
}

fn u32_of(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
