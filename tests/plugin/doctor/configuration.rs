//! The files of the configuration, their keys, and the files that keys name.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Answer, Node};
use serde_json::Value;

use super::{doctor, expect, lines};
use crate::node;

#[test]
fn a_configuration_is_judged_whole() {
    let mut node = node().with("colour", "blue");
    expect(&doctor(&node), "configuration", "warn", &["colour"]);
    node.set("resolvConf", "/etc/resolv.conf.of-nobody");
    expect(&doctor(&node), "configuration", "fail", &["/etc/resolv.conf.of-nobody"]);
    node.set("subnet", "192.168.0.1");
    expect(&doctor(&node), "configuration", "fail", &["ipam.subnet", "192.168.0.1"]);
}

#[test]
fn without_a_configuration_it_says_where_it_looked_and_checks_what_it_can() {
    let node = node();
    let directory = node.directory().join("net.d");
    fs::create_dir(&directory).unwrap();
    fs::write(
        directory.join("10-other.conf"),
        r#"{"name":"a","type":"bridge","ipam":{"type":"host-local"}}"#,
    )
    .unwrap();
    let missing = node.directory().join("none");
    for (config, why) in
        [(&directory, "10-other.conf uses bridge with host-local"), (&missing, "does not exist")]
    {
        // Nobody is asked for a key, so that nothing is sent even where the metadata service of a real instance answers.
        let config = config.display().to_string();
        let answer = node
            .program(&["doctor", "--json", "--config", &config])
            .without("ALIBABA_CLOUD_ACCESS_KEY_ID")
            .env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
            .env("HOME", node.directory())
            .run();
        expect(&answer, "configuration", "fail", &[&config, "--config"]);
        assert!(lines(&answer, "configuration")[0].contains(why) || why == "does not exist", "{answer:?}");
        assert!(lines(&answer, "binary")[0].starts_with("ok: aliyun-eni-ipam "), "{answer:?}");
        for name in ["store", "metadata", "credentials"] {
            assert_eq!(lines(&answer, name).len(), 1, "{name}: {answer:?}");
        }
        assert!(lines(&answer, "permissions").is_empty(), "{answer:?}");
    }
}

/// A directory of configurations with these files.
fn directory_of(node: &Node, files: &[(&str, &str)]) -> PathBuf {
    let directory = node.directory().join("net.d");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    for (name, content) in files {
        fs::write(directory.join(name), content).unwrap();
    }
    directory
}

fn doctor_in(node: &Node, directory: &Path) -> Answer {
    let answer = node.operator_with(directory, &["doctor", "--json"]);
    assert!(!format!("{answer:?}").contains("--help") && answer.stderr().is_empty(), "{answer:?}");
    answer
}

#[test]
fn a_broken_configuration_is_a_line_with_file_and_reason() {
    let node = node();
    let directory = directory_of(&node, &[("10-pods.conflist", "{")]);
    let broken = directory.join("10-pods.conflist");
    for config in [&directory, &broken] {
        let answer = node.operator_with(config, &["doctor"]);
        assert_eq!((answer.status(), answer.stderr()), (1, String::new()));
        let line = format!("fail  configuration  {} is broken: EOF while parsing", broken.display());
        assert!(answer.stdout().contains(&line) && !answer.stdout().contains("--help"), "{answer:?}");
    }
}

#[test]
fn a_file_that_runtimes_refuse_fails_even_if_it_is_json() {
    let node = node();
    let changed = |change: fn(&mut Value)| {
        let mut list = node.conflist();
        change(&mut list);
        list.to_string()
    };
    for (text, reason) in [
        (
            changed(|it| it["plugins"][0]["ipam"] = "aliyun-eni-ipam".into()),
            "the `ipam` of `plugins[0]` is a string",
        ),
        (changed(|it| drop(it.as_object_mut().unwrap().remove("name"))), "it has no `name`"),
        (changed(|it| it["name"] = "a b".into()), "has characters"),
        (changed(|it| it["plugins"] = it["plugins"][0].clone()), "`plugins` is an object, not a list"),
        (changed(|it| it["plugins"] = "aliyun-eni-ipam".into()), "`plugins` is a string, not a list"),
        (changed(|it| it["plugins"][0]["type"] = Value::Null), "`plugins[0]` has no `type`"),
        (changed(|it| it["cniVersion"] = "9.9.9".into()), "\"9.9.9\""),
        (r#"["aliyun-eni-ipam"]"#.to_owned(), "it is a list, not an object"),
        ("aliyun-eni-ipam".to_owned(), "expected value"),
    ] {
        let directory = directory_of(&node, &[("10-pods.conflist", &text)]);
        let file = directory.join("10-pods.conflist");
        expect(&doctor_in(&node, &directory), "configuration", "fail", &[file.to_str().unwrap(), reason]);
        // Nor is it a warning where the network is found in another file as well: it names this plugin.
        fs::write(directory.join("05-pods.conflist"), node.conflist().to_string()).unwrap();
        expect(&doctor_in(&node, &directory), "configuration", "fail", &[file.to_str().unwrap(), reason]);
    }
    // A list in a file of the wrong kind.
    let directory = directory_of(&node, &[("10-pods.conf", &node.conflist().to_string())]);
    expect(&doctor_in(&node, &directory), "configuration", "fail", &["10-pods.conf", "rename it"]);
}

#[test]
fn of_other_plugins_files_the_one_counts_that_a_runtime_takes_first() {
    let node = node();
    let pods = node.conflist().to_string();
    let other = r#"{"name":"a","type":"bridge","ipam":{"type":"host-local"}}"#;
    let directory = directory_of(&node, &[("10-other.conf", "{"), ("20-pods.conflist", &pods)]);
    expect(
        &doctor_in(&node, &directory),
        "configuration",
        "fail",
        &["10-other.conf", "containerd stops at it"],
    );
    let directory = directory_of(&node, &[("20-pods.conflist", &pods), ("30-other.conf", "{")]);
    expect(&doctor_in(&node, &directory), "configuration", "warn", &["30-other.conf is broken"]);
    let directory = directory_of(&node, &[("10-other.conf", other), ("20-pods.conflist", &pods)]);
    let words = ["10-other.conf comes before 20-pods.conflist", "containerd"];
    expect(&doctor_in(&node, &directory), "configuration", "warn", &words);
    let directory = directory_of(&node, &[("20-pods.conflist", &pods), ("30-other.conf", other)]);
    let answer = doctor_in(&node, &directory);
    assert_eq!(lines(&answer, "configuration").len(), 1, "{answer:?}");
}

#[test]
fn a_configuration_that_keeps_the_rest_from_being_checked_is_named() {
    let node = node().with("timeoutSeconds", "1m");
    let answer = doctor(&node);
    expect(&answer, "configuration", "fail", &["ipam.timeoutSeconds"]);
    assert!(lines(&answer, "cloud")[0].starts_with("warn: not tested: ipam.timeoutSeconds"), "{answer:?}");
}

/// What is in the directory of the metrics, the log and the configuration.
fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn a_file_of_metrics_that_is_not_written_or_not_read_is_told() {
    let mut node = node();
    let metrics = node.directory().join("metrics");
    let path = |name: &str| metrics.join(name).to_str().unwrap().to_owned();
    node.set("metricsFile", path("node.prom"));
    expect(&doctor(&node), "metrics", "fail", &[metrics.to_str().unwrap(), "does not exist"]);
    fs::create_dir(&metrics).unwrap();
    expect(&doctor(&node), "metrics", "ok", &["node.prom can be written"]);
    assert!(names(&metrics).is_empty());
    node.set("metricsFile", path("node.txt"));
    expect(&doctor(&node), "metrics", "warn", &["node_exporter ignores", "node.txt", ".prom"]);
    fs::create_dir(metrics.join("directory.prom")).unwrap();
    node.set("metricsFile", path("directory.prom"));
    expect(&doctor(&node), "metrics", "fail", &["it is a directory"]);
    node.set("metricsFile", "/proc/node.prom");
    expect(&doctor(&node), "metrics", "fail", &["/proc/node.prom cannot be written"]);
    assert_eq!(names(&metrics), ["directory.prom"]);
}

#[test]
fn a_log_that_is_not_written_is_told_and_none_is_made() {
    let mut node = node();
    let logs = node.directory().join("logs");
    fs::create_dir(&logs).unwrap();
    let path = |name: &str| logs.join(name).to_str().unwrap().to_owned();
    node.set("logLevel", "error");
    node.set("logFile", path("log"));
    expect(&doctor(&node), "log", "ok", &["can be written"]);
    assert!(names(&logs).is_empty());
    node.set("logFile", path("none/log"));
    let answer = doctor(&node);
    assert!(lines(&answer, "log")[0].contains("its directory does not exist"), "{answer:?}");
    assert!(!lines(&answer, "log")[0].starts_with("ok"), "{answer:?}");
    std::os::unix::fs::symlink("/dev/null", logs.join("link")).unwrap();
    node.set("logFile", path("link"));
    assert!(lines(&doctor(&node), "log")[0].contains("it is a symbolic link"));
    fs::create_dir(logs.join("directory")).unwrap();
    node.set("logFile", path("directory"));
    assert!(!lines(&doctor(&node), "log")[0].starts_with("ok"));
    node.set("logFile", "/proc/log");
    assert!(!lines(&doctor(&node), "log")[0].starts_with("ok"));
    assert_eq!(names(&logs), ["directory", "link"]);
}
