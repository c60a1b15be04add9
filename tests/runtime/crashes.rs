//! Pods, runtimes and nodes that end without warning.

use std::net::IpAddr;

use harness::{Effect, Fault, Need};

use crate::stage::{Stage, UNASSIGN};

harness::tests! {
    needs [Need::Root, Need::Containerd]:
        a_pod_whose_process_was_killed_keeps_its_address_until_it_is_stopped,
        a_crash_of_containerd_during_a_del_releases_once,
        after_a_reboot_pods_are_deleted_and_what_was_releasing_is_released;
}

fn a_pod_whose_process_was_killed_keeps_its_address_until_it_is_stopped() {
    let stage = Stage::new();
    let pod = stage.runtime.run_pod("web-0");
    let address = stage.address(&pod);

    stage.runtime.kill_pod(&pod);
    assert_eq!(stage.commands(), ["ADD"]);
    stage.node.expect_in_use([address]);

    stage.runtime.stop_pod(&pod);
    stage.expect_pods(&[]);
    stage.runtime.remove_pod(&pod);
    assert_eq!(stage.node.cloud.count(UNASSIGN), 1);
}

/// The plugin finishes what it is at, and the DEL of the runtime that has come back finds it done.
fn a_crash_of_containerd_during_a_del_releases_once() {
    let mut stage = Stage::new();
    let pod = stage.runtime.run_pod("web-0");

    stage.node.cloud.hold(UNASSIGN);
    let stopping = stage.runtime.begin_to_stop_pod(&pod);
    stage.eventually("a release that waits", || stage.node.cloud.count(UNASSIGN) == 1);
    stage.runtime.kill9_and_restart();
    stopping.wait().expect_err("containerd was killed");
    assert_eq!(stage.runtime.pods(), [pod.as_str()]);
    assert_eq!(stage.node.counts(), [0, 0, 1, 0]);
    stage.node.expect_books_agree();

    stage.node.cloud.let_go();
    stage.eventually_empty();
    stage.runtime.stop_pod(&pod);
    stage.runtime.remove_pod(&pod);
    assert_eq!(stage.commands(), ["ADD", "DEL", "DEL", "DEL"]);
    assert_eq!(stage.node.cloud.count(UNASSIGN), 1);
    stage.expect_pods(&[]);
}

/// A reboot takes the network namespaces away and leaves the pods to be deleted. On its ground alone nothing is released,
/// and nothing that was recorded is lost.
fn after_a_reboot_pods_are_deleted_and_what_was_releasing_is_released() {
    let mut stage = Stage::with(|node| node.set("timeoutSeconds", 2));
    let kept = stage.runtime.run_pod("web-0");
    let deleted = stage.runtime.run_pod("web-1");
    let addresses: [IpAddr; 2] = [&kept, &deleted].map(|pod| stage.address(pod));
    stage.node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    stage.runtime.stop_pod(&deleted);
    stage.node.cloud.clear_faults();

    stage.runtime.reboot();
    assert_eq!(stage.commands(), ["ADD", "ADD", "DEL"]);
    assert_eq!(stage.node.counts(), [0, 1, 1, 0]);
    assert_eq!(stage.node.on_eni(), addresses.into());
    stage.node.expect_books_agree();

    let flushed = stage.node.operator_with(&stage.runtime.conflist("pods"), &["flush"]);
    assert_eq!(flushed.status(), 0, "{flushed:?}");
    stage.node.expect_in_use([addresses[0]]);

    stage.runtime.stop_pod(&kept);
    let del = stage.calls.calls().pop().expect("a DEL");
    assert!(del.container == kept && del.netns.is_empty() && del.config["prevResult"].is_object());
    stage.expect_pods(&[]);
    for pod in [&kept, &deleted] {
        stage.runtime.remove_pod(pod);
    }
    assert!(stage.runtime.pods().is_empty());
    let new = stage.runtime.run_pod("web-0");
    stage.expect_pods(&[&new]);
}
