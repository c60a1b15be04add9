//! Operation by version by input: the exact answer to each.

use harness::{Answer, Calling, Node};
use serde_json::{Value, json};

use super::{error, expect_error};
use crate::node;

const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// Each operation with the first version that has it.
const OPERATIONS: [(&str, &str); 5] =
    [("ADD", "0.1.0"), ("DEL", "0.1.0"), ("CHECK", "0.4.0"), ("STATUS", "1.1.0"), ("GC", "1.1.0")];

/// The address that every ADD of this table asks for, so that the whole result is known.
const ADDRESS: &str = "192.168.0.50";

/// The result of an ADD, to the letter.
fn result(version: &str) -> Value {
    let text = match version {
        "0.1.0" | "0.2.0" => {
            r#"{"cniVersion": "VERSION",
                "ip4": {"ip": "192.168.0.50/24", "gateway": "192.168.0.11",
                        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.0/8", "gw": "192.168.0.252"}]},
                "dns": {"nameservers": ["10.0.0.53"], "domain": "a.example", "search": ["b.example"],
                        "options": ["ndots:2"]}}"#
        }
        "0.3.0" | "0.3.1" | "0.4.0" => {
            r#"{"cniVersion": "VERSION",
                "ips": [{"version": "4", "address": "192.168.0.50/24", "gateway": "192.168.0.11"}],
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.0/8", "gw": "192.168.0.252"}],
                "dns": {"nameservers": ["10.0.0.53"], "domain": "a.example", "search": ["b.example"],
                        "options": ["ndots:2"]}}"#
        }
        "1.0.0" => {
            r#"{"cniVersion": "VERSION",
                "ips": [{"address": "192.168.0.50/24", "gateway": "192.168.0.11"}],
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.0/8", "gw": "192.168.0.252"}],
                "dns": {"nameservers": ["10.0.0.53"], "domain": "a.example", "search": ["b.example"],
                        "options": ["ndots:2"]}}"#
        }
        _ => {
            r#"{"cniVersion": "VERSION",
                "ips": [{"address": "192.168.0.50/24", "gateway": "192.168.0.11"}],
                "routes": [{"dst": "0.0.0.0/0", "mtu": 1400},
                           {"dst": "10.0.0.0/8", "gw": "192.168.0.252", "priority": 5}],
                "dns": {"nameservers": ["10.0.0.53"], "domain": "a.example", "search": ["b.example"],
                        "options": ["ndots:2"]}}"#
        }
    };
    serde_json::from_str(&text.replace("VERSION", version)).unwrap()
}

/// A result without routes and settings of the resolver.
fn bare_result(version: &str) -> Value {
    let text = match version {
        "0.1.0" | "0.2.0" => {
            r#"{"cniVersion": "VERSION", "ip4": {"ip": "192.168.0.50/24", "gateway": "192.168.0.11"}, "dns": {}}"#
        }
        "0.3.0" | "0.3.1" | "0.4.0" => {
            r#"{"cniVersion": "VERSION",
                "ips": [{"version": "4", "address": "192.168.0.50/24", "gateway": "192.168.0.11"}], "dns": {}}"#
        }
        _ => {
            r#"{"cniVersion": "VERSION", "ips": [{"address": "192.168.0.50/24", "gateway": "192.168.0.11"}]}"#
        }
    };
    serde_json::from_str(&text.replace("VERSION", version)).unwrap()
}

/// A call that is right in every respect.
fn valid<'a>(node: &'a Node, verb: &str, version: &str) -> Calling<'a> {
    let previous = bare_result(version);
    node.call(verb, "c1").env("CNI_ARGS", format!("IP={ADDRESS}")).config(|config| {
        config["cniVersion"] = version.into();
        if ["CHECK", "DEL"].contains(&verb) {
            config["prevResult"] = previous;
        }
        if verb == "GC" {
            config["cni.dev/valid-attachments"] = json!([{"containerID": "c1", "ifname": "eth0"}]);
        }
    })
}

#[test]
fn valid_calls() {
    let mut node = node();
    for version in VERSIONS {
        node.set("routes", Value::Null);
        node.set("resolvConf", Value::Null);
        assert_eq!(valid(&node, "ADD", version).run().result(), bare_result(version));
        for (verb, since) in OPERATIONS.into_iter().filter(|(verb, _)| !["ADD", "DEL"].contains(verb)) {
            let answer = valid(&node, verb, version).run();
            if version >= since {
                answer.ok();
            } else {
                let msg = format!("config version does not allow {verb}");
                expect_error(&answer, &error(Some(version), 1, &msg, ""));
            }
        }
        valid(&node, "DEL", version).run().ok();
        valid(&node, "DEL", version).run().ok();
        assert!(node.on_eni().is_empty(), "{version}");

        let resolv_conf = node.directory().join("resolv.conf");
        let text = "nameserver 10.0.0.53\ndomain a.example\nsearch b.example\noptions ndots:2\n";
        std::fs::write(&resolv_conf, text).unwrap();
        node.set("resolvConf", json!(resolv_conf));
        node.set(
            "routes",
            json!([{"dst": "0.0.0.0/0", "mtu": 1400}, {"dst": "10.0.0.0/8", "gw": "192.168.0.252", "priority": 5}]),
        );
        for _ in 0..2 {
            assert_eq!(valid(&node, "ADD", version).run().result(), result(version));
        }
        valid(&node, "DEL", version).run().ok();

        let supported = json!({"cniVersion": version, "supportedVersions": VERSIONS});
        assert_eq!(valid(&node, "VERSION", version).run().result(), supported);
    }
}

/// How much of a call had to be made out before a mistake shows: what comes later cannot be reported before it, and the
/// error is in the call's version only where that is known by then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Variables and JSON.
    Parts,
    /// The network's name.
    Name,
    /// What the operation needs, once it is clear that the version has it.
    Needs,
}

/// A call with one mistake, and the error that tells of it.
struct Mistake {
    verbs: &'static [&'static str],
    stage: Stage,
    make: fn(Calling<'_>) -> Calling<'_>,
    code: u32,
    msg: &'static str,
    details: &'static str,
}

const EVERY: &[&str] = &["ADD", "DEL", "CHECK", "STATUS", "GC"];
const OF_ONE: &[&str] = &["ADD", "DEL", "CHECK"];

fn set<'a>(call: Calling<'a>, key: &str, value: Value) -> Calling<'a> {
    call.config(|config| config[key] = value)
}

fn in_ipam<'a>(call: Calling<'a>, key: &str, value: Value) -> Calling<'a> {
    call.config(|config| config["ipam"][key] = value)
}

/// The same call of the plugin as one of a chain: its options are beside its type.
fn in_a_chain(call: Calling<'_>) -> Calling<'_> {
    call.config(|config| {
        let ipam = config["ipam"].take();
        config["type"] = ipam["type"].clone();
        for key in ["dataDir", "metadataEndpoint", "logFile", "logLevel", "logFormat"] {
            config[key] = ipam[key].clone();
        }
    })
}

const CONFIG: &str = "invalid ipam configuration";
const CHAINED_CONFIG: &str = "invalid configuration of the chained plugin";

/// The table.
const MISTAKES: &[Mistake] = &[
    Mistake {
        verbs: &["ADD", "CHECK"],
        stage: Stage::Parts,
        make: |call| call.without("CNI_CONTAINERID").without("CNI_NETNS").without("CNI_IFNAME"),
        code: 4,
        msg: "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME] missing",
        details: "",
    },
    Mistake {
        verbs: &["DEL"],
        stage: Stage::Parts,
        make: |call| call.without("CNI_CONTAINERID").without("CNI_NETNS").without("CNI_IFNAME"),
        code: 4,
        msg: "required env variables [CNI_CONTAINERID,CNI_IFNAME] missing",
        details: "",
    },
    Mistake {
        verbs: OF_ONE,
        stage: Stage::Parts,
        make: |call| call.env("CNI_CONTAINERID", "../c"),
        code: 4,
        msg: "invalid characters in containerID",
        details: "../c",
    },
    Mistake {
        verbs: OF_ONE,
        stage: Stage::Parts,
        make: |call| call.env("CNI_IFNAME", "a/b"),
        code: 4,
        msg: "interface name contains / or : or whitespace characters",
        details: "",
    },
    Mistake {
        verbs: EVERY,
        stage: Stage::Parts,
        make: |call| call.stdin(""),
        code: 6,
        msg: "error unmarshall network config: EOF while parsing a value at line 1 column 0",
        details: "",
    },
    Mistake {
        verbs: EVERY,
        stage: Stage::Parts,
        make: |call| call.stdin("[]"),
        code: 6,
        msg: "error unmarshall network config: it must be an object, but is a list",
        details: "",
    },
    Mistake {
        verbs: EVERY,
        stage: Stage::Name,
        make: |call| set(call, "name", Value::Null),
        code: 7,
        msg: "missing network name",
        details: "",
    },
    Mistake {
        verbs: EVERY,
        stage: Stage::Name,
        make: |call| set(call, "name", json!("a/b")),
        code: 7,
        msg: "invalid characters found in network name",
        details: "a/b",
    },
    Mistake {
        verbs: EVERY,
        stage: Stage::Name,
        make: |call| set(call, "name", json!(5)),
        code: 6,
        msg: "error unmarshall network config: name must be a string, but is a number",
        details: "",
    },
    Mistake {
        verbs: EVERY,
        stage: Stage::Name,
        make: |call| call.env("CNI_COMMAND", "FOO"),
        code: 4,
        msg: "unknown CNI_COMMAND: FOO",
        details: "",
    },
    Mistake {
        verbs: &["ADD", "CHECK", "STATUS"],
        stage: Stage::Needs,
        make: |call| set(call, "ipam", Value::Null),
        code: 7,
        msg: "missing ipam",
        details: "the network configuration needs an object \"ipam\" with the options of the IPAM plugin",
    },
    Mistake {
        verbs: EVERY,
        stage: Stage::Needs,
        make: |call| set(call, "ipam", json!([])),
        code: 7,
        msg: "ipam must be an object, but is a list",
        details: "",
    },
    Mistake {
        verbs: &["ADD"],
        stage: Stage::Needs,
        make: |call| call.env("CNI_ARGS", "FOO=BAR"),
        code: 4,
        msg: "CNI_ARGS: unknown args [\"FOO=BAR\"]",
        details: "",
    },
    Mistake {
        verbs: &["ADD"],
        stage: Stage::Needs,
        make: |call| set(call, "runtimeConfig", json!({"ips": ["x"]})),
        code: 7,
        msg: "invalid runtimeConfig.ips: invalid IP address x",
        details: "",
    },
    Mistake {
        verbs: &["CHECK"],
        stage: Stage::Needs,
        make: |call| set(call, "prevResult", Value::Null),
        code: 7,
        msg: "required prevResult missing",
        details: "CHECK compares the attachment with the result of its ADD: put that result into the network configuration on \
                  stdin, as \"prevResult\"",
    },
    Mistake {
        verbs: &["CHECK"],
        stage: Stage::Needs,
        make: |call| set(call, "prevResult", json!({"ips": [5]})),
        code: 7,
        msg: "invalid prevResult",
        details: "ips, entry 0: it must be an object with the key address",
    },
    Mistake {
        verbs: &["CHECK"],
        stage: Stage::Needs,
        make: |call| call,
        code: 103,
        msg: "CHECK failed",
        details: "no addresses are recorded for this attachment: delete the pod, so that it is created again",
    },
    Mistake {
        verbs: &["STATUS"],
        stage: Stage::Needs,
        make: |call| in_ipam(call, "credentials", json!({"source": "file", "path": "/none/keys"})),
        code: 50,
        msg: "pods cannot get addresses",
        details: "no credentials found (credentials file: /none/keys: it does not exist): correct this, or change \
                  `ipam.credentials.source`",
    },
    Mistake {
        verbs: &["GC"],
        stage: Stage::Needs,
        make: |call| set(call, "cni.dev/valid-attachments", json!({})),
        code: 7,
        msg: "invalid cni.dev/valid-attachments",
        details: "it must be a list, but is an object",
    },
    Mistake {
        verbs: &["ADD", "STATUS"],
        stage: Stage::Needs,
        make: |call| in_ipam(call, "subnet", json!("192.168.0.1/24")),
        code: 7,
        msg: CONFIG,
        details: "ipam.subnet is \"192.168.0.1/24\", but must be the CIDR block of the vSwitch, such as \
                  \"192.168.0.0/24\"",
    },
    Mistake {
        verbs: EVERY,
        stage: Stage::Name,
        make: |call| set(in_a_chain(call), "name", json!("a/b")),
        code: 7,
        msg: "invalid characters found in network name",
        details: "a/b",
    },
    Mistake {
        verbs: EVERY,
        stage: Stage::Name,
        make: |call| in_a_chain(call).env("CNI_COMMAND", "FOO"),
        code: 4,
        msg: "unknown CNI_COMMAND: FOO",
        details: "",
    },
    Mistake {
        verbs: &["ADD", "CHECK"],
        stage: Stage::Needs,
        make: |call| set(in_a_chain(call), "prevResult", Value::Null),
        code: 7,
        msg: "required prevResult missing",
        details: "with its own \"type\" and without an object \"ipam\" this plugin routes what another plugin has set up: put it \
                  into \"plugins\" behind the main plugin; to give addresses, it has to be the type of that plugin's \"ipam\"",
    },
    Mistake {
        verbs: &["ADD", "CHECK"],
        stage: Stage::Needs,
        make: |call| set(in_a_chain(call), "prevResult", json!({"ips": [5]})),
        code: 7,
        msg: "invalid prevResult",
        details: "ips, entry 0: it must be an object with the key address",
    },
    Mistake {
        verbs: &["GC"],
        stage: Stage::Needs,
        make: |call| set(in_a_chain(call), "cni.dev/valid-attachments", json!({})),
        code: 7,
        msg: "invalid cni.dev/valid-attachments",
        details: "it must be a list, but is an object",
    },
    Mistake {
        verbs: &["STATUS", "GC"],
        stage: Stage::Needs,
        make: |call| set(in_a_chain(call), "dataDir", json!("store")),
        code: 7,
        msg: CHAINED_CONFIG,
        details: "dataDir of the chained plugin is \"store\", but must be an absolute path",
    },
    Mistake {
        verbs: EVERY,
        stage: Stage::Needs,
        make: |call| in_ipam(call, "dataDir", json!("store")),
        code: 7,
        msg: CONFIG,
        details: "ipam.dataDir is \"store\", but must be an absolute path",
    },
];

#[test]
fn invalid_calls() {
    let node = node();
    let mut refused = 0;
    for version in VERSIONS {
        for (verb, since) in OPERATIONS {
            for mistake in MISTAKES.iter().filter(|mistake| mistake.verbs.contains(&verb)) {
                let answer = (mistake.make)(valid(&node, verb, version)).run();
                expect_error(&answer, &mistake.answer(verb, version, since));
                refused += 1;
            }
        }
    }
    println!("{refused} invalid calls refused");
    assert!(node.cloud.ledger().is_empty() && !node.store().exists());
}

impl Mistake {
    fn answer(&self, verb: &str, version: &str, since: &str) -> Value {
        match self.stage {
            Stage::Parts => error(None, self.code, self.msg, self.details),
            Stage::Needs if version < since => {
                error(Some(version), 1, &format!("config version does not allow {verb}"), "")
            }
            Stage::Name | Stage::Needs => error(Some(version), self.code, self.msg, self.details),
        }
    }
}

#[test]
fn a_version_that_is_none_is_refused_by_every_operation() {
    let node = node();
    let refuse = |verb: &str, version: &str, expected: &Value| {
        let answer: Answer = set(valid(&node, verb, "1.1.0"), "cniVersion", json!(version)).run();
        expect_error(&answer, expected);
    };
    let supported = VERSIONS.map(|version| format!("{version:?}")).join(" ");
    for (verb, _) in OPERATIONS {
        let details = |version| format!("config is {version:?}, plugin supports [{supported}]");
        let unknown = |version| error(None, 1, "incompatible CNI versions", &details(version));
        match verb {
            "ADD" | "DEL" => refuse(verb, "9.9.9", &unknown("9.9.9")),
            _ => refuse(verb, "9.9.9", &error(None, 1, &format!("plugin version does not allow {verb}"), "")),
        }
        refuse(verb, "1.1", &unknown("1.1"));
    }
}
