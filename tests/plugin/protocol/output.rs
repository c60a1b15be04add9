//! What reaches the runtime: one document or none, whatever becomes of stdout.

use std::fs::{self, File};

use harness::{Effect, Fault};
use serde_json::json;

use super::expect_nothing_lost;
use crate::node;

#[test]
fn a_result_is_one_document_and_nothing_goes_to_stderr() {
    let node = node();
    let answer = node.add("c1");
    assert_eq!(answer.result()["cniVersion"], "1.1.0");
    assert_eq!(answer.stdout().matches('\n').count(), 1);
    assert_eq!(answer.stderr(), "");
}

#[test]
fn an_error_is_one_document_with_an_integer_code() {
    let node = node();
    node.cloud.inject(Fault::code("Forbidden.RAM").action("AssignPrivateIpAddresses"));
    let answer = node.add("c1");
    let document = answer.json();
    assert!(document["code"].is_u64() && document["msg"].is_string() && document["details"].is_string());
    assert_eq!(document["cniVersion"], "1.1.0");
    assert_eq!(document.as_object().unwrap().len(), 4);
    assert_eq!((answer.status(), answer.stderr().as_str()), (1, ""));
}

#[test]
fn an_add_whose_result_nobody_reads_undoes_itself() {
    let node = node();
    let answer = node.call("ADD", "c1").run_unread();
    assert_eq!((answer.status(), answer.stderr().as_str()), (1, ""));
    assert_eq!(node.cloud.count("AssignPrivateIpAddresses"), 1);
    assert!(node.on_eni().is_empty());
    assert_eq!(node.counts(), [0, 0, 0, 0]);
}

#[test]
fn an_add_whose_result_does_not_fit_on_the_disk_undoes_itself() {
    let node = node();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let answer = node.call("ADD", "c1").run_into(full);
    assert_eq!((answer.status(), answer.stderr().as_str()), (1, ""));
    assert!(node.on_eni().is_empty());
}

#[test]
fn an_add_keeps_what_an_earlier_one_got_though_nobody_reads_it_again() {
    let node = node();
    let address = node.add("c1").address();
    assert_eq!(node.call("ADD", "c1").run_unread().status(), 1);
    assert_eq!(node.on_eni(), [address].into());
    assert_eq!(node.add("c1").address(), address);
}

#[test]
fn no_operation_panics_when_nobody_reads() {
    let node = node();
    let _ = node.add("c1").address();
    for verb in ["VERSION", "STATUS", "GC", "DEL", "FOO"] {
        let answer = node.call(verb, "c1").run_unread();
        assert!(matches!(answer.status(), 0 | 1) && answer.stderr().is_empty(), "{answer:?}");
        let answer = node.call(verb, "c1").stdin("garbage").run_unread();
        assert!(matches!(answer.status(), 0 | 1) && answer.stderr().is_empty(), "{answer:?}");
    }
    assert!(node.on_eni().is_empty());
    assert!(!node.log().contains("panic"), "{}", node.log());
}

#[test]
fn nothing_is_written_into_another_file_when_stdout_is_closed_from_the_start() {
    let node = node();
    let script = ["-c".to_owned(), r#"exec "$0" >&- 2>&-"#.to_owned()];
    assert_eq!(node.call("ADD", "c1").under("/bin/sh", &script).run().stdout(), "");
    let _ = node.add("c1").address();
    assert_eq!(node.on_eni(), node.recorded());
    assert_eq!(node.counts()[3], 0);
    node.del("c1").ok();
    assert!(node.on_eni().is_empty());
}

#[test]
fn a_del_that_fails_loses_nothing_though_nobody_reads_why() {
    let node = node().with("onReleaseFailure", "fail").with("timeoutSeconds", 1);
    let _ = node.add("c1").address();
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::DropBefore));
    assert_eq!(node.call("DEL", "c1").run_unread().status(), 1);
    assert_eq!(node.counts(), [0, 0, 1, 0]);
    node.cloud.clear_faults();
    expect_nothing_lost(&node);
}

#[test]
fn a_log_that_cannot_be_written_is_nobodys_failure() {
    let node = node();
    fs::create_dir(node.directory().join("directory")).unwrap();
    for (index, file) in [
        node.directory().join("directory"),
        node.directory().join("missing/log"),
        "/dev/full".into(),
        "relative".into(),
    ]
    .into_iter()
    .enumerate()
    {
        let file = file.display().to_string();
        let container = format!("c{index}");
        let call = |verb| {
            let file = json!(file);
            node.call(verb, &container).config(move |config| config["ipam"]["logFile"] = file).run()
        };
        if file == "relative" {
            let _ = call("ADD").error(7);
        } else {
            let _ = call("ADD").address();
        }
        call("DEL").ok();
    }
    assert!(node.on_eni().is_empty());
}
