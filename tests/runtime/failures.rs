//! Calls that fail: nothing is left behind, nothing is forgotten, and the person who reads the error learns why.

use std::thread;
use std::time::{Duration, Instant};

use harness::{Effect, Fault, Need, Node};
use serde_json::json;

use crate::stage::{ASSIGN, Stage, UNASSIGN};
use crate::tools::{Failure, PATIENCE};

harness::tests! {
    needs [Need::Root, Need::Containerd]:
        a_pod_that_gets_no_address_leaves_nothing_behind,
        an_address_is_given_back_when_a_later_plugin_fails,
        a_pod_stays_until_its_address_is_released_where_that_is_wanted,
        a_pod_is_not_forgotten_because_of_the_words_of_an_error,
        an_error_reaches_the_client_whatever_its_characters;
}

/// A DEL succeeds only when the address is released, and does not wait for that for long.
fn strict(node: &mut Node) {
    node.set("onReleaseFailure", "fail");
    node.set("timeoutSeconds", 2);
}

/// kubelet tries again for as long as a pod is there.
fn until_it_works(mut attempt: impl FnMut() -> Result<(), Failure>) {
    let end = Instant::now() + PATIENCE;
    while let Err(failure) = attempt() {
        assert!(Instant::now() < end, "{failure}");
        thread::sleep(Duration::from_secs(3));
    }
}

fn a_pod_that_gets_no_address_leaves_nothing_behind() {
    // Room for the ENI's primary address and one more.
    let stage = Stage::with(|node| node.cloud.with_world(|world| world.quota.ipv4 = 2));
    let pod = stage.runtime.run_pod("web-0");

    let failure = stage.runtime.run_pod_with_deadline("web-1", Duration::from_mins(1));
    let failure = failure.expect_err("the ENI is full");
    assert!(
        failure.stderr.contains(r#"plugin type="ptp" failed (add): no free address is left"#),
        "{failure}"
    );
    assert_eq!(stage.commands(), ["ADD", "ADD", "DEL"]);
    assert_eq!(stage.runtime.pods(), [pod.as_str()]);
    stage.expect_pods(&[&pod]);

    stage.runtime.remove_pod(&pod);
    let pod = stage.runtime.run_pod("web-1");
    stage.expect_pods(&[&pod]);
}

/// The pod's ADD fails after this plugin's part of it has succeeded.
fn an_address_is_given_back_when_a_later_plugin_fails() {
    let stage = Stage::new();
    let mut conflist = stage.node.ptp_conflist();
    let plugins = conflist["plugins"].as_array_mut().expect("a list");
    plugins.push(json!({"type": "tuning", "sysctl": {"net.ipv4.no_such_setting": "1"}}));
    stage.use_conflist(&conflist);

    let failure = stage.runtime.run_pod_with_deadline("web-0", Duration::from_mins(1));
    let failure = failure.expect_err("there is no such setting");
    assert!(failure.stderr.contains(r#"plugin type="tuning" failed (add)"#), "{failure}");
    assert_eq!(stage.commands(), ["ADD", "DEL"]);
    assert!(stage.runtime.pods().is_empty());
    assert_eq!((stage.node.cloud.count(ASSIGN), stage.node.cloud.count(UNASSIGN)), (1, 1));
    stage.expect_pods(&[]);
}

/// With `onReleaseFailure: fail` the pod stays until its address is released, however often that is tried.
fn a_pod_stays_until_its_address_is_released_where_that_is_wanted() {
    let stage = Stage::with(strict);
    let pod = stage.runtime.run_pod("web-0");
    let address = stage.address(&pod);

    stage.node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    let stopped = stage.runtime.try_stop_pod(&pod).expect_err("the cloud is down");
    assert!(stopped.stderr.contains("the address is not released yet"), "{stopped}");
    assert!(stopped.stderr.contains("ServiceUnavailable"), "{stopped}");
    let asked = stage.node.cloud.count(UNASSIGN);
    let removed = stage.runtime.try_remove_pod(&pod).expect_err("the cloud is down");
    assert!(removed.stderr.contains("the address is not released yet"), "{removed}");
    assert_eq!(stage.runtime.pods(), [pod.as_str()]);
    assert_eq!(
        stage.node.cloud.count(UNASSIGN),
        asked,
        "the next DEL does not wait for a cloud that is down"
    );
    assert_eq!(stage.node.counts(), [0, 0, 1, 0]);
    assert!(stage.node.on_eni().contains(&address));
    stage.node.expect_books_agree();

    stage.node.cloud.clear_faults();
    until_it_works(|| stage.runtime.try_stop_pod(&pod));
    stage.expect_pods(&[]);
    stage.runtime.remove_pod(&pod);
    assert!(stage.runtime.pods().is_empty());
}

/// containerd takes an error with such words in it for success and forgets the pod.
fn a_pod_is_not_forgotten_because_of_the_words_of_an_error() {
    let stage = Stage::with(strict);
    let pod = stage.runtime.run_pod("web-0");

    stage.node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::Error {
        code: "Backend.NotFound".into(),
        message: "The backend is not found: open /backend: no such file or directory.".into(),
        status: 503,
        retry_after_ms: None,
    }));
    let stopped = stage.runtime.try_stop_pod(&pod).expect_err("nothing is released");
    assert!(stopped.stderr.contains("the address is not released yet"), "{stopped}");
    stage.runtime.try_remove_pod(&pod).expect_err("nothing is released");
    assert_eq!(stage.runtime.pods(), [pod.as_str()]);
    assert_eq!(stage.node.counts(), [0, 0, 1, 0]);
    stage.node.expect_books_agree();

    stage.node.cloud.clear_faults();
    let flushed = stage.node.operator_with(&stage.runtime.conflist("pods"), &["flush"]);
    assert_eq!(flushed.status(), 0, "{flushed:?}");
    stage.runtime.stop_pod(&pod);
    stage.runtime.remove_pod(&pod);
    assert!(stage.runtime.pods().is_empty());
    stage.expect_pods(&[]);
}

/// Whatever characters an error has, the runtime can read the document that it comes in.
fn an_error_reaches_the_client_whatever_its_characters() {
    let stage = Stage::new();
    let words = ["first", "second", "\"quoted\"", "{\"code\": 1}", "<b>&", "\u{202e}", "\\u0000", "last"];
    stage.node.cloud.inject(Fault::on(ASSIGN).effect(Effect::Error {
        code: "Strange".into(),
        message: words.join(" \r\n\t\u{1b}[31m\u{0}"),
        status: 400,
        retry_after_ms: None,
    }));
    let failure = stage.runtime.run_pod_with_deadline("web-0", Duration::from_mins(1));
    let failure = failure.expect_err("ECS refuses");
    assert!(
        failure.stderr.contains(r#"plugin type="ptp" failed (add): ECS refused the request; "#),
        "{failure}"
    );
    for word in ["first", "second", "quoted", "last"] {
        assert!(failure.stderr.contains(word), "{word} in {failure}");
    }
    assert!(!failure.stderr.contains("error parsing its diagnostic message"), "{failure}");
    assert!(stage.runtime.pods().is_empty());
    stage.expect_pods(&[]);
}
