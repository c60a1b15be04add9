//! A cloud that is slower than the runtime's client is patient. The client gives up, containerd kills the main plugin, and
//! the IPAM plugin goes on alone.

use harness::Need;

use crate::stage::{ASSIGN, Stage, UNASSIGN};
use crate::tools::{IMPATIENT, holds_within};

harness::tests! {
    needs [Need::Root, Need::Containerd]:
        a_del_that_is_repeated_while_the_cloud_is_slow_releases_once,
        an_add_that_outlives_its_pod_gives_its_address_back,
        a_del_that_may_fail_waits_for_an_add_that_outlives_its_pod;
}

/// The client repeats a DEL whose first call still waits for the cloud. The later ones wait with it instead of asking the
/// cloud again, and instead of claiming what is not true yet.
fn a_del_that_is_repeated_while_the_cloud_is_slow_releases_once() {
    let stage = Stage::with(|node| node.set("onReleaseFailure", "fail"));
    let pod = stage.runtime.run_pod("web-0");

    stage.node.cloud.hold(UNASSIGN);
    let first = stage.runtime.begin_to_stop_pod(&pod);
    stage.eventually("a release that waits", || stage.node.cloud.count(UNASSIGN) == 1);
    first.end();
    let second = stage.runtime.stop_pod_with_deadline(&pod, IMPATIENT).expect_err("the cloud is slow");
    assert!(second.is_deadline(), "{second}");
    let third = stage.runtime.begin_to_stop_pod(&pod);
    assert_eq!(stage.node.counts(), [0, 0, 1, 0]);
    stage.node.expect_books_agree();

    stage.node.cloud.let_go();
    third.wait().unwrap_or_else(|failure| panic!("{failure}\n{}", stage.node.scene()));
    stage.expect_pods(&[]);
    stage.runtime.remove_pod(&pod);
    assert!(stage.runtime.pods().is_empty());
    assert_eq!(stage.node.cloud.count(UNASSIGN), 1);
}

/// The cleanup's DEL comes while the ADD still waits for the cloud, and by default does not wait with it.
fn an_add_that_outlives_its_pod_gives_its_address_back() {
    let stage = Stage::new();
    give_up_on_an_add(&stage);
    stage.eventually("the cleanup", || stage.runtime.network_namespaces().is_empty());
    assert_eq!(stage.commands(), ["ADD", "DEL"]);
    assert_eq!(stage.node.counts(), [1, 0, 0, 0]);

    stage.node.cloud.let_go();
    stage.eventually_empty();
    expect_nothing_left_and_another_pod_well(&stage);
}

/// Where a DEL must not report more than is true, it waits until the ADD has undone itself.
fn a_del_that_may_fail_waits_for_an_add_that_outlives_its_pod() {
    let stage = Stage::with(|node| node.set("onReleaseFailure", "fail"));
    give_up_on_an_add(&stage);
    stage.eventually("the cleanup's DEL", || stage.calls.count("DEL") == 1);
    let cleaned_up = || stage.runtime.network_namespaces().is_empty();
    assert!(!holds_within(IMPATIENT, cleaned_up), "{}", stage.node.scene());

    stage.node.cloud.let_go();
    stage.eventually("the cleanup", cleaned_up);
    expect_nothing_left_and_another_pod_well(&stage);
}

fn give_up_on_an_add(stage: &Stage) {
    stage.node.cloud.hold(ASSIGN);
    let client = stage.runtime.begin_to_run_pod("web-0");
    stage.eventually("an ADD that waits", || stage.node.cloud.count(ASSIGN) == 1);
    client.end();
}

fn expect_nothing_left_and_another_pod_well(stage: &Stage) {
    stage.expect_pods(&[]);
    assert_eq!((stage.node.cloud.count(ASSIGN), stage.node.cloud.count(UNASSIGN)), (1, 1));
    assert!(!stage.node.log().contains("panic"), "{}", stage.node.log());
    let pod = stage.runtime.run_pod("web-0");
    stage.expect_pods(&[&pod]);
}
