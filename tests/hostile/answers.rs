//! Answers of ECS, read by the library's client: whatever they are, it believes no more than what they say clearly.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use aliyun_eni_ipam::inside::base::Deadline;
use aliyun_eni_ipam::inside::base::EniId;
use aliyun_eni_ipam::inside::base::{Family, RegionId};
use aliyun_eni_ipam::inside::cloud::Source;
use aliyun_eni_ipam::inside::cloud::{Choice, Endpoint};
use aliyun_eni_ipam::inside::cloud::{Client, Settings, Want};
use aliyun_eni_ipam::inside::cloud::{Disposition, Error, ErrorKind};
use harness::{RawAnswer, RawServer, Then, World};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::cases::survive;
use crate::http::{Http, Readable, http};
use crate::mutated::{bytes, damage, mutate, mutations};
use crate::tree::Tree;
use crate::verdict::HANGS;

/// The longest body that a client has to read.
const LONGEST: usize = 1 << 20;

/// What ECS says when it has carried out a request for this.
pub(crate) fn good(action: &str) -> Value {
    match action {
        "UnassignPrivateIpAddresses" => json!({"RequestId": "R"}),
        "AssignPrivateIpAddresses" => json!({"RequestId": "R", "AssignedPrivateIpAddressesSet": {
            "NetworkInterfaceId": World::SECONDARY_ENI,
            "PrivateIpSet": {"PrivateIpAddress": ["192.168.0.77"]}}}),
        "AssignIpv6Addresses" => json!({"RequestId": "R", "NetworkInterfaceId": World::SECONDARY_ENI,
            "Ipv6Sets": {"Ipv6Address": ["2001:db8:1234:1a00::77"]}}),
        _ => {
            json!({"RequestId": "R", "NextToken": "", "TotalCount": 1, "NetworkInterfaceSets": {"NetworkInterfaceSet": [{
            "NetworkInterfaceId": World::SECONDARY_ENI, "Status": "InUse", "Type": "Secondary",
            "MacAddress": "00:16:3e:00:00:02", "InstanceId": World::INSTANCE_ID, "PrivateIpAddress": "192.168.0.11",
            "ServiceManaged": false, "VSwitchId": World::VSWITCH_ID,
            "PrivateIpSets": {"PrivateIpSet": [
                {"PrivateIpAddress": "192.168.0.11", "Primary": true, "AssociatedPublicIp": {"PublicIpAddress": ""}},
                {"PrivateIpAddress": "192.168.0.77", "Primary": false, "AssociatedPublicIp": {"PublicIpAddress": ""}}]},
            "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": "2001:db8:1234:1a00::77", "Primary": false}]},
            "Attachment": {"InstanceId": World::INSTANCE_ID, "DeviceIndex": 1}}]}})
        }
    }
}

/// Bodies that are, or were, answers to `action`.
pub(crate) fn bodies(action: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let codes = vec![
        "InvalidIp.IpUnassigned",
        "InvalidEniId.NotFound",
        "Forbidden.RAM",
        "Throttling",
        "InternalError",
        "x",
    ];
    let refusal = select(codes)
        .prop_map(|code| json!({"RequestId": "R", "HostId": "h", "Code": code, "Message": "not found"}));
    let changed =
        |answer: Value| mutations(3).prop_map(move |mutations| mutate(&answer, &mutations).into_bytes());
    let damaged = (changed(good(action)), damage()).prop_map(|(bytes, damage)| damage.to(&bytes));
    let padded = (1_usize..3 << 20)
        .prop_map(move |spaces| format!("{}{}", good(action), " ".repeat(spaces)).into_bytes());
    let xml =
        "<Error><RequestId>R</RequestId><Code>InvalidIp.IpUnassigned</Code><Message>m</Message></Error>";
    let xml = damage().prop_map(|damage| damage.to(xml.as_bytes()));
    prop_oneof![
        4 => Just(good(action).to_string().into_bytes()),
        20 => changed(good(action)),
        6 => damaged,
        1 => padded,
        1 => xml,
        1 => bytes(400),
        3 => refusal.clone().prop_map(|refusal| refusal.to_string().into_bytes()),
        6 => (refusal, mutations(2)).prop_map(|(refusal, mutations)| mutate(&refusal, &mutations).into_bytes()),
        1 => (1_usize..100_000).prop_map(|depth| "{\"RequestId\":[".repeat(depth).into_bytes()),
    ]
}

impl Readable {
    /// What it says, if ECS has said it: that a request was carried out.
    pub(crate) fn done(&self) -> Option<Tree> {
        let tree = self.tree().filter(|_| (200..300).contains(&self.status))?;
        let has_id = ["RequestId", "requestId"]
            .iter()
            .flat_map(|key| tree.at(key))
            .any(|id| matches!(id, Tree::Text(_)));
        has_id.then_some(tree)
    }

    /// The codes in it, if ECS has said that a request was not carried out.
    pub(crate) fn codes(&self) -> Vec<String> {
        let codes = |tree: &Tree| {
            ["Code", "code"]
                .iter()
                .flat_map(|key| tree.at(key))
                .flat_map(Tree::texts)
                .map(str::to_owned)
                .collect()
        };
        let mut codes: Vec<String> = self.tree().as_ref().map(codes).unwrap_or_default();
        if let Some((_, rest)) = String::from_utf8_lossy(&self.body).split_once("<Code>") {
            codes.push(rest.to_owned());
        }
        codes
    }

    fn tree(&self) -> Option<Tree> {
        Tree::read(&self.body).filter(|_| self.body.len() <= LONGEST)
    }
}

type Call = Box<dyn FnOnce(&Client) + Send>;

/// A client, and a server that gives it the answers of the test.
struct Line {
    /// What the client's thread does next: the client is that thread's own, and lives as long as the line.
    calls: mpsc::Sender<Call>,
    answer: Arc<Mutex<RawAnswer>>,
    /// How many requests have reached the server.
    arrived: Arc<AtomicUsize>,
    _server: RawServer,
}

impl Line {
    fn open() -> Self {
        let answer = Arc::new(Mutex::new(RawAnswer { bytes: Vec::new(), then: Then::Close }));
        let arrived = Arc::new(AtomicUsize::new(0));
        let (next, count) = (Arc::clone(&answer), Arc::clone(&arrived));
        let server = RawServer::start(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            next.lock().unwrap().clone()
        })
        .unwrap();
        let keys = [
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", World::ACCESS_KEY_ID),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", World::ACCESS_KEY_SECRET),
        ];
        let settings = Settings {
            endpoint: Choice::At(Endpoint::parse(&server.url(), false).unwrap()),
            credentials: Source::Environment,
            environment: keys.into_iter().collect(),
            ..Settings::default()
        };
        let (calls, next_calls) = mpsc::channel::<Call>();
        thread::spawn(move || {
            let client = Client::new(settings);
            // The sender of a call that panics is dropped, which fails the test that waits for its result.
            for call in next_calls {
                drop(catch_unwind(AssertUnwindSafe(|| call(&client))));
            }
        });
        Self { calls, answer, arrived, _server: server }
    }

    /// What the client makes of the answer that the server has now. It must come back.
    fn ask<T: Send + 'static>(&self, call: impl FnOnce(&Client) -> T + Send + 'static) -> T {
        let (sender, receiver) = mpsc::channel();
        let call = move |client: &Client| drop(sender.send(call(client)));
        self.calls.send(Box::new(call)).expect("the client's thread lives as long as the line");
        receiver.recv_timeout(2 * HANGS).expect("the call ends, and without a panic")
    }

    /// Has `call` meet this answer. It must come back, and an error must be fit to be shown.
    fn meet<T: Send + 'static>(
        &self,
        answer: &Http,
        call: impl FnOnce(&Client, Deadline) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        *self.answer.lock().unwrap() = answer.raw();
        // Nothing but a deadline ends some of these calls; the others have no reason to take long.
        let time = if answer.is_held() { Duration::from_millis(50) } else { HANGS };
        let before = self.arrived.load(Ordering::SeqCst);
        let result = self.ask(move |client| call(client, Deadline::after(time)));
        // On a busy machine so short a time can end before anything is sent.
        let is_late = answer.is_held() && self.arrived.load(Ordering::SeqCst) == before;
        match &result {
            Err(error) if error.kind == ErrorKind::NotSent && is_late => {}
            Err(error) => expect_honest(error, answer),
            Ok(_) => {}
        }
        result
    }
}

/// A request that the server has got was sent, and it was refused only if the answer says so.
fn expect_honest(error: &Error, answer: &Http) {
    let text = error.to_string().to_lowercase();
    assert!(!text.contains("not found") && !text.contains("no such file or directory"), "{text}");
    let says_so = |it: &Readable| !it.codes().is_empty() || it.status == 429;
    match error.kind {
        ErrorKind::NotSent => panic!("it was sent: {error}"),
        ErrorKind::Refused(_) => {
            assert!(answer.readable().iter().any(says_so), "it was not refused: {error}");
        }
        ErrorKind::Unknown => {}
    }
    if error.kind == ErrorKind::Refused(Disposition::Released) {
        let is_released =
            |code: &String| code.contains("InvalidIp.IpUnassigned") || code.contains("InvalidEniId.NotFound");
        assert!(
            answer.readable().iter().any(|it| it.codes().iter().any(is_released)),
            "it is not released: {error}"
        );
    }
}

fn region() -> RegionId {
    RegionId::try_from(World::REGION_ID.to_owned()).unwrap()
}

fn eni() -> EniId {
    EniId::try_from(World::SECONDARY_ENI.to_owned()).unwrap()
}

#[test]
fn an_unassignment_is_done_only_if_ecs_says_so() {
    let line = Line::open();
    let address: IpAddr = "192.168.0.77".parse().unwrap();
    survive(
        "generated answers to an unassignment",
        700,
        &http(bodies("UnassignPrivateIpAddresses")),
        |answer| {
            let result = line.meet(&answer, move |client, deadline| {
                client.unassign(&region(), &eni(), &[address], deadline)
            });
            assert!(result.is_err() || answer.readable().iter().any(|it| it.done().is_some()), "{result:?}");
            1
        },
    );
}

#[test]
fn an_assignment_brings_the_addresses_that_ecs_names_and_no_others() {
    let line = Line::open();
    for (family, action) in [(Family::V4, "AssignPrivateIpAddresses"), (Family::V6, "AssignIpv6Addresses")] {
        let cases = (http(bodies(action)), select(vec![1, 1, 3, 32]));
        survive(&format!("generated answers to {action}"), 350, &cases, |(answer, count)| {
            let want = Want::Count(count);
            let result = line.meet(&answer, move |client, deadline| {
                client.assign(&region(), &eni(), family, &want, "token", deadline)
            });
            if let Ok(assigned) = result {
                let addresses: BTreeSet<IpAddr> = assigned.addresses.into_iter().collect();
                let named = |it: &Readable| it.done().is_some_and(|tree| tree.addresses() == addresses);
                assert!(answer.readable().iter().any(named), "{addresses:?}");
            }
            1
        });
    }
}

#[test]
fn a_description_leaves_out_no_address_that_ecs_names() {
    let line = Line::open();
    survive(
        "generated answers to a description",
        700,
        &http(bodies("DescribeNetworkInterfaces")),
        |answer| {
            let result = line.meet(&answer, |client, deadline| client.describe(&region(), &eni(), deadline));
            let readable = answer.readable();
            let said = readable.iter().find_map(Readable::done);
            // What the answer says of this ENI, wherever and however often it says it.
            let own = |tree: &Tree| {
                tree.at("NetworkInterfaceId").flat_map(Tree::texts).any(|id| id == World::SECONDARY_ENI)
            };
            let of_eni =
                said.as_ref().map(|tree| tree.all().into_iter().filter(|it| own(it)).collect::<Vec<_>>());
            match result {
                Ok(Some(eni)) => {
                    let lists = |it: &Tree| {
                        let lists = it.at("PrivateIpSets").chain(it.at("Ipv6Sets"));
                        lists.flat_map(Tree::addresses).collect::<Vec<_>>()
                    };
                    let named: BTreeSet<_> = of_eni.unwrap().into_iter().flat_map(lists).collect();
                    assert!(named.is_superset(&eni.addresses), "{eni:?}");
                    assert!(named.is_subset(&(&eni.primary | &eni.addresses)), "{eni:?}");
                }
                Ok(None) => {
                    let is_gone = readable
                        .iter()
                        .any(|it| it.codes().iter().any(|code| code == "InvalidEniId.NotFound"));
                    assert!(is_gone || of_eni.unwrap().is_empty(), "it is described");
                }
                Err(_) => {}
            }
            1
        },
    );
}

/// What the client makes of this description.
fn error_about(description: &Value) -> Error {
    let line = Line::open();
    let body = description.to_string();
    let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    *line.answer.lock().unwrap() = RawAnswer { bytes, then: Then::Close };
    line.ask(|client| client.describe(&region(), &eni(), Deadline::after(HANGS)).unwrap_err())
}

#[test]
fn a_description_that_has_the_eni_twice_is_not_believed() {
    let mut body = good("DescribeNetworkInterfaces");
    let list = body["NetworkInterfaceSets"]["NetworkInterfaceSet"].as_array_mut().unwrap();
    let mut without_secondary = list[0].clone();
    without_secondary["PrivateIpSets"]["PrivateIpSet"].as_array_mut().unwrap().truncate(1);
    list.push(without_secondary);
    let error = error_about(&body);
    assert!(error.kind == ErrorKind::Unknown && error.to_string().contains("twice"), "{error}");
}

#[test]
fn a_next_page_that_cannot_be_asked_for_is_an_unclear_answer_and_not_a_request_that_was_not_sent() {
    let empty = json!({"NetworkInterfaceSet": []});
    for length in [10_001, 70_000, 500_000] {
        let token = "/".repeat(length);
        let error =
            error_about(&json!({"RequestId": "R", "NextToken": token, "NetworkInterfaceSets": empty}));
        assert!(error.kind == ErrorKind::Unknown && error.to_string().contains("NextToken"), "{error}");
    }
    // The longest that is sent back fits.
    let token = "/".repeat(10_000);
    let error = error_about(&json!({"RequestId": "R", "NextToken": token, "NetworkInterfaceSets": empty}));
    assert!(error.kind == ErrorKind::Unknown && error.to_string().contains("repeats"), "{error}");
}
