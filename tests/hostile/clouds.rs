//! Answers of ECS met by the binary: what it does to its records is justified by what it was told.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use harness::{Node, RawServer};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::answers::bodies;
use crate::cases::survive;
use crate::http::{Http, Readable, http};
use crate::stage::{Moment, node, side_by_side};
use crate::tree::Tree;
use crate::verdict::{command, make};

/// What a cloud answers to each action.
#[derive(Clone, Debug)]
struct Cloud {
    unassign: Http,
    assign: Http,
    describe: Http,
    /// Whether the pod's address is old enough for its absence from a description to prove anything.
    old: bool,
    /// Whether an old release of it may still be on its way.
    suspect: bool,
}

fn cloud() -> impl Strategy<Value = Cloud> {
    let answers = (
        http(bodies("UnassignPrivateIpAddresses")),
        http(bodies("AssignPrivateIpAddresses")),
        http(bodies("DescribeNetworkInterfaces")),
    );
    (answers, any::<bool>(), any::<bool>()).prop_map(|((unassign, assign, describe), old, suspect)| Cloud {
        unassign,
        assign,
        describe,
        old,
        suspect,
    })
}

/// A node with one pod, `c0`.
struct Stage {
    node: Node,
    start: Moment,
    address: IpAddr,
    endpoint: Value,
}

impl Stage {
    fn set() -> Self {
        let node = node().with("timeoutSeconds", 1);
        let address = node.add("c0").address();
        let start = Moment::of(&node, "start");
        let endpoint = node.ipam["endpoint"].clone();
        Self { node, start, address, endpoint }
    }

    /// Makes the pod's record, and what is remembered of the ENI, as `cloud` wants it.
    fn arrange(&mut self, cloud: &Cloud) {
        self.node.set("endpoint", self.endpoint.clone());
        self.start.restore(&self.node);
        let directory = self.node.store();
        // A stage that has stood for a while does not make a record old.
        let young = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let record = fs::read_dir(directory.join("active")).unwrap().next().unwrap().unwrap().path();
        let mut content: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
        content["allocation"]["since"] = if cloud.old { "2026-01-01T00:00:00Z".into() } else { young.into() };
        fs::write(&record, content.to_string()).unwrap();
        if cloud.suspect {
            let state = json!({"schema": 1, "inFlight": [self.address]}).to_string();
            fs::write(directory.join("eni").join(format!("{}.json", Node::ENI)), state).unwrap();
        }
    }

    /// Makes a call against `cloud`, and returns the actions that it was asked for.
    fn meet(&mut self, cloud: &Cloud, verb: &str, pod: &str) -> (BTreeSet<String>, Option<Value>) {
        let asked = Arc::new(Mutex::new(BTreeSet::new()));
        let (log, cloud) = (Arc::clone(&asked), cloud.clone());
        let server = RawServer::start(move |request| {
            let action = request
                .split_once("Action=")
                .and_then(|(_, rest)| rest.split('&').next())
                .unwrap_or_default();
            log.lock().unwrap().insert(action.to_owned());
            match action {
                "UnassignPrivateIpAddresses" => cloud.unassign.raw(),
                "AssignPrivateIpAddresses" => cloud.assign.raw(),
                _ => cloud.describe.raw(),
            }
        });
        let server = server.unwrap();
        self.node.set("endpoint", server.url());
        let answer = make(self.node.call(verb, pod));
        self.node.set("endpoint", self.endpoint.clone());
        let result = (answer.status() == 0 && !answer.stdout().is_empty()).then(|| answer.json());
        drop(server);
        let asked = asked.lock().unwrap().clone();
        (asked, result)
    }

    /// Whether anything that `cloud` was asked for has been answered so that `c0`'s address is off the ENI.
    fn is_released(&self, cloud: &Cloud, asked: &BTreeSet<String>) -> bool {
        let says = |action: &str, answer: &Http, says: &dyn Fn(&Readable) -> bool| {
            asked.contains(action) && answer.readable().iter().any(says)
        };
        let done = |it: &Readable| {
            let is_gone = |code: &String| {
                code.contains("InvalidIp.IpUnassigned") || code.contains("InvalidEniId.NotFound")
            };
            it.done().is_some() || it.codes().iter().any(is_gone)
        };
        let missing = |it: &Readable| {
            cloud.old && it.done().is_some_and(|tree| !tree.addresses().contains(&self.address))
        };
        says("UnassignPrivateIpAddresses", &cloud.unassign, &done)
            || says("DescribeNetworkInterfaces", &cloud.describe, &missing)
    }

    /// The cloud is itself again. One call is enough for what is not in doubt: a `flush` goes on until nothing is left that may
    /// be asked for. When nothing waits any more, a second one ends what was in doubt and releases what that had brought.
    fn recover(&mut self, cloud: &Cloud) {
        make(self.node.call("DEL", "c1")).ok();
        if self.is_throttled() {
            // A `flush` would wait for the minute in which ECS takes the account's requests again.
            self.node.let_time_pass(Node::NOTHING_WAITS);
        }
        // Whoever has time does not meet the deadline.
        self.node.set("timeoutSeconds", 60);
        command(self.node.command(&["flush"]));
        assert!(self.node.on_eni().is_subset(&self.node.recorded()), "{cloud:?}\n{}", self.node.scene());
        assert_eq!(self.node.overdue(), Vec::<String>::new(), "{cloud:?}\n{}", self.node.scene());
        self.node.let_time_pass(Node::NOTHING_WAITS);
        command(self.node.command(&["flush"]));
        let left = (self.node.on_eni(), self.node.records());
        assert_eq!(left, (BTreeSet::new(), Vec::new()), "{cloud:?}\n{}", self.node.scene());
        self.node.set("timeoutSeconds", 1);
    }

    /// Whether it is remembered of the ENI that the account is over its quota.
    fn is_throttled(&self) -> bool {
        let state = fs::read(self.node.store().join("eni").join(format!("{}.json", Node::ENI)));
        let state: Value = state.ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        state["backoff"]["throttled"] == true
    }

    fn play(&mut self, cloud: &Cloud) {
        self.arrange(cloud);
        let (asked, _) = self.meet(cloud, "DEL", "c0");
        let is_recorded = self.node.recorded().contains(&self.address);
        assert!(is_recorded || self.is_released(cloud, &asked), "{cloud:?}\n{}", self.node.scene());
        let (_, result) = self.meet(cloud, "ADD", "c1");
        if let Some(result) = result {
            let given =
                result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap().parse().unwrap();
            let named = |it: &Readable| {
                it.done().as_ref().map(Tree::addresses).is_some_and(|them| them.contains(&given))
            };
            assert!(cloud.assign.readable().iter().any(named), "{given} in {cloud:?}\n{}", self.node.scene());
            assert!(self.node.recorded().contains(&given), "{given} in {cloud:?}\n{}", self.node.scene());
        }
        if !is_recorded {
            // The cloud has said so, and here it is true.
            self.node.cloud.unassign(Node::ENI, self.address);
        }
        self.recover(cloud);
        assert!(!self.node.log().contains("panic: "), "{}", self.node.scene());
    }
}

#[test]
fn an_address_leaves_the_store_only_if_ecs_has_said_that_it_is_released() {
    let stages: Vec<_> = (0..8).map(|_| Mutex::new(Stage::set())).collect();
    survive("nodes with generated clouds", 4, &vec(cloud(), 8), |clouds| {
        side_by_side(&stages, &clouds, Stage::play);
        clouds.len()
    });
}
