//! The person on call repairs a node on which pods of a real runtime live.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use harness::{EARLIER_BOOT, Need, Node};
use serde_json::{Value, json};

use crate::lost_store::operator;
use crate::stage::{Stage, UNASSIGN};

harness::tests! {
    needs [Need::Root, Need::Containerd]:
        a_pod_whose_address_somebody_unassigned_gets_it_back,
        pods_that_live_keep_what_looks_left_by_an_earlier_boot;
}

/// How `doctor` ends its check of this name.
fn checked(stage: &Stage, name: &str) -> Value {
    let answer = operator(stage, &["doctor"]);
    let checks = answer.json()["checks"].as_array().cloned().unwrap_or_default();
    let check = checks.into_iter().find(|check| check["name"] == name);
    check.unwrap_or_else(|| answer.fail(name))["status"].clone()
}

fn a_pod_whose_address_somebody_unassigned_gets_it_back() {
    let stage = Stage::new();
    let pods = ["web-0", "web-1"].map(|pod| stage.runtime.run_pod(pod));
    let address: IpAddr = stage.address(&pods[0]);
    // A description shows what was assigned so long ago.
    stage.node.let_time_pass(Duration::from_mins(10));
    stage.node.cloud.unassign(Node::ENI, address);
    assert_eq!(checked(&stage, "addresses"), "fail");

    let restored = operator(&stage, &["reconcile", "--restore"]);
    assert_eq!((restored.status(), &restored.json()["restored"]), (0, &json!([address])), "{restored:?}");
    stage.expect_pods(&pods.each_ref().map(String::as_str));
    for (at, pod) in pods.iter().enumerate() {
        stage.runtime.stop_pod(pod);
        stage.runtime.remove_pod(pod);
        stage.expect_pods(&pods[at + 1..].iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn pods_that_live_keep_what_looks_left_by_an_earlier_boot() {
    let stage = Stage::new();
    let pods = ["web-0", "web-1"].map(|pod| stage.runtime.run_pod(pod));
    let on_eni = stage.node.on_eni();
    for record in fs::read_dir(stage.node.store().join("active")).expect("records").flatten() {
        let mut content: Value =
            serde_json::from_slice(&fs::read(record.path()).expect("a record")).expect("JSON");
        // This node shows a boot of its own to its processes, so no record says in which it was made.
        assert_eq!(content["allocation"]["bootId"], "");
        content["allocation"]["bootId"] = EARLIER_BOOT.into();
        content.as_object_mut().expect("an object").remove("digest");
        // In place, because a record has a second name.
        fs::write(record.path(), content.to_string()).expect("the record");
    }
    for _ in 0..2 {
        // On a machine that has booted within ten minutes they wait for their turn instead.
        let answer = operator(&stage, &["flush"]);
        assert_eq!(answer.json()["earlierBoot"]["begun"], json!([]), "{answer:?}");
        assert_eq!((answer.status(), stage.node.on_eni()), (1, on_eni.clone()), "{answer:?}");
    }
    assert_eq!(stage.node.cloud.count(UNASSIGN), 0);
    for pod in &pods {
        stage.runtime.stop_pod(pod);
        stage.runtime.remove_pod(pod);
    }
    stage.expect_pods(&[]);
}
