//! The errors that calls end with.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use aliyun_eni_ipam::inside::cloud::codes;
use aliyun_eni_ipam::inside::config::Ipam;
use harness::simulator::World;
use harness::{Answer, Effect, Fault, Node};
use serde_json::{Map, Value, json};

use super::Section;
use crate::node;
use crate::plain::plain;

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";
const DESCRIBE: &str = "DescribeNetworkInterfaces";

/// ECS refuses for now, and wants to be left alone for longer than any call lasts: so the call gives up after this one answer,
/// whatever time it is and however slow the machine.
fn not_now(code: &str) -> Effect {
    Effect::code_with_retry_after(code, Duration::from_hours(1))
}

/// A situation, and the call that fails in it.
type Situation = (&'static str, fn(&mut Node) -> Answer);

const SITUATIONS: &[Situation] = &[
    ("ADD without variables", |node| {
        node.call("ADD", "c1").without("CNI_CONTAINERID").without("CNI_NETNS").run()
    }),
    ("ADD for a strange container", |node| node.call("ADD", "../c").run()),
    ("unknown verb", |node| node.call("FOO", "c1").run()),
    ("ADD in a version that is not spoken", |node| {
        node.call("ADD", "c1").config(|it| it["cniVersion"] = "9.9.9".into()).run()
    }),
    ("ADD without ipam", |node| node.call("ADD", "c1").config(|it| it["ipam"] = Value::Null).run()),
    ("ADD with stdin that is not JSON", |node| node.call("ADD", "c1").stdin("{").run()),
    ("ADD asks for an address outside the vSwitch", |node| asking(node, "10.0.0.1")),
    ("ADD asks for an address that is in use", |node| {
        node.cloud.assign(Node::ENI, "192.168.0.9".parse().unwrap());
        asking(node, "192.168.0.9")
    }),
    ("ADD asks for an address that ECS does not accept", |node| {
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("InvalidVSwitchId.IpInvalid")));
        asking(node, "192.168.0.9")
    }),
    ("ADD asks for an address, and ECS denies access", |node| {
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("Forbidden.RAM")));
        asking(node, "192.168.0.9")
    }),
    ("ADD with a resolvConf that does not exist", |node| {
        with(node, "resolvConf", "/none/resolv.conf").add("c1")
    }),
    ("ADD with an interface that does not exist", |node| {
        node.ipam.remove("networkInterfaceId");
        with(node, "interface", "none0").add("c1")
    }),
    ("ADD with the subnet of another vSwitch", |node| {
        node.set("gateway", "10.0.0.1");
        with(node, "subnet", "10.0.0.0/24").add("c1")
    }),
    ("ADD below ptp with a subnet without the ENI's own address", |node| {
        with(node, "subnet", "10.0.0.0/24").add("c1")
    }),
    ("ADD with a subnet without the gateway of metadata", |node| {
        let node = with(node, "subnet", "10.0.0.0/24");
        node.call("ADD", "c1").config(|config| config["type"] = json!("ipvlan")).run()
    }),
    ("ADD on the ENI of another instance", |node| {
        node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = None);
        node.add("c1")
    }),
    ("ADD on the ENI of a cloud service", |node| {
        node.cloud.with_world(|world| world.eni_mut(Node::ENI).service_managed = true);
        node.add("c1")
    }),
    ("ADD without credentials", |node| node.call("ADD", "c1").without("ALIBABA_CLOUD_ACCESS_KEY_ID").run()),
    ("ADD off ECS", |node| with(node, "metadataEndpoint", "http://127.0.0.1:1").add("c1")),
    ("ADD without metadata, where one key is missing", |node| {
        node.set("regionId", World::REGION_ID);
        node.set("subnet", "192.168.0.0/24");
        node.cloud.with_world(|world| world.eni_mut(Node::ENI).mac = "00:00:00:00:00:00".into());
        let node = with(node, "metadataEndpoint", "http://127.0.0.1:1");
        node.call("ADD", "c1").config(|config| config["type"] = json!("ipvlan")).run()
    }),
    ("ADD without metadata and without a link of the ENI", |node| {
        node.set("regionId", World::REGION_ID);
        with(node, "metadataEndpoint", "http://127.0.0.1:1").add("c1")
    }),
    ("ADD while metadata is forbidden", |node| {
        node.cloud.inject_metadata("/", Effect::Empty { status: 403 }, None);
        node.add("c1")
    }),
    ("ADD while metadata answers nonsense", |node| {
        node.cloud.inject_metadata("/latest/meta-data/", Effect::Html { status: 200 }, None);
        node.add("c1")
    }),
    ("ADD while nobody listens at the endpoint", |node| {
        with(node, "endpoint", "http://127.0.0.1:1").add("c1")
    }),
    ("ADD while nobody listens at the proxy", |node| {
        node.set("proxy", "http://127.0.0.1:1");
        with(node, "endpoint", "https://ecs.example.com").add("c1")
    }),
    ("ADD with https to a server that speaks http", |node| {
        let endpoint = node.cloud.endpoint().replace("http:", "https:");
        with(node, "endpoint", endpoint).add("c1")
    }),
    ("ADD with a CA file that does not exist", |node| {
        node.set("endpoint", "https://127.0.0.1:1");
        with(node, "caFile", "/none/ca.pem").add("c1")
    }),
    ("ADD while a proxy answers for ECS", |node| {
        node.cloud.inject(Fault::on(DESCRIBE).effect(Effect::Html { status: 502 }));
        node.add("c1")
    }),
    ("ADD on a full ENI", |node| {
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("InvalidOperation.Ipv4CountExceeded")));
        node.add("c1")
    }),
    ("ADD with a full vSwitch", |node| {
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("InvalidVSwitchId.IpNotEnough")));
        node.add("c1")
    }),
    ("ADD on an ENI or with a vSwitch that is full", |node| {
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("QuotaExceeded.PrivateIpAddress")));
        node.add("c1")
    }),
    ("ADD while ECS limits requests", |node| {
        node.cloud.inject(Fault::on(ASSIGN).effect(not_now("Throttling.User")));
        node.add("c1")
    }),
    ("ADD while the ENI is busy", |node| {
        node.cloud.inject(Fault::on(ASSIGN).effect(not_now("Operation.Conflict")));
        node.add("c1")
    }),
    ("ADD without permission", |node| {
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("Forbidden.RAM")));
        node.add("c1")
    }),
    ("ADD with a request that ECS never answers", |node| {
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::Stall));
        with(node, "timeoutSeconds", 3).add("c1")
    }),
    ("ADD while another ADD of the same pod runs", |node| {
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::Stall));
        let first = node.call("ADD", "c1").start();
        crate::eventually("ECS is asked", || node.cloud.count(ASSIGN) == 1);
        let second = node.add("c1");
        first.kill();
        second
    }),
    ("ADD whose pod is deleted meanwhile", |node| {
        node.cloud.hold(ASSIGN);
        let add = node.call("ADD", "c1").start();
        crate::eventually("ECS is asked", || node.cloud.count(ASSIGN) == 1);
        node.del("c1").ok();
        node.cloud.let_go();
        add.wait()
    }),
    ("ADD with a store that others can write to", |node| {
        fs::create_dir(node.store()).unwrap();
        fs::set_permissions(node.store(), Permissions::from_mode(0o777)).unwrap();
        node.add("c1")
    }),
    ("ADD with a file in the place of the store", |node| {
        fs::write(node.store(), "").unwrap();
        node.add("c1")
    }),
    ("DEL that must confirm, without permission", |node| {
        node.set("onReleaseFailure", "fail");
        let _ = node.add("c1").address();
        node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
        node.del("c1")
    }),
    ("DEL that must confirm, while ECS limits requests", |node| {
        node.set("onReleaseFailure", "fail");
        let _ = node.add("c1").address();
        node.cloud.inject(Fault::on(UNASSIGN).effect(not_now("Throttling.User")));
        node.del("c1")
    }),
    ("DEL that must confirm, while nobody listens at the endpoint", |node| {
        node.set("onReleaseFailure", "fail");
        let _ = node.add("c1").address();
        node.set("timeoutSeconds", 3);
        with(node, "endpoint", "http://127.0.0.1:1").del("c1")
    }),
    ("DEL of a damaged record that no address leads to", |node| {
        damaged(node, "{");
        fs::remove_dir_all(node.store().join("address")).unwrap();
        node.del("c1")
    }),
    ("DEL of a record of a newer version", |node| damaged(node, "{\"schema\":2}").del("c1")),
    ("DEL while another call holds the lock of the store", |node| {
        let _ = node.add("c1").address();
        node.set("timeoutSeconds", 1);
        let lock = fs::File::open(node.store().join("lock")).unwrap();
        lock.lock().unwrap();
        node.del("c1")
    }),
    ("CHECK by hand", |node| node.call("CHECK", "c1").run()),
    ("CHECK of an attachment without record", |node| check(node, "192.168.0.1/24")),
    ("CHECK of an attachment that is being released", |node| {
        let _ = node.add("c1").address();
        node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
        node.del("c1").ok();
        check(node, "192.168.0.1/24")
    }),
    ("CHECK with other addresses", |node| {
        let _ = node.add("c1").address();
        check(node, "192.168.0.99/24")
    }),
    ("STATUS without credentials", |node| status(node)),
    ("STATUS of a full ENI", |node| {
        node.set("statusFailsWhenFull", true);
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("QuotaExceeded.PrivateIpAddress")));
        let _ = node.add("c1").any_error();
        node.call("STATUS", "").run()
    }),
    ("GC without permission", |node| {
        node.set("gcGraceSeconds", 0);
        let _ = node.add("c1").address();
        node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
        gc(node)
    }),
];

fn with<'n>(node: &'n mut Node, key: &str, value: impl Into<Value>) -> &'n Node {
    node.set(key, value);
    node
}

fn asking(node: &Node, address: &str) -> Answer {
    node.call("ADD", "c1").env("CNI_ARGS", format!("IP={address}")).run()
}

fn damaged<'n>(node: &'n Node, content: &str) -> &'n Node {
    let _ = node.add("c1").address();
    let record = fs::read_dir(node.store().join("active")).unwrap().next().unwrap().unwrap().path();
    fs::write(record, content).unwrap();
    node
}

fn check(node: &Node, address: &str) -> Answer {
    let previous = json!({"ips": [{"address": address}]});
    node.call("CHECK", "c1").config(|config| config["prevResult"] = previous).run()
}

fn status(node: &Node) -> Answer {
    node.call("STATUS", "").without("ALIBABA_CLOUD_ACCESS_KEY_SECRET").run()
}

pub(super) fn gc(node: &Node) -> Answer {
    node.call("GC", "").config(|config| config["cni.dev/valid-attachments"] = json!([])).run()
}

pub(super) fn of_calls() -> Section {
    let messages = SITUATIONS.iter().map(|(situation, call)| {
        let mut node = node();
        let answer = call(&mut node);
        let text = answer.any_error();
        assert!(!text.contains(World::ACCESS_KEY_SECRET), "a secret in {situation}");
        let code = answer.json()["code"].to_string();
        (format!("{code} {situation}"), plain(&node, text.trim_end_matches("; ")))
    });
    Section { heading: "Errors of calls", messages: messages.collect() }
}

/// One wrong value for each key, and those that have a text of their own.
pub(super) fn of_the_configuration() -> Section {
    let wrong = [
        json!({"type": "host-local"}),
        json!({"regionId": "CN-Hangzhou"}),
        json!({"networkInterfaceId": "../eni"}),
        json!({"interface": "a/b"}),
        json!({"subnet": "192.168.0.1/24"}),
        json!({"subnet": "off"}),
        json!({"gateway": "router"}),
        json!({"subnet": "192.168.0.0/24", "gateway": "192.168.1.1"}),
        json!({"routes": {"dst": "0.0.0.0/0"}}),
        json!({"resolvConf": "resolv.conf"}),
        json!({"ipv6": "yes"}),
        json!({"subnet6": "192.168.0.0/24"}),
        json!({"gateway6": "192.168.0.253"}),
        json!({"dataDir": "store"}),
        json!({"endpoint": "ecs.example.com"}),
        json!({"endpoint": "http://ecs.example.com"}),
        json!({"endpoint": "https://ecs.example.com/path"}),
        json!({"endpoint": "https://user:secret@ecs.example.com"}),
        json!({"endpoint": "https://ecs.example.com:0"}),
        json!({"endpoint": "https://2001:db8::1"}),
        json!({"metadataEndpoint": "100.100.100.200"}),
        json!({"allowInsecureEndpoint": 1}),
        json!({"caFile": "ca.pem"}),
        json!({"proxy": "proxy.example.com:3128"}),
        json!({"proxy": "socks5://user:secret@proxy.example.com"}),
        json!({"credentials": "secret"}),
        json!({"credentials": {"source": "vault"}}),
        json!({"credentials": {"source": "file"}}),
        json!({"credentials": {"source": "oidc", "stsEndpoint": "sts.example.com"}}),
        json!({"credentials": {"source": "oidc", "stsEndpoint": "http://sts.example.com"}}),
        json!({"signatureMethod": "MD5"}),
        json!({"timeoutSeconds": "1m"}),
        json!({"onReleaseFailure": "retry"}),
        json!({"gcGraceSeconds": -1}),
        json!({"statusFailsWhenFull": "true"}),
        json!({"maxAddressesPerCall": 0}),
        json!({"metricsFile": "metrics.prom"}),
        json!({"logLevel": "verbose"}),
        json!({"logFile": "log"}),
    ];
    let messages = wrong.iter().map(|keys| {
        let mut ipam = Map::from_iter([("type".to_owned(), json!("aliyun-eni-ipam"))]);
        ipam.extend(keys.as_object().unwrap().clone());
        let error = Ipam::new(&ipam).check_all().unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        (keys.to_string().replace("user:secret", "user:(secret)"), error)
    });
    Section { heading: "Errors of the configuration (code 7)", messages: messages.collect() }
}

/// What a person is told to do about each code of ECS.
pub(super) fn codes_of_ecs() -> Section {
    let mut by_remedy: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in codes::CODES.iter().filter(|row| !row.code.ends_with('*')) {
        by_remedy.entry(row.remedy).or_default().push(row.code);
    }
    for (status, name) in [
        (400, "unknown code, HTTP 400"),
        (403, "unknown code, HTTP 403"),
        (409, "unknown code, HTTP 409"),
        (429, "unknown code, HTTP 429"),
        (503, "unknown code, HTTP 503"),
    ] {
        by_remedy.entry(codes::by_status(status).remedy).or_default().push(name);
    }
    let mut messages: Vec<_> =
        by_remedy.into_iter().map(|(hint, codes)| (codes.join(", "), hint.to_owned())).collect();
    messages.sort();
    Section { heading: "What to do about the codes of ECS", messages }
}
