//! The plugin beside `host-local`, the reference IPAM plugin: for the same network a runtime is answered in the same shape.

use std::collections::BTreeMap;
use std::fs;

use harness::needs::HOST_LOCAL;
use harness::{Answer, Need, Node};
use serde_json::{Value, json};

use crate::node;

harness::tests! {
    needs [Need::HostLocal]:
        results_have_the_same_shape_in_every_common_version,
        versions_are_told_with_the_same_keys,
        mistakes_are_answered_with_the_same_code_and_text,
        undecodable_calls_are_answered_with_the_same_code_and_beginning,
        what_is_not_there_is_deleted_in_silence_and_fails_a_check;
}

/// A node with our plugin and one with `host-local`, in networks that are the same for a pod.
struct Peers {
    ours: Node,
    theirs: Node,
}

impl Peers {
    fn new() -> Self {
        let mut ours = node();
        let resolv_conf = ours.directory().join("resolv.conf");
        fs::write(&resolv_conf, "nameserver 10.0.0.53\nsearch a.example b.example\noptions ndots:2\n")
            .unwrap();
        for (key, value) in [
            ("subnet", json!("192.168.0.0/24")),
            ("gateway", json!("192.168.0.253")),
            ("routes", json!([{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.0/8", "gw": "192.168.0.252"}])),
            ("resolvConf", json!(resolv_conf)),
        ] {
            ours.set(key, value);
        }
        let mut theirs = Node::new(HOST_LOCAL);
        theirs.ipam.clone_from(&ours.ipam);
        theirs.set("type", "host-local");
        theirs.set("dataDir", theirs.store().display().to_string());
        Self { ours, theirs }
    }

    /// Makes the same call of both.
    fn both(&self, call: impl Fn(&Node) -> Answer) -> [Answer; 2] {
        [call(&self.ours), call(&self.theirs)]
    }

    /// The versions that both speak.
    fn versions(&self) -> Vec<String> {
        let [ours, theirs] = self.both(|node| node.call("VERSION", "c1").run());
        let supported = |answer: &Answer| -> Vec<String> {
            serde_json::from_value(answer.result()["supportedVersions"].clone()).unwrap()
        };
        let (ours, theirs) = (supported(&ours), supported(&theirs));
        ours.into_iter().filter(|version| theirs.contains(version)).collect()
    }
}

/// A document with every leaf that is a pod's own replaced by what sort of text it is.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(list) => list.iter().map(shape).collect(),
        Value::String(text) => {
            match text.split_once('/').map(|(address, prefix)| (address.parse(), prefix)) {
                Some((Ok(std::net::IpAddr::V4(_)), "24")) => json!("an address"),
                _ => value.clone(),
            }
        }
        other => other.clone(),
    }
}

fn results_have_the_same_shape_in_every_common_version() {
    let peers = Peers::new();
    let versions = peers.versions();
    assert!(versions.len() >= 6, "{versions:?}");
    let mut shapes = BTreeMap::new();
    for version in versions {
        let container = format!("c-{version}");
        let in_version = |config: &mut Value| config["cniVersion"] = version.as_str().into();
        let [ours, theirs] = peers.both(|node| node.call("ADD", &container).config(in_version).run());
        let (ours, theirs) = (ours.result(), theirs.result());
        assert_eq!(shape(&ours), shape(&theirs), "{version}:\n{ours}\n{theirs}");
        shapes.insert(version.clone(), shape(&ours));
        let prev = |result: &Value| {
            let result = result.clone();
            move |config: &mut Value| config["prevResult"] = result
        };
        for (node, result) in [(&peers.ours, &ours), (&peers.theirs, &theirs)] {
            if version.as_str() >= "0.4.0" {
                node.call("CHECK", &container).config(in_version).config(prev(result)).run().ok();
            }
            node.call("DEL", &container).config(in_version).config(prev(result)).run().ok();
        }
    }
    // There are three, or the comparison has compared nothing.
    let forms: std::collections::BTreeSet<_> =
        shapes.values().map(|shape| shape.to_string().replace(|c: char| c.is_ascii_digit(), "0")).collect();
    assert_eq!(forms.len(), 3, "{forms:?}");
    // This version came later than the plugin of some distributions, with the same shape for such a network.
    let newest = peers.ours.add("c-newest").result();
    let mut expected = shapes["1.0.0"].clone();
    expected["cniVersion"] = "1.1.0".into();
    assert_eq!(shape(&newest), expected);
}

fn versions_are_told_with_the_same_keys() {
    let peers = Peers::new();
    let [ours, theirs] = peers.both(|node| node.call("VERSION", "c1").run());
    let keys = |answer: &Answer| answer.result().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&ours), keys(&theirs));
}

/// What is wrong with a call, and the call.
type Mistake = (&'static str, fn(&Node) -> Answer);

/// Calls that both refuse.
fn mistakes() -> Vec<Mistake> {
    vec![
        ("an unknown operation", |node| node.call("FOO", "c1").run()),
        ("no container", |node| node.call("ADD", "").run()),
        ("no interface", |node| node.call("DEL", "c1").without("CNI_IFNAME").run()),
        ("several things missing", |node| node.call("CHECK", "").env("CNI_NETNS", "").run()),
        ("an odd container", |node| node.call("ADD", "../c").run()),
        ("a long interface", |node| node.call("ADD", "c1").env("CNI_IFNAME", "sixteen-bytes-xx").run()),
        ("an odd interface", |node| node.call("ADD", "c1").env("CNI_IFNAME", "a/b").run()),
        ("a dotted interface", |node| node.call("ADD", "c1").env("CNI_IFNAME", "..").run()),
        ("null", |node| node.call("ADD", "c1").stdin("null").run()),
        ("no name", |node| node.call("DEL", "c1").stdin("{}").run()),
        ("an odd name", |node| node.call("ADD", "c1").stdin(r#"{"name":"a/b"}"#).run()),
        ("too old for CHECK", |node| {
            node.call("CHECK", "c1").config(|config| config["cniVersion"] = "0.3.1".into()).run()
        }),
        ("too new for CHECK", |node| {
            node.call("CHECK", "c1").config(|config| config["cniVersion"] = "9.9.9".into()).run()
        }),
    ]
}

fn mistakes_are_answered_with_the_same_code_and_text() {
    let peers = Peers::new();
    for (what, call) in mistakes() {
        let [ours, theirs] = peers.both(call);
        let _ = ours.any_error();
        assert_eq!(ours.status(), theirs.status(), "{what}");
        let mut document = ours.json();
        // The Go library leaves the version out, which the specification has in every error.
        document.as_object_mut().unwrap().remove("cniVersion");
        assert_eq!(document, theirs.json(), "{what}");
    }
}

fn undecodable_calls_are_answered_with_the_same_code_and_beginning() {
    let peers = Peers::new();
    for stdin in ["", "garbage", "[]", "{\"name\":", r#"{"name":5}"#] {
        let [ours, theirs] = peers.both(|node| node.call("ADD", "c1").stdin(stdin).run());
        let beginning = |answer: &Answer| {
            let text = answer.any_error();
            (answer.json()["code"].clone(), text.split(": ").next().unwrap().to_owned())
        };
        assert_eq!(beginning(&ours), beginning(&theirs), "{stdin:?}");
    }
    let unknown = |node: &Node| node.call("ADD", "c1").config(|it| it["cniVersion"] = "9.9.9".into()).run();
    let [ours, theirs] = peers.both(unknown).map(|answer| answer.json());
    assert_eq!((&ours["code"], &ours["msg"]), (&theirs["code"], &theirs["msg"]));
    let of_config =
        |document: &Value| document["details"].as_str().unwrap().split(" [").next().unwrap().to_owned();
    assert_eq!(of_config(&ours), of_config(&theirs));
}

fn what_is_not_there_is_deleted_in_silence_and_fails_a_check() {
    let peers = Peers::new();
    let old = |config: &mut Value| {
        config["cniVersion"] = "0.4.0".into();
        config["prevResult"] =
            json!({"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "192.168.0.50/24"}]});
    };
    for answer in peers.both(|node| node.call("DEL", "c1").config(old).without("CNI_NETNS").run()) {
        answer.ok();
    }
    for answer in peers.both(|node| node.call("CHECK", "c1").config(old).run()) {
        let _ = answer.any_error();
        assert_eq!(answer.status(), 1);
    }
}
