//! The world of the plugin's calls: time by the schedule, chance by a seed, answers by the node's cloud.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aliyun_eni_ipam::inside::base::simulation::{NoResponse, Request, Response, World};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::account::{Account, Fate};
use crate::node::{METADATA, Node};
use crate::outcome::Times;
use crate::schedule::Schedule;

/// The first of January 2026: a whole minute, as the zero of the time is.
const BEGAN: Duration = Duration::from_secs(1_767_225_600);

/// How long instance metadata takes.
const METADATA_LATENCY: Duration = Duration::from_millis(1);

/// All that the calls share.
pub(crate) struct Surroundings {
    pub(crate) schedule: Rc<Schedule>,
    pub(crate) account: RefCell<Account>,
    pub(crate) nodes: RefCell<Vec<Node>>,
    pub(crate) chance: RefCell<SmallRng>,
    /// How long ECS takes at least; it takes up to twice as long.
    pub(crate) latency: Cell<Duration>,
    pub(crate) notes: RefCell<Notes>,
    sandboxes: Cell<u64>,
    on_enis: Cell<usize>,
}

/// What has happened.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) adds: Times,
    pub(crate) failed_adds: usize,
    pub(crate) dels: Times,
    pub(crate) started: usize,
    pub(crate) ended: usize,
}

impl Surroundings {
    pub(crate) fn new(nodes: Vec<Node>, seed: u64) -> Self {
        Self {
            schedule: Rc::default(),
            account: RefCell::new(Account::new()),
            nodes: RefCell::new(nodes),
            chance: RefCell::new(SmallRng::seed_from_u64(seed)),
            latency: Cell::default(),
            notes: RefCell::default(),
            sandboxes: Cell::default(),
            on_enis: Cell::default(),
        }
    }

    /// Notes a call that has ended.
    pub(crate) fn note(&self, verb: &str, took: Duration, is_done: bool) {
        let mut notes = self.notes.borrow_mut();
        match (verb, is_done) {
            ("ADD", true) => notes.adds.add(took),
            ("ADD", false) => notes.failed_adds += 1,
            _ => notes.dels.add(took),
        }
    }

    /// A number for a sandbox, unlike any before.
    pub(crate) fn next_sandbox(&self) -> u64 {
        let number = self.sandboxes.get() + 1;
        self.sandboxes.set(number);
        number
    }

    /// How many addresses all ENIs have beside their primary ones.
    pub(crate) fn on_enis(&self) -> usize {
        self.on_enis.get()
    }

    fn ask_ecs(&self, request: &Request<'_>, by: Duration) -> Result<Response, NoResponse> {
        let action = action_of(request.target);
        let fate = self.account.borrow_mut().admit(action, self.schedule.now());
        let latency = self.latency.get();
        match fate {
            Fate::Lost => {
                self.schedule.sleep_until(by);
                Err(NoResponse { sent: true })
            }
            Fate::Throttled => {
                self.schedule.sleep_until(self.schedule.now() + latency / 4);
                Ok(refusal("Throttling.User", "Request was denied due to user flow control."))
            }
            Fate::Served => Ok(self.serve(action, request, latency)),
        }
    }

    /// ECS changes one thing of an ENI at a time.
    fn serve(&self, action: &str, request: &Request<'_>, latency: Duration) -> Response {
        let node = self.schedule.current_node();
        let mutates = action.contains("ssign");
        if mutates && std::mem::replace(&mut self.nodes.borrow_mut()[node].is_busy, true) {
            self.account.borrow_mut().counts.overlaps += 1;
            return refusal("Operation.Conflict", "Another operation is in progress.");
        }
        let takes = latency.mul_f64(self.chance.borrow_mut().random_range(1.0..2.0));
        self.schedule.sleep_until(self.schedule.now() + takes);
        let mut nodes = self.nodes.borrow_mut();
        let before = nodes[node].addresses();
        let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let reply = nodes[node].cloud.ask(request.method, request.target, headers);
        if mutates {
            nodes[node].is_busy = false;
        }
        self.on_enis.set(self.on_enis.get() + nodes[node].addresses() - before);
        Response { status: reply.status, body: reply.body, retry_after: None }
    }
}

impl World for Surroundings {
    fn began(&self) -> SystemTime {
        UNIX_EPOCH + BEGAN
    }

    fn time(&self) -> Duration {
        self.schedule.now()
    }

    fn sleep_until(&self, moment: Duration) {
        self.schedule.sleep_until(moment);
    }

    fn wait_for_others(&self, every: Duration, moment: Duration) {
        self.schedule.wait_for_others(every, moment);
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.chance.borrow_mut().fill_bytes(bytes);
    }

    fn exchange(&self, request: &Request<'_>, by: Duration) -> Result<Response, NoResponse> {
        if request.authority != METADATA {
            return self.ask_ecs(request, by);
        }
        self.schedule.sleep_until(self.schedule.now() + METADATA_LATENCY);
        let nodes = self.nodes.borrow();
        let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let reply =
            nodes[self.schedule.current_node()].cloud.ask_metadata(request.method, request.target, headers);
        Ok(Response { status: reply.status, body: reply.body, retry_after: None })
    }
}

fn refusal(code: &str, message: &str) -> Response {
    let body = serde_json::json!({"Code": code, "Message": message, "RequestId": "00000000-0000-0000"});
    Response { status: 400, body: body.to_string().into(), retry_after: None }
}

fn action_of(target: &str) -> &str {
    let mut pairs = target.split_once('?').map_or("", |(_, query)| query).split('&');
    pairs.find_map(|pair| pair.strip_prefix("Action=")).unwrap_or_default()
}
