//! What an error says when the cloud says no: never the words that make containerd take a failed DEL for a success, and
//! forget the pod while its address is still assigned.

use std::time::Duration;

use harness::simulator::codes::{Meaning, TABLE};
use harness::{Answer, Effect, Fault, Node};
use serde_json::json;

use super::{expect_nothing_lost, for_each};
use crate::node;

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";
const DESCRIBE: &str = "DescribeNetworkInterfaces";

/// What a release is answered that has happened already. That the ENI does not exist is another such answer, but not of
/// these nodes', to which it is attached.
const RELEASED: &str = "InvalidIp.IpUnassigned";

/// The code of an ADD that ECS refused with a code of this meaning.
fn code_of_add(meaning: Meaning) -> u64 {
    match meaning {
        // It may pass.
        Meaning::Retry | Meaning::Throttled | Meaning::Stale | Meaning::Open => 11,
        // It holds for whatever this node asks, until somebody changes the account, the key or the endpoint.
        Meaning::Account => 110,
        // It concerns this one request.
        Meaning::Request | Meaning::Released => 111,
        Meaning::Full => 112,
    }
}

/// A node on which a DEL says whether ECS confirmed the release.
fn strict_node() -> Node {
    node().with("onReleaseFailure", "fail")
}

/// An action that is refused. ECS asks to be left alone for longer than any call lasts, so that one which would be tried
/// again ends with this refusal.
fn refused(action: &str, code: &str) -> Fault {
    Fault::on(action).effect(Effect::code_with_retry_after(code, Duration::from_secs(60)))
}

/// Expects that the error says what was refused, about which ENI, and how Alibaba Cloud's support finds it.
#[track_caller]
fn expect_diagnosis(answer: &Answer, text: &str, action: &str, code: &str) {
    for part in [action, code, Node::ENI, "RequestId "] {
        if !text.contains(part) {
            answer.fail(&format!("{part:?} in the error"));
        }
    }
}

#[test]
fn every_refusal_of_an_assignment_fails_the_add_in_harmless_words() {
    for_each(TABLE, |row| {
        let node = strict_node();
        node.cloud.inject(refused(ASSIGN, row.code));
        let answer = node.add("c1");
        let text = answer.error(code_of_add(row.meaning));
        expect_diagnosis(&answer, &text, ASSIGN, row.code);
        node.cloud.clear_faults();
        expect_nothing_lost(&node);
        assert_eq!(node.counts(), [0, 0, 0, 0], "{}", row.code);
    });
}

#[test]
fn every_refusal_of_a_release_fails_the_del_in_harmless_words() {
    for_each(TABLE, |row| {
        let node = strict_node();
        let _ = node.add("c1").address();
        node.cloud.inject(refused(UNASSIGN, row.code));
        let answer = node.del("c1");
        if row.code == RELEASED {
            answer.ok();
            assert_eq!(node.counts(), [0, 0, 0, 0]);
            return;
        }
        let text = answer.error(11);
        expect_diagnosis(&answer, &text, UNASSIGN, row.code);
        assert_eq!((node.counts(), node.on_eni().len()), ([0, 0, 1, 0], 1), "{}", row.code);
        node.cloud.clear_faults();
        expect_nothing_lost(&node);
    });
}

#[test]
fn every_refusal_to_describe_fails_the_add_in_harmless_words() {
    for_each(TABLE, |row| {
        let node = strict_node();
        node.cloud.inject(refused(DESCRIBE, row.code));
        let answer = node.add("c1");
        // To describe what does not exist is no error of ECS's: then the ENI is none of this node's.
        if row.code == "InvalidEniId.NotFound" {
            assert!(answer.error(113).contains(Node::ENI));
        } else {
            let text = answer.error(code_of_add(row.meaning));
            expect_diagnosis(&answer, &text, DESCRIBE, row.code);
        }
        assert_eq!(node.cloud.count(ASSIGN), 0);
        node.cloud.clear_faults();
        assert!(node.on_eni().is_empty());
        let _ = node.add("c1").address();
    });
}

#[test]
fn every_refusal_to_describe_fails_the_del_whose_outcome_is_open_in_harmless_words() {
    for_each(TABLE, |row| {
        let node = strict_node();
        let _ = node.add("c1").address();
        // The release is carried out, nobody learns of it, and nobody can look.
        node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::DropBefore));
        node.cloud.inject(refused(DESCRIBE, row.code));
        let answer = node.del("c1");
        if row.code == "InvalidEniId.NotFound" {
            // It may be hidden from these credentials, so the release itself is asked for, and that succeeds.
            answer.ok();
        } else {
            let text = answer.error(11);
            expect_diagnosis(&answer, &text, DESCRIBE, row.code);
            assert_eq!((node.counts(), node.on_eni().len()), ([0, 0, 1, 0], 1), "{}", row.code);
        }
        node.cloud.clear_faults();
        expect_nothing_lost(&node);
    });
}

/// What comes back when it is not ECS that answers, or not as documented.
fn strange_answers() -> Vec<Effect> {
    let undocumented = |code: &str, message: &str, status| Effect::Error {
        code: code.into(),
        message: message.into(),
        status,
        retry_after_ms: None,
    };
    let mut effects = vec![
        undocumented("Unheard.Of", "The ENI was NOT FOUND: No such file or directory", 404),
        undocumented("Unheard.Of", "not\nfound, not \t found, nonot foundt found", 400),
        undocumented("not found", "no such file or directory", 403),
        undocumented("", "", 404),
        undocumented("Unheard.Of", &"not found ".repeat(10_000), 400),
        Effect::DropBefore,
        Effect::Garbage,
        Effect::TruncatedBody,
        Effect::EndlessBody,
        Effect::HugeHeaders,
        Effect::Stall,
    ];
    for status in [200, 301, 404, 502] {
        effects.extend([Effect::Html { status }, Effect::Empty { status }]);
    }
    effects
}

#[test]
fn answers_that_are_none_fail_the_add_in_harmless_words() {
    for_each(&strange_answers(), |effect| {
        for action in [ASSIGN, DESCRIBE] {
            let mut node = strict_node().with("timeoutSeconds", 3);
            node.cloud.inject(Fault::on(action).effect(effect.clone()));
            assert!(node.add("c1").any_error().contains(Node::ENI), "{effect:?}");
            node.cloud.clear_faults();
            node.set("timeoutSeconds", 20);
            expect_nothing_lost(&node);
        }
    });
}

#[test]
fn answers_that_are_none_fail_the_del_in_harmless_words() {
    for_each(&strange_answers(), |effect| {
        for action in [UNASSIGN, DESCRIBE] {
            let mut node = strict_node();
            let _ = node.add("c1").address();
            node.set("timeoutSeconds", 3);
            node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::DropBefore));
            node.cloud.inject(Fault::on(action).effect(effect.clone()));
            assert!(node.del("c1").error(11).contains(Node::ENI), "{effect:?}");
            assert_eq!((node.counts(), node.on_eni().len()), ([0, 0, 1, 0], 1), "{effect:?}");
            node.cloud.clear_faults();
            node.set("timeoutSeconds", 20);
            expect_nothing_lost(&node);
        }
    });
}

#[test]
fn a_metadata_service_that_knows_nothing_fails_the_add_in_harmless_words() {
    let missing = Effect::Error {
        code: String::new(),
        message: "404 - Not Found".into(),
        status: 404,
        retry_after_ms: None,
    };
    let effects = [missing, Effect::Html { status: 404 }, Effect::DropBefore, Effect::Garbage];
    for_each(&effects, |effect| {
        for (path, key, value) in [
            ("/latest/meta-data/region-id", "regionId", json!(null)),
            ("/latest/meta-data/mac", "networkInterfaceId", json!(null)),
            ("/latest/meta-data/network", "networkInterfaceId", json!(null)),
            ("/latest/meta-data/ram", "credentials", json!({"source": "ecs-ram-role"})),
        ] {
            let node = strict_node().with(key, value).with("timeoutSeconds", 3);
            node.cloud.inject_metadata(path, effect.clone(), None);
            let _ = node.add("c1").any_error();
            assert_eq!(node.cloud.count(ASSIGN), 0, "{path} {effect:?}");
        }
    });
}

#[test]
fn a_slow_cloud_is_told_from_a_refusing_one() {
    let node = strict_node().with("timeoutSeconds", 3);
    node.cloud.set_latency(Duration::from_secs(30));
    assert!(node.add("c1").error(11).contains(Node::ENI));
}
