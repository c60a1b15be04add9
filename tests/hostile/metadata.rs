//! Answers of the instance metadata: a fact is one only if the service says it.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use aliyun_eni_ipam::inside::base::Deadline;
use aliyun_eni_ipam::inside::base::FoundKey;
use aliyun_eni_ipam::inside::cloud::Endpoint;
use aliyun_eni_ipam::inside::cloud::Source;
use aliyun_eni_ipam::inside::cloud::metadata::{Error, Metadata};
use aliyun_eni_ipam::inside::cloud::{Client, Settings};
use harness::{Node, RawAnswer, RawServer, Then, World};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::cases::survive;
use crate::http::{Http, http};
use crate::mutated::{Damage, bytes, damage, mutate, mutations};
use crate::stage::{Moment, node, side_by_side};
use crate::tree::Tree;
use crate::verdict::{HANGS, command, make};

const MAC: &str = "00:16:3e:00:00:02";

/// Every fact, as the service tells it.
const FACTS: [(&str, &str); 15] = [
    ("region-id", World::REGION_ID),
    ("instance-id", World::INSTANCE_ID),
    ("instance-type", "ecs.g7.large"),
    ("/mac", "00:16:3e:00:00:01"),
    ("/macs/", "00:16:3e:00:00:01/\n00:16:3e:00:00:02/"),
    ("network-interface-id", World::SECONDARY_ENI),
    ("primary-ip-address", "192.168.0.11"),
    ("private-ipv4s", r#"["192.168.0.11","192.168.0.77"]"#),
    ("/ipv6s", "[2001:db8:1234:1a00::77,2001:db8:1234:1a00::78]"),
    ("vswitch-id", World::VSWITCH_ID),
    ("vswitch-cidr-block", "192.168.0.0/24"),
    ("/gateway", "192.168.0.253"),
    ("vswitch-ipv6-cidr-block", "2001:db8:1234:1a00::/64"),
    ("ipv6-gateway", "2001:db8:1234:1a00:ffff:ffff:ffff:fff5"),
    ("security-credentials/", World::ROLE_NAME),
];

/// The text of the answer to a request for this path.
fn good(path: &str) -> &'static str {
    FACTS.iter().find(|(end, _)| path.ends_with(end)).map_or("", |(_, text)| text)
}

/// Bodies that are, or were, the text of a fact.
fn texts(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let others = FACTS.map(|(_, text)| text.as_bytes().to_vec()).to_vec();
    // What is nearly right is what a careless reader takes for right.
    let nearly = (any::<Index>(), select(b"0x.:,/\" ]".to_vec()));
    prop_oneof![
        2 => Just(text.as_bytes().to_vec()),
        6 => nearly.prop_map(move |(at, byte)| Damage::Flip(vec![(at, byte)]).to(text.as_bytes())),
        6 => damage().prop_map(move |damage| damage.to(text.as_bytes())),
        2 => select(others),
        1 => bytes(200),
        1 => "[0-9a-f.:/,\\[\\]\" \n]{0,60}".prop_map(String::into_bytes),
        1 => (1_usize..2 << 20).prop_map(move |times| [text.as_bytes(), &vec![b' '; times]].concat()),
    ]
}

/// A service that answers one thing to requests for a token and another to all others.
#[derive(Clone)]
struct Answers {
    token: RawAnswer,
    fact: RawAnswer,
}

struct Line {
    answers: Arc<Mutex<Answers>>,
    server: RawServer,
}

fn plain(text: &str) -> RawAnswer {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
    RawAnswer { bytes: [head.as_bytes(), text.as_bytes()].concat(), then: Then::Close }
}

impl Line {
    fn open() -> Self {
        let answers = Arc::new(Mutex::new(Answers { token: plain("token"), fact: plain("") }));
        let next = Arc::clone(&answers);
        let server = RawServer::start(move |request| {
            let Answers { token, fact } = next.lock().unwrap().clone();
            if request.starts_with("PUT") { token } else { fact }
        });
        let server = server.unwrap();
        Self { answers, server }
    }

    /// Has `ask` meet these answers. It must come back.
    fn meet<T: Send + 'static, E: Display + Send + 'static>(
        &self,
        token: Option<&Http>,
        fact: &Http,
        ask: impl FnOnce(&Client, Deadline) -> Result<T, E> + Send + 'static,
    ) -> Option<T> {
        *self.answers.lock().unwrap() =
            Answers { token: token.map_or_else(|| plain("token"), Http::raw), fact: fact.raw() };
        let settings = settings(&self.server);
        let (sender, receiver) = mpsc::channel();
        // Trouble of the service's own is met with patience, of which there is little where nothing can come of it.
        let may_tell = fact.readable().iter().any(|it| it.status == 200);
        let time = Duration::from_millis(if may_tell { 600 } else { 40 });
        // A client remembers how the service wants to be asked, so each question has one of its own.
        thread::spawn(move || sender.send(ask(&Client::new(settings), Deadline::after(time))));
        let result = receiver.recv_timeout(HANGS).expect("the call ends, and without a panic");
        result.map_err(|error| expect_plain(&error.to_string())).ok()
    }
}

fn settings(server: &RawServer) -> Settings {
    Settings {
        metadata_endpoint: Endpoint::parse_any(&server.url()).unwrap(),
        credentials: Source::EcsRamRole { role_name: Some(World::ROLE_NAME.to_owned()) },
        ..Settings::default()
    }
}

fn expect_plain(error: &str) {
    let error = error.to_lowercase();
    assert!(!error.contains("not found") && !error.contains("no such file or directory"), "{error}");
}

/// One question: the end of the path that it asks for, whether the answer is a list, and the facts in the client's answer
/// as texts.
type Question = (&'static str, bool, fn(&Metadata, Deadline) -> Result<Vec<String>, Error>);

fn all<T: ToString>(facts: impl IntoIterator<Item = T>) -> Vec<String> {
    facts.into_iter().map(|fact| fact.to_string()).collect()
}

const QUESTIONS: [Question; 13] = [
    ("region-id", false, |it, by| it.region_id(by).map(|fact| all([fact]))),
    ("instance-id", false, |it, by| it.instance_id(by).map(|fact| all([fact]))),
    ("instance-type", false, |it, by| it.instance_type(by).map(|fact| all([fact]))),
    ("/mac", false, |it, by| it.primary_mac(by).map(|fact| all([fact]))),
    ("/macs/", true, |it, by| it.macs(by).map(all)),
    ("network-interface-id", false, |it, by| it.eni_of_mac(MAC, by).map(all)),
    ("primary-ip-address", false, |it, by| it.primary_address(MAC, by).map(|fact| all([fact]))),
    ("vswitch-cidr-block", false, |it, by| it.subnet(MAC, by).map(|fact| all([fact]))),
    ("/gateway", false, |it, by| it.gateway(MAC, by).map(|fact| all([fact]))),
    ("vswitch-ipv6-cidr-block", false, |it, by| it.subnet6(MAC, by).map(all)),
    ("ipv6-gateway", false, |it, by| it.gateway6(MAC, by).map(all)),
    ("private-ipv4s", true, |it, by| it.ipv4_addresses(MAC, by).map(all)),
    ("/ipv6s", true, |it, by| it.ipv6_addresses(MAC, by).map(all)),
];

/// Whether an answer of this status and body says these facts, no more and no less.
fn says(status: u16, body: &[u8], is_list: bool, facts: &[String]) -> bool {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = if is_list {
        let words = text.split(|c: char| c.is_whitespace() || "[],\"".contains(c));
        words.map(|word| word.trim_end_matches('/')).filter(|word| !word.is_empty()).collect()
    } else {
        [text.trim()].into_iter().filter(|word| !word.is_empty()).collect()
    };
    let told = status == 200
        && words.len() == facts.len()
        && words.iter().zip(facts).all(|(word, fact)| same(word, fact));
    told || (status == 404 && facts.is_empty())
}

/// Whether two texts mean the same hardware address, address, network or name.
fn same(word: &str, fact: &str) -> bool {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    let network = |text: &str| text.parse::<ipnetwork::IpNetwork>().ok();
    word.eq_ignore_ascii_case(fact)
        || (address(word).is_some() && address(word) == address(fact))
        || (network(word).is_some() && network(word) == network(fact))
}

#[test]
fn a_fact_is_what_the_metadata_service_says_or_none() {
    let lines: Vec<_> = (0..16).map(|_| Mutex::new(Line::open())).collect();
    let one = select(QUESTIONS.to_vec()).prop_flat_map(|question| {
        let token = option::weighted(0.2, http(texts("token")));
        (Just(question), token, http(texts(good(question.0))))
    });
    survive("generated answers of instance metadata", 20, &vec(one, 16), |cases| {
        side_by_side(&lines, &cases, |line, ((_, is_list, ask), token, fact)| {
            let (is_list, ask) = (*is_list, *ask);
            let Some(facts) = line.meet(token.as_ref(), fact, move |client, by| ask(client.metadata(), by))
            else {
                return;
            };
            let told = fact.readable().iter().any(|it| {
                let shortest = if fact.may_be_cut() { 0 } else { it.body.len() };
                (shortest..=it.body.len()).any(|end| says(it.status, &it.body[..end], is_list, &facts))
            });
            assert!(told, "{facts:?}");
        });
        cases.len()
    });
}

#[test]
fn a_temporary_key_is_what_the_metadata_service_says_or_none() {
    let lines: Vec<_> = (0..16).map(|_| Mutex::new(Line::open())).collect();
    let key = json!({"Code": "Success", "AccessKeyId": "STS.1", "AccessKeySecret": "secret", "SecurityToken": "token",
        "Expiration": "2036-01-01T00:00:00Z", "LastUpdated": "2026-01-01T00:00:00Z"});
    let text = key.to_string().into_bytes();
    let bodies = prop_oneof![
        1 => Just(text.clone()),
        4 => mutations(3).prop_map(move |mutations| mutate(&key, &mutations).into_bytes()),
        2 => damage().prop_map(move |damage| damage.to(&text)),
    ];
    survive("generated temporary keys", 10, &vec(http(bodies), 16), |answers| {
        side_by_side(&lines, &answers, |line, answer| {
            let Some(found) = line.meet::<FoundKey, _>(None, answer, Client::credentials) else { return };
            let says = |body: &[u8]| {
                let tree = Tree::read(body).unwrap();
                let is_said =
                    |key: &str, value: &str| tree.at(key).flat_map(Tree::texts).any(|text| text == value);
                is_said("AccessKeyId", &found.key.access_key_id)
                    && is_said("AccessKeySecret", found.key.access_key_secret.expose())
                    && found
                        .key
                        .security_token
                        .as_ref()
                        .is_some_and(|it| is_said("SecurityToken", it.expose()))
            };
            assert!(answer.readable().iter().any(|it| it.status == 200 && says(&it.body)), "another key");
        });
        answers.len()
    });
}

/// A node that asks the service about everything.
struct Stage {
    node: Node,
    start: Moment,
    endpoint: Value,
}

impl Stage {
    fn set() -> Self {
        let mut node = node();
        let _ = node.add("c0").address();
        let start = Moment::of(&node, "start");
        node.set("timeoutSeconds", 1);
        node.ipam.remove("networkInterfaceId");
        let endpoint = node.ipam["metadataEndpoint"].clone();
        Self { node, start, endpoint }
    }

    /// An ADD while the service answers one of the questions, or the request for a token, like this.
    fn play(&mut self, path: &'static str, answer: &Http) {
        self.start.restore(&self.node);
        let hostile = answer.clone();
        let server = RawServer::start(move |request| {
            let target = request.split(' ').nth(1).unwrap_or_default();
            if target.ends_with(path) { hostile.raw() } else { plain(good(target)) }
        });
        let server = server.unwrap();
        self.node.set("metadataEndpoint", server.url());
        let answer = make(self.node.call("ADD", "c1"));
        self.node.set("metadataEndpoint", self.endpoint.clone());
        drop(server);
        let everything: BTreeSet<IpAddr> = self
            .node
            .cloud
            .with_world(|world| world.enis.values().flat_map(|eni| eni.addresses.clone()).collect());
        let recorded = self.node.recorded();
        assert_eq!(everything, recorded, "{}", self.node.scene());
        if answer.status() == 0 {
            assert!(recorded.contains(&answer.address()), "{}", self.node.scene());
        }
        make(self.node.call("DEL", "c1")).ok();
        command(self.node.command(&["flush"]));
        assert_eq!(self.node.recorded().len(), 1, "{}", self.node.scene());
        assert!(!self.node.log().contains("panic: "), "{}", self.node.scene());
    }
}

#[test]
fn an_add_survives_any_answer_of_the_metadata_service() {
    let stages: Vec<_> = (0..8).map(|_| Mutex::new(Stage::set())).collect();
    let asked =
        ["token", "region-id", "/mac", "/macs/", "network-interface-id", "vswitch-cidr-block", "/gateway"];
    let one = select(asked.to_vec()).prop_flat_map(|path| (Just(path), http(texts(good(path)))));
    survive("nodes with generated metadata", 4, &vec(one, 8), |cases| {
        side_by_side(&stages, &cases, |stage, (path, answer)| stage.play(path, answer));
        cases.len()
    });
}
