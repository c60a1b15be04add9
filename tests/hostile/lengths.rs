//! Answers to requests to assign, of any length and kind, that are not answers to them: met by an ADD, and by whoever
//! repeats the request of an ADD that was killed. ECS acts upon every request all the same.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;

use harness::{Effect, Fault, Node};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::cases::survive;
use crate::stage::{Moment, eventually, files, node, side_by_side};
use crate::verdict::{command, make};

/// Addresses that an answer names before it goes on with others.
#[derive(Clone, Copy, Debug)]
enum First {
    /// That which ECS has assigned to the request.
    Assigned,
    /// A live pod's.
    Pods,
    /// The ENI's own.
    Primary,
    /// One that is on the ENI, and that other software has put there.
    Foreign,
    /// One of another network.
    Outside,
    /// One of the other family.
    OtherFamily,
    /// The same twice.
    Twice,
}

/// An answer, and who meets it.
#[derive(Clone, Debug)]
struct Lie {
    first: Vec<First>,
    length: usize,
    /// Whether it is the repetition of a killed ADD's request that meets it.
    killed: bool,
    /// Whether other software has an address on the ENI.
    foreign: bool,
}

fn lie() -> impl Strategy<Value = Lie> {
    let first = subsequence(
        vec![
            First::Assigned,
            First::Pods,
            First::Primary,
            First::Foreign,
            First::Outside,
            First::OtherFamily,
            First::Twice,
        ],
        0..=7,
    );
    let length = select(vec![0, 1, 2, 3, 10, 49, 50, 1000, 40_000]);
    (first.prop_shuffle(), length, any::<bool>(), any::<bool>())
        .prop_map(|(first, length, killed, foreign)| Lie { first, length, killed, foreign })
}

const PRIMARY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 0, 11));
const FOREIGN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 0, 77));

/// A node with a pod, `c0`, and the same node after an ADD of another, `c1`, was killed between request and answer.
struct Stage {
    node: Node,
    alive: Moment,
    killed: Moment,
    pods: IpAddr,
    assigned: IpAddr,
}

impl Stage {
    fn set() -> Self {
        // No answer is waited for, so nothing here may meet the deadline, however slow the machine is.
        let node = node().with("timeoutSeconds", 30);
        let pods = node.add("c0").address();
        let alive = Moment::of(&node, "alive");
        node.cloud.inject(Fault::on("AssignPrivateIpAddresses").effect(Effect::StallAfter));
        let add = node.call("ADD", "c1").start();
        eventually("ECS has assigned an address", || node.on_eni().len() == 2);
        add.kill();
        node.cloud.clear_faults();
        let killed = Moment::of(&node, "killed");
        // Whichever request it is, it is the next one and gets the next address.
        let assigned = node.on_eni().into_iter().find(|address| *address != pods).unwrap();
        Self { node, alive, killed, pods, assigned }
    }

    fn answer(&self, lie: &Lie) -> Vec<IpAddr> {
        let filler = (0..).map(|number| IpAddr::from(Ipv4Addr::from(0xc0a8_0064 + number)));
        let first = lie.first.iter().flat_map(|first| match first {
            First::Assigned => vec![self.assigned],
            First::Pods => vec![self.pods],
            First::Primary => vec![PRIMARY],
            First::Foreign => vec![FOREIGN],
            First::Outside => vec![[10, 0, 0, 1].into()],
            First::OtherFamily => vec!["2001:db8:1234:1a00::77".parse().unwrap()],
            First::Twice => vec![[192, 168, 0, 99].into(); 2],
        });
        first.chain(filler).take(lie.length).collect()
    }

    /// What must hold whatever ECS answers.
    fn judge(&self, lie: &Lie) {
        let (on_eni, recorded) = (self.node.on_eni(), self.node.recorded());
        let scene = || format!("{lie:?}\n{}", self.node.scene());
        assert!(on_eni.contains(&self.pods), "a pod has lost its address: {}", scene());
        assert!(!lie.foreign || on_eni.contains(&FOREIGN), "others have lost theirs: {}", scene());
        assert!(recorded.is_subset(&on_eni), "what is not on the ENI is recorded: {}", scene());
        let unnamed = on_eni.iter().any(|it| *it != FOREIGN && !recorded.contains(it));
        assert!(!unnamed || self.has_request(), "nothing names what is on the ENI: {}", scene());
        assert!(files(&self.node.store()).len() < 16, "{}", scene());
        assert!(!self.node.log().contains("panic: "), "{}", scene());
    }

    /// Whether a record names a request whose outcome is open.
    fn has_request(&self) -> bool {
        self.requests().iter().any(|(_, content)| content["release"]["unanswered"].is_array())
    }

    fn requests(&self) -> Vec<(std::path::PathBuf, Value)> {
        let records = files(&self.node.store().join("releasing")).into_iter();
        records
            .map(|path| (path.clone(), serde_json::from_slice(&fs::read(path).unwrap()).unwrap()))
            .collect()
    }

    /// Lets so much time pass that what the ENI has can decide.
    fn let_time_pass(&self) {
        let past = json!("2026-01-01T00:00:00Z");
        for (path, mut content) in self.requests() {
            content["release"]["notBefore"] = past.clone();
            for request in content["release"]["unanswered"].as_array_mut().into_iter().flatten() {
                request["openUntil"] = past.clone();
                if request["notBefore"].is_string() {
                    request["notBefore"] = past.clone();
                }
            }
            fs::write(path, content.to_string()).unwrap();
        }
    }

    fn play(&mut self, lie: &Lie) {
        let node = &self.node;
        let start = if lie.killed { &self.killed } else { &self.alive };
        start.restore(node);
        if lie.foreign {
            node.cloud.assign(Node::ENI, FOREIGN);
        }
        let answer = self.answer(lie);
        // A single address that ECS can have assigned is believed: nobody can know better.
        let in_block = |it: &IpAddr| matches!(it, IpAddr::V4(it) if it.octets()[..3] == [192, 168, 0]);
        if answer.len() == 1 && answer.iter().all(|it| in_block(it) && *it != PRIMARY) {
            return;
        }
        node.cloud.inject(Fault::on("AssignPrivateIpAddresses").effect(Effect::AnswerWith(answer)));
        if lie.killed {
            command(node.command(&["flush"]));
        } else {
            let text = make(node.call("ADD", "c1")).any_error();
            assert!(text.contains("in doubt"), "{text}");
        }
        self.judge(lie);
        for _ in 0..2 {
            self.let_time_pass();
            command(node.command(&["flush"]));
            self.judge(lie);
        }
        assert!(node.cloud.count("AssignPrivateIpAddresses") < 10, "{lie:?}\n{}", node.scene());
        // The cloud is itself again.
        node.cloud.clear_faults();
        self.let_time_pass();
        assert_eq!(command(node.command(&["flush"])).status(), 0, "{lie:?}\n{}", node.scene());
        self.judge(lie);
        let expected: BTreeSet<IpAddr> =
            [self.pods].into_iter().chain(lie.foreign.then_some(FOREIGN)).collect();
        assert_eq!((node.on_eni(), node.counts()), (expected, [0, 1, 0, 0]), "{lie:?}\n{}", node.scene());
    }
}

#[test]
fn an_answer_of_any_length_and_kind_takes_nothing_and_loses_nothing() {
    let stages: Vec<_> = (0..8).map(|_| Mutex::new(Stage::set())).collect();
    survive("nodes with unfit answers", 5, &vec(lie(), 8), |lies| {
        side_by_side(&stages, &lies, Stage::play);
        lies.len()
    });
}
