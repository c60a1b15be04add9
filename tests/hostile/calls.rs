//! Calls of the plugin with any stdin and any environment.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use harness::Node;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::cases::survive;
use crate::mutated::{Damage, Mutation, bytes, damage, mutate, mutations, text};
use crate::stage::{Moment, files, node};
use crate::verdict::make;

/// One call.
#[derive(Clone, Debug)]
struct Call {
    verb: OsString,
    stdin: Stdin,
    /// The container, where it is none of the live ones.
    container: Option<OsString>,
    variables: Vec<(&'static str, OsString)>,
}

/// What a call is given on stdin.
#[derive(Clone, Debug)]
enum Stdin {
    /// A configuration that was valid before this was done to it.
    Changed(Vec<Mutation>, Option<Damage>),
    /// As many opening brackets or braces.
    Nested(String, usize),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The variables beside `CNI_COMMAND` and `CNI_CONTAINERID` that change what a call does.
const VARIABLES: [&str; 9] = [
    "CNI_IFNAME",
    "CNI_NETNS",
    "CNI_ARGS",
    "CNI_PATH",
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
    "ALIBABA_CLOUD_PROFILE",
    "HOME",
];

fn variable() -> impl Strategy<Value = OsString> {
    let args = "(IP=[0-9./]{0,9};|IgnoreUnknown=[a1];|K8S_POD_NAME=.{0,3};|[A-Z=;]{0,9}){0,3}";
    let value = prop_oneof![
        bytes(60),
        args.prop_map(String::into_bytes),
        "[a-z./]{0,300}".prop_map(String::into_bytes),
        text().prop_map(String::into_bytes),
    ];
    // The system itself takes no NUL.
    value.prop_map(|bytes| OsString::from_vec(bytes.into_iter().filter(|byte| *byte != 0).collect()))
}

fn call() -> impl Strategy<Value = Call> {
    let verbs = ["ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION"].map(OsString::from).to_vec();
    let verb = prop_oneof![
        20 => select(verbs),
        1 => variable().prop_filter("a command", |verb| !verb.is_empty()),
    ];
    let brackets = select(vec!["[", "{\"ipam\":", "{\"name\":\"n\",\"ipam\":{\"routes\":["]);
    let stdin = prop_oneof![
        12 => mutations(3).prop_map(|mutations| Stdin::Changed(mutations, None)),
        6 => (mutations(2), damage()).prop_map(|(mutations, damage)| Stdin::Changed(mutations, Some(damage))),
        1 => (brackets, 1_usize..5000).prop_map(|(bracket, depth)| Stdin::Nested(bracket.to_owned(), depth)),
        1 => bytes(300).prop_map(Stdin::Bytes),
    ];
    (verb, stdin, option::weighted(0.3, variable()), vec((select(VARIABLES.to_vec()), variable()), 0..2))
        .prop_map(|(verb, stdin, container, variables)| Call { verb, stdin, container, variables })
}

/// The longest time that can be configured.
const GRACE: u64 = 86_400;

/// A configuration with every key that a call can have.
fn everything(node: &Node) -> Value {
    let mut config = node.config();
    let more = json!({
        "regionId": "cn-hangzhou", "subnet": "192.168.0.0/24", "gateway": "192.168.0.253", "ipv6": true,
        "subnet6": "2001:db8:1234:1a00::/64", "gateway6": "2001:db8:1234:1a00:ffff:ffff:ffff:fff5",
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.0/8", "gw": "192.168.0.253", "mtu": 1400}],
        "signatureMethod": "ACS3-HMAC-SHA256", "onReleaseFailure": "defer", "maxAddressesPerCall": 32,
        "statusFailsWhenFull": true, "allowInsecureEndpoint": false, "gcGraceSeconds": GRACE,
    });
    config["ipam"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let attachments = ["c0", "c1"].map(|container| json!({"containerID": container, "ifname": "eth0"}));
    let more = json!({
        "cni.dev/valid-attachments": attachments,
        "prevResult": {"cniVersion": "1.1.0", "ips": [{"address": "192.168.0.2/24", "gateway": "192.168.0.253"}]},
        "args": {"cni": {"ips": ["192.168.0.77/24"]}},
        "runtimeConfig": {"ips": ["192.168.0.77"]},
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// Bends a configuration back as far as it must be so that a call stays on this node and within its time: it runs as
/// whoever runs the tests, who may well be root.
fn keep_on(node: &Node, stdin: Vec<u8>) -> Vec<u8> {
    let Ok(Value::Object(mut config)) = serde_json::from_slice(&stdin) else { return stdin };
    let before = config.clone();
    let ipam = config.entry("ipam").or_insert(Value::Null);
    if ipam.is_null() {
        *ipam = json!({});
    }
    if let Value::Object(ipam) = ipam {
        bend(node, ipam);
    }
    if config == before { stdin } else { Value::Object(config).to_string().into_bytes() }
}

fn bend(node: &Node, ipam: &mut Map<String, Value>) {
    let is_left_out = |value: &Value| value.is_null();
    let is_text = |value: &Value| value.is_null() || value.is_string();
    let is_url = |value: &Value| {
        value.is_null()
            || value.as_str().is_some_and(|it| it.starts_with("http") || ["vpc", "public"].contains(&it))
    };
    let is_time =
        |value: &Value| value.is_null() || value.as_f64().is_some_and(|it| (1.0..=600.0).contains(&it));
    let mut put = |key: &str, is_effective: &dyn Fn(&Value) -> bool| {
        if ipam.get(key).is_none_or(is_effective) {
            ipam.insert(key.to_owned(), node.ipam[key].clone());
        }
    };
    put("dataDir", &is_text);
    // Where this is nothing, the plugin takes its usual place.
    put("logFile", &|_| true);
    put("endpoint", &is_url);
    put("metadataEndpoint", &is_url);
    put("timeoutSeconds", &is_time);
    put("credentials", &is_left_out);
    // A name that has to be looked up, or a file of the machine's own.
    ipam.retain(|key, value| !(["proxy", "metricsFile"].contains(&key.as_str()) && value.is_string()));
    // Young records are left alone by GC, whatever it is told.
    if ipam.get("gcGraceSeconds").is_none_or(|value| value.is_null() || value.is_number()) {
        ipam.insert("gcGraceSeconds".to_owned(), GRACE.into());
    }
}

impl Call {
    fn make(&self, node: &Node) {
        let stdin = match &self.stdin {
            Stdin::Bytes(bytes) => bytes.clone(),
            Stdin::Nested(bracket, depth) => bracket.repeat(*depth).into_bytes(),
            Stdin::Changed(mutations, damage) => {
                let bytes = mutate(&everything(node), mutations).into_bytes();
                damage.iter().fold(bytes, |bytes, damage| damage.to(&bytes))
            }
        };
        let mut call = node.call("", "c0").env("CNI_COMMAND", &self.verb).stdin(keep_on(node, stdin));
        if let Some(container) = &self.container {
            call = call.env("CNI_CONTAINERID", container);
        }
        for (name, value) in &self.variables {
            call = call.env(name, value);
        }
        make(call);
    }

    /// Whether it may end `c0`.
    fn is_end(&self) -> bool {
        self.verb == "DEL"
    }
}

fn active(node: &Node) -> Vec<(PathBuf, Vec<u8>)> {
    files(&node.store().join("active"))
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn no_call_panics_hangs_or_loses_anything_whatever_its_stdin_and_environment() {
    let node = node();
    let pods: BTreeSet<_> = ["c0", "c1"].map(|pod| node.add(pod).address()).into();
    let records = active(&node);
    let start = Moment::of(&node, "start");
    survive("generated calls", 40, &vec(call(), 1..12), |calls| {
        start.restore(&node);
        for call in &calls {
            call.make(&node);
        }
        let (on_eni, recorded) = (node.on_eni(), node.recorded());
        assert!(on_eni.is_subset(&recorded), "{on_eni:?} and {recorded:?}\n{}", node.scene());
        assert!(!node.log().contains("panic: "), "{}", node.scene());
        // The record of a pod that nobody has deleted is the same to the byte, and its address is there.
        let ended = usize::from(calls.iter().any(Call::is_end));
        let left = active(&node);
        let kept = records.iter().filter(|record| left.contains(record)).count();
        assert!(kept >= pods.len() - ended, "{}", node.scene());
        assert!(pods.intersection(&on_eni).count() >= pods.len() - ended, "{}", node.scene());
        calls.len()
    });
}
