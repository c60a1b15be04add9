//! The cloud is down while pods are deleted: by default that is the operator's trouble, not the pods'.

use harness::simulator::Entry;
use harness::{Effect, Fault, Need};
use serde_json::Value;

use crate::stage::{Stage, UNASSIGN};

harness::tests! {
    needs [Need::Root, Need::Containerd]:
        an_outage_does_not_keep_pods_from_being_deleted_and_their_addresses_are_released_later;
}

fn an_outage_does_not_keep_pods_from_being_deleted_and_their_addresses_are_released_later() {
    let stage = Stage::with(|node| node.set("timeoutSeconds", 2));
    let pods = [stage.runtime.run_pod("web-0"), stage.runtime.run_pod("web-1")];
    let addresses = [stage.address(&pods[0]), stage.address(&pods[1])];
    let conflist = stage.runtime.conflist("pods");

    stage.node.cloud.inject(Fault::new(Effect::DropBefore));
    stage.runtime.stop_pod(&pods[0]);
    let asked = stage.node.cloud.ledger().len();
    stage.runtime.remove_pod(&pods[0]);
    stage.runtime.stop_pod(&pods[1]);
    stage.runtime.remove_pod(&pods[1]);
    assert_eq!(stage.node.cloud.ledger().len(), asked, "one pod has waited for the cloud, the others do not");
    assert!(stage.runtime.pods().is_empty());

    let listed = stage.node.operator_with(&conflist, &["list", "--json"]).json();
    let listed = listed["records"].as_array().cloned().unwrap_or_default();
    let releasing = |record: &Value| record["state"] == "releasing" && record["pod"].is_string();
    assert!(listed.len() == 2 && listed.iter().all(releasing), "{listed:?}");
    assert!(
        listed.iter().any(|record| record["attempts"] != 0 && record["lastError"].is_string()),
        "{listed:?}"
    );
    assert_eq!(stage.node.on_eni(), addresses.into());
    stage.node.expect_books_agree();

    let flushed = stage.node.operator_with(&conflist, &["flush"]);
    assert_eq!(flushed.status(), 1, "{flushed:?}");
    assert_eq!(stage.node.counts(), [0, 0, 2, 0]);

    stage.node.cloud.clear_faults();
    let flushed = stage.node.operator_with(&conflist, &["flush"]);
    assert_eq!(flushed.status(), 0, "{flushed:?}");
    stage.expect_pods(&[]);
    let released = |entry: &Entry| entry.action == UNASSIGN && entry.executed;
    let requests = stage.node.cloud.ledger().into_iter().filter(released).count();
    assert_eq!(requests, 1, "one request releases them both");
}
