//! The log: a pod's name finds its whole life, each outcome is one line, and every form says the same.

use std::fs;
use std::time::Duration;

use aliyun_eni_ipam::logging::{FIELDS, Kind};
use harness::simulator::World;
use harness::{Answer, Calling, Effect, Fault, Node, all_ok, at_once};
use serde_json::{Map, Value, json};

use crate::{eventually, node};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

fn args(pod: &str) -> String {
    format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod};K8S_POD_UID=uid-{pod}")
}

/// A call as containerd makes it, whose container has the name of its pod.
fn call<'a>(node: &'a Node, verb: &str, pod: &str) -> Calling<'a> {
    node.call(verb, &format!("container-of-{pod}")).env("CNI_ARGS", args(pod))
}

fn add(node: &Node, pod: &str) -> Answer {
    call(node, "ADD", pod).run()
}

fn del(node: &Node, pod: &str) {
    call(node, "DEL", pod).run().ok();
}

/// The lines with what `grep` finds, without those of `debug`.
fn found(node: &Node, text: &str) -> Vec<String> {
    let log = node.log();
    let lines = log
        .lines()
        .filter(|line| line.contains(text) && !line.contains(" DEBUG ") && !line.contains(r#""DEBUG""#));
    lines.map(str::to_owned).collect()
}

/// Who said what about the pod.
fn life(node: &Node, pod: &str) -> Vec<String> {
    let said = |line: &String| {
        let text = line.splitn(4, ' ').last().unwrap().trim_start();
        let (_, text) = text.split_once(' ').unwrap();
        let (who, what) = text.split_once(": ").unwrap();
        let (what, _) = what.split_once(" pod=").unwrap();
        format!("{}: {what}", who.replace("container-of-", "").replace("/eth0", ""))
    };
    found(node, &format!("default/{pod}")).iter().map(said).collect()
}

/// The value of a field of a line of text.
fn field<'l>(line: &'l str, name: &str) -> &'l str {
    let start = format!(" {name}=");
    let value = line.split_once(&start).map_or("", |(_, rest)| rest);
    if let Some(quoted) = value.strip_prefix('"') {
        return quoted.split_once('"').map_or("", |(value, _)| value);
    }
    value.split(' ').next().unwrap_or_default()
}

fn outage(node: &Node) {
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
}

fn end_of_outage(node: &Node) {
    node.cloud.clear_faults();
    node.let_time_pass(Duration::from_mins(5));
}

#[test]
fn grep_by_a_pods_name_finds_its_whole_life() {
    let node = node();
    for pod in ["web-0", "web-1", "web-2"] {
        let _ = add(&node, pod).address();
    }
    outage(&node);
    del(&node, "web-0");
    del(&node, "web-1");
    end_of_outage(&node);
    del(&node, "web-2");
    for pod in ["web-0", "web-1"] {
        let expected = [
            format!("ADD {pod}: assigned"),
            format!("DEL {pod}: deferred"),
            "DEL web-2: released".to_owned(),
        ];
        assert_eq!(life(&node, pod), expected, "{}", node.log());
    }
    assert_eq!(life(&node, "web-2"), ["ADD web-2: assigned", "DEL web-2: released"]);

    // What the lines say beside that.
    let lines = found(&node, "default/web-0");
    for (line, fields) in lines.iter().zip([
        &[("addresses", "192.168.0.1"), ("eni", Node::ENI), ("attempt", "1"), ("container", "")][..],
        &[("addresses", "192.168.0.1"), ("eni", Node::ENI), ("attempt", "1"), ("ecsCode", "Forbidden.RAM")],
        &[
            ("addresses", "192.168.0.1"),
            ("attempt", "2"),
            ("container", "container-of-web-0"),
            ("ifname", "eth0"),
        ],
    ]) {
        for (name, value) in fields {
            assert_eq!(field(line, name), *value, "{name}: {line}");
        }
        assert!(field(line, "requestId").len() > 8, "{line}");
        assert!(field(line, "ms").parse::<u64>().is_ok(), "{line}");
    }
    // The DEL that did not ask says why as well.
    let [_, deferred, released] = &found(&node, "default/web-1")[..] else { panic!("{}", node.log()) };
    assert!(
        field(deferred, "error").contains("Forbidden.RAM") && field(deferred, "attempt").is_empty(),
        "{deferred}"
    );
    assert_eq!(field(released, "attempt"), "1");
    // One request has released them all.
    let ids: Vec<_> = ["web-0", "web-1", "web-2"]
        .map(|pod| field(found(&node, &format!("default/{pod}")).last().unwrap(), "requestId").to_owned())
        .into();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn what_a_person_releases_is_found_by_its_pod_too() {
    let node = node();
    for pod in ["web-0", "web-1"] {
        let _ = add(&node, pod).address();
    }
    outage(&node);
    del(&node, "web-0");
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert_eq!(life(&node, "web-0"), ["ADD web-0: assigned", "DEL web-0: deferred", "flush: released"]);
    assert_eq!(node.operator(&["release", "192.168.0.2", "--yes"]).status(), 0);
    let expected = ["ADD web-1: assigned", "release: given up: a person releases it", "release: released"];
    assert_eq!(life(&node, "web-1"), expected);
}

#[test]
fn a_release_that_fails_again_says_so_once_with_the_reason() {
    let node = node();
    let pods = ["web-0", "web-1", "web-2"];
    for pod in pods {
        let _ = add(&node, pod).address();
    }
    outage(&node);
    for pod in pods {
        del(&node, pod);
    }
    let _ = node.operator(&["flush"]);
    let again = found(&node, "not released yet");
    assert_eq!(again.len(), pods.len(), "{}", node.log());
    assert_eq!(again.iter().filter(|line| !field(line, "error").is_empty()).count(), 1, "{again:?}");
    for pod in pods {
        let expected = [
            format!("ADD {pod}: assigned"),
            format!("DEL {pod}: deferred"),
            "flush: not released yet".to_owned(),
        ];
        assert_eq!(life(&node, pod), expected, "{}", node.log());
    }
}

#[test]
fn a_pod_whose_add_was_killed_is_found_by_its_name() {
    let node = node();
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let killed = call(&node, "ADD", "web-0").start();
    eventually("the address is assigned", || !node.on_eni().is_empty());
    killed.kill();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert!(node.on_eni().is_empty(), "{}", node.scene());
    let expected = [
        "flush: found an ADD that was interrupted",
        "flush: an interrupted ADD had assigned it: releasing it",
        "flush: released",
    ];
    assert_eq!(life(&node, "web-0"), expected);
}

#[test]
fn the_way_through_the_reserve_is_part_of_a_pods_life() {
    let node = node().with("reserve", 1).with("reuseDelaySeconds", 0);
    // The first ADD fills the reserve.
    let _ = add(&node, "web-0").address();
    let _ = add(&node, "web-1").address();
    del(&node, "web-0");
    let last = life(&node, "web-0").pop().unwrap();
    assert!(last == "DEL web-0: kept in the reserve", "{}", node.log());
    assert_eq!(life(&node, "web-1").pop().unwrap(), "ADD web-1: assigned from the reserve", "{}", node.log());
}

#[test]
fn each_outcome_is_one_line_however_many_pods_share_a_request() {
    let node = node().with("timeoutSeconds", 100);
    let pods: Vec<String> = (0..20).map(|number| format!("web-{number:02}")).collect();
    for pod in &pods {
        let _ = add(&node, pod).address();
    }
    node.cloud.clear_ledger();
    all_ok(&at_once(pods.iter().map(|pod| call(&node, "DEL", pod))));
    assert!(node.cloud.count(UNASSIGN) < pods.len(), "{}", node.scene());
    for pod in &pods {
        let life = life(&node, pod);
        assert_eq!(life.len(), 2, "{life:?}");
        assert!(life[0].ends_with(": assigned") && life[1].ends_with(": released"), "{life:?}");
    }
    // And there is nothing else.
    assert_eq!(found(&node, "").len(), 2 * pods.len(), "{}", node.log());
}

#[test]
fn an_add_that_fails_has_one_line_which_says_what_the_runtime_is_told() {
    let node = node();
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("Forbidden.RAM")));
    let told = add(&node, "web-0").error(110);
    let lines = found(&node, "");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    assert!(line.contains(" ERROR ") && line.contains(&told), "{line}\n{told}");
    assert_eq!(line.matches("User not authorized").count(), 1, "{line}");
    for (name, value) in [("pod", "default/web-0"), ("code", "110"), ("ecsCode", "Forbidden.RAM")] {
        assert_eq!(field(line, name), value, "{line}");
    }
}

/// The objects of a log of JSON.
fn objects(node: &Node) -> Vec<Map<String, Value>> {
    let log = node.log();
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn json_has_the_same_fields_as_text() {
    let happen = |node: &Node| {
        let _ = add(node, "web-0").address();
        outage(node);
        del(node, "web-0");
        end_of_outage(node);
        let _ = add(node, "web-1").address();
    };
    let (text, json) = (node(), node().with("logFormat", "json"));
    happen(&text);
    happen(&json);
    let lines = found(&text, "");
    let objects: Vec<_> = objects(&json).into_iter().filter(|object| object["level"] != "DEBUG").collect();
    assert_eq!(lines.len(), objects.len(), "{lines:#?}\n{objects:#?}");
    for (line, object) in lines.iter().zip(&objects) {
        for key in ["time", "level", "pid", "verb", "message"] {
            assert!(
                line.contains(object[key].to_string().trim_matches('"')) || key == "time" || key == "pid",
                "{key}: {line}"
            );
        }
        for known in FIELDS {
            let value = object.get(known.name);
            let in_text = field(line, known.name);
            if in_text.is_empty() {
                // What the line begins with, and who says it.
                let is_left_out = ["container", "ifname", "network", "by"].contains(&known.name);
                assert!(value.is_none() || is_left_out, "{}: {line}", known.name);
                continue;
            }
            let value = value.unwrap_or_else(|| panic!("{}: {line}", known.name));
            match known.kind {
                Kind::Number => assert!(value.is_u64(), "{value}"),
                Kind::List => assert_eq!(value, &json!(in_text.split(',').collect::<Vec<_>>())),
                Kind::Text if known.name == "requestId" => assert!(value.is_string()),
                Kind::Text if known.name == "error" => assert_eq!(
                    value.as_str().unwrap().contains("Forbidden.RAM"),
                    in_text.contains("Forbidden.RAM")
                ),
                Kind::Text => assert_eq!(value, in_text),
            }
        }
        let names =
            object.keys().filter(|key| !["time", "level", "pid", "verb", "message"].contains(&key.as_str()));
        for name in names {
            assert!(FIELDS.iter().any(|field| field.name == name), "{name}");
        }
        assert_eq!(object["network"], "pods");
    }
}

#[test]
fn a_pods_name_is_itself_in_every_form() {
    const NAME: &str = r#"x"y\z"#;
    for format in ["text", "json"] {
        let node = node().with("logFormat", format);
        let _ = node.call("ADD", "c1").env("CNI_ARGS", args(NAME)).run().address();
        if format == "json" {
            assert_eq!(objects(&node).last().unwrap()["pod"], format!("default/{NAME}"));
        } else {
            assert!(node.log().contains(r#" pod="default/x\"y\\z" "#), "{}", node.log());
        }
    }
}

#[test]
fn a_log_that_is_rotated_goes_on_in_a_new_file() {
    let node = node();
    let _ = add(&node, "web-0").address();
    let (log, rotated) = (node.directory().join("log"), node.directory().join("log.1"));
    fs::rename(&log, &rotated).unwrap();
    let before = fs::read_to_string(&rotated).unwrap();
    del(&node, "web-0");
    assert_eq!(life(&node, "web-0"), ["DEL web-0: released"]);
    assert_eq!(fs::read_to_string(&rotated).unwrap(), before);
}

#[test]
fn a_wrong_form_is_an_error_of_an_add_and_no_del_is_refused_for_it() {
    let node = node();
    let _ = add(&node, "web-0").address();
    let wrong =
        |verb| call(&node, verb, "web-0").config(|config| config["ipam"]["logFormat"] = "xml".into()).run();
    let why = wrong("ADD").error(7);
    assert!(why.contains("logFormat") && why.contains("xml"), "{why}");
    wrong("DEL").ok();
    assert_eq!(life(&node, "web-0").pop().unwrap(), "DEL web-0: released");
}

#[test]
fn no_form_shows_a_secret() {
    for format in ["text", "json"] {
        let node = node().with("logFormat", format).with("logLevel", "trace").with("timeoutSeconds", 3);
        let _ = add(&node, "web-0").address();
        // The server answers a wrong signature with what it would have signed.
        node.cloud.with_world(|world| {
            world.access_keys.get_mut(World::ACCESS_KEY_ID).unwrap().secret = "another".to_owned();
        });
        let _ = add(&node, "web-1").any_error();
        del(&node, "web-0");
        assert!(node.log().contains("SignatureDoesNotMatch"), "{}", node.log());
        for secret in [World::ACCESS_KEY_SECRET, "another", "Signature="] {
            assert!(!node.log().contains(secret), "{secret}");
        }
    }
}

#[test]
fn the_page_about_the_log_has_its_fields_and_its_messages() {
    let read = |path: &str| fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let page = read("docs/log.md");
    let section =
        |heading: &str| page.split(heading).nth(1).unwrap().split("\n## ").next().unwrap().to_owned();
    let fields = section("## The fields");
    let rows: Vec<&str> = fields.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), FIELDS.len());
    for (row, field) in rows.iter().zip(FIELDS) {
        assert!(row.starts_with(&format!("| `{}` | `{}`", field.name, field.journal)), "{row}");
    }
    let messages = section("## The messages");
    let source = source();
    let words: Vec<String> = messages
        .lines()
        .filter_map(|line| line.strip_prefix("| `").and_then(|line| line.split(" | ").next()))
        .flat_map(|cell| cell.split('`').filter(|part| part.len() > 3).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(words.len() > 15, "{words:?}");
    for word in words {
        let word = word.split("...").next().unwrap().trim_end();
        assert!(source.contains(&format!("\"{word}")), "{word}");
    }
}

/// All of the plugin's source.
fn source() -> String {
    fn collect(directory: &std::path::Path, text: &mut String) {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            if entry.path().is_dir() {
                collect(&entry.path(), text);
            } else {
                text.push_str(&fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    let mut text = String::new();
    collect(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut text);
    text
}
