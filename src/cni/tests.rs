//! Calls as runtimes make them, from the variables and stdin to the call or the document on stdout.

use std::ffi::OsString;
use std::io::{self, Cursor, Read};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;

mod chained;
mod properties;

const ADDRESS_WISH: &str = "IP=10.0.0.9";

/// A call of `command` with all variables set.
fn environment(command: &str) -> Environment {
    Environment {
        command: Some(command.into()),
        container_id: Some("c1".into()),
        netns: Some("/var/run/netns/n1".into()),
        ifname: Some("eth0".into()),
        args: None,
    }
}

/// A configuration as a `ptp` plugin passes it on, with `keys` added or replaced.
fn config(keys: &Value) -> Value {
    let mut config = json!({
        "cniVersion": "1.1.0",
        "name": "pods",
        "type": "ptp",
        "mtu": 1500.0,
        "capabilities": {"ips": true},
        "ipam": {"type": "aliyun-eni-ipam", "ipv6": true},
        "prevResult": {"cniVersion": "1.1.0", "ips": [{"interface": 1, "address": "10.0.0.9/24"}]},
    });
    config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    config
}

fn call(environment: &Environment, stdin: &str) -> Result<Call, Refusal> {
    read_call(environment, Cursor::new(stdin.to_owned()))
}

fn call_with(command: &str, keys: &Value) -> Result<Call, Refusal> {
    call(&environment(command), &config(keys).to_string())
}

fn refusal(environment: &Environment, stdin: &str) -> (u64, String) {
    let document = call(environment, stdin).unwrap_err().to_json();
    (document["code"].as_u64().unwrap(), document["msg"].as_str().unwrap().to_owned())
}

const ALL: [&str; 5] = ["ADD", "DEL", "CHECK", "STATUS", "GC"];

#[test]
fn every_operation_is_read_from_the_configuration_of_the_calling_plugin() {
    for command in ALL {
        let call = call_with(command, &json!({})).unwrap();
        assert_eq!((call.command(), call.version()), (command, Version::V1_1_0));
        let network = match &call {
            Call::Add(Add { network, .. })
            | Call::Del(Del { network, .. })
            | Call::Check(Check { network, .. })
            | Call::Status(Status { network })
            | Call::Gc(Gc { network, .. }) => network,
            Call::Chained(_) | Call::Version(_) => panic!("{call:?}"),
        };
        assert_eq!((network.name.as_str(), &network.ipam["ipv6"]), ("pods", &json!(true)));
        let attachment = call.attachment().map(ToString::to_string);
        let is_for_one = ["ADD", "DEL", "CHECK"].contains(&command);
        assert_eq!(attachment.as_deref(), is_for_one.then_some("c1/eth0"));
    }
}

#[test]
fn add_gets_the_pod_and_the_wish_for_an_address() {
    let args = format!("IgnoreUnknown=1;K8S_POD_NAME=web-0;K8S_POD_NAMESPACE=default;{ADDRESS_WISH}");
    let environment = Environment { args: Some(args.into()), ..environment("ADD") };
    let Ok(Call::Add(add)) = call(&environment, &config(&json!({})).to_string()) else { panic!() };
    assert_eq!(add.arguments.pod.to_string(), "default/web-0");
    let wish = AddressRequest { address: "10.0.0.9".parse().unwrap(), prefix: None };
    assert_eq!(add.arguments.requested, [wish]);
}

#[test]
fn check_gets_the_addresses_of_the_result_before() {
    let Ok(Call::Check(check)) = call_with("CHECK", &json!({})) else { panic!() };
    assert_eq!(check.prev_result.addresses, ["10.0.0.9/24".parse().unwrap()]);
    let without = config(&json!({"prevResult": null})).to_string();
    assert_eq!(refusal(&environment("CHECK"), &without), (7, "required prevResult missing".to_owned()));
}

#[test]
fn the_first_of_several_mistakes_is_reported() {
    let bad_ifname = Environment { ifname: Some("a/b".into()), ..environment("ADD") };
    let no_netns = Environment { netns: None, ..environment("ADD") };
    let (add, foo, check) = (environment("ADD"), environment("FOO"), environment("CHECK"));
    for (environment, stdin, code, msg) in [
        (&bad_ifname, "garbage", 4, "interface name contains / or : or whitespace characters"),
        (&no_netns, "garbage", 4, "required env variables [CNI_NETNS] missing"),
        (&foo, "", 6, "error unmarshall network config: EOF while parsing a value at line 1 column 0"),
        (&foo, "{}", 7, "missing network name"),
        (&foo, r#"{"name":"a/b"}"#, 7, "invalid characters found in network name"),
        (&foo, r#"{"name":"n","cniVersion":5}"#, 4, "unknown CNI_COMMAND: FOO"),
        (&add, r#"{"name":"n","cniVersion":"9.9.9","ipam":5}"#, 1, "incompatible CNI versions"),
        (&add, r#"{"name":"n","ipam":5}"#, 7, "ipam must be an object, but is a number"),
        (&check, r#"{"name":"n"}"#, 1, "config version does not allow CHECK"),
    ] {
        assert_eq!(refusal(environment, stdin), (code, msg.to_owned()), "{stdin}");
    }
}

#[test]
fn every_operation_refuses_a_version_it_does_not_exist_in() {
    for (command, version, code, msg) in [
        ("ADD", "9.9.9", 1, "incompatible CNI versions"),
        ("DEL", "1.0", 1, "incompatible CNI versions"),
        ("DEL", "v1.0.0", 1, "incompatible CNI versions"),
        ("CHECK", "0.3.1", 1, "config version does not allow CHECK"),
        ("CHECK", "9.9.9", 1, "plugin version does not allow CHECK"),
        ("GC", "1.0.0", 1, "config version does not allow GC"),
        ("GC", "2.0.0", 1, "plugin version does not allow GC"),
        ("STATUS", "", 1, "config version does not allow STATUS"),
        ("STATUS", "1.1.0.0", 6, "invalid version \"1.1.0.0\": too many parts"),
    ] {
        let stdin = config(&json!({ "cniVersion": version })).to_string();
        assert_eq!(refusal(&environment(command), &stdin), (code, msg.to_owned()), "{command} {version}");
    }
}

#[test]
fn add_and_del_work_in_every_version() {
    for version in Version::ALL {
        for command in ["ADD", "DEL"] {
            let call = call_with(command, &json!({"cniVersion": version.as_str()})).unwrap();
            assert_eq!(call.version(), version);
        }
    }
    for nothing in [json!(""), Value::Null] {
        assert_eq!(call_with("ADD", &json!({"cniVersion": nothing})).unwrap().version(), Version::V0_1_0);
    }
}

#[test]
fn a_refusal_is_in_the_version_of_the_call_where_that_is_known() {
    let version =
        |stdin: &str| call(&environment("ADD"), stdin).unwrap_err().to_json().get("cniVersion").cloned();
    assert_eq!(version(r#"{"cniVersion":"0.4.0"}"#), Some(json!("0.4.0")));
    assert_eq!(version(r#"{"cniVersion":"1.1.0","name":"n"}"#), Some(json!("1.1.0")));
    assert_eq!(version(r#"{"cniVersion":"9.9.9","name":"n"}"#), None);
    assert_eq!(version("garbage"), None);
}

#[test]
fn own_options_are_required_except_to_release() {
    for ipam in [json!({"ipam": null}), json!({"ipam": {}})] {
        for command in ["DEL", "GC"] {
            assert!(call_with(command, &ipam).is_ok());
        }
    }
    let without = config(&json!({"ipam": null})).to_string();
    for command in ["ADD", "CHECK", "STATUS"] {
        assert_eq!(refusal(&environment(command), &without), (7, "missing ipam".to_owned()));
        assert!(call_with(command, &json!({"ipam": {}})).is_ok());
    }
}

#[test]
fn options_that_are_no_object_are_refused_even_to_release() {
    // Taking them for none could look for the attachment in another store than the one that knows it, and call its
    // addresses released.
    for command in ALL {
        let stdin = config(&json!({"ipam": "aliyun-eni-ipam"})).to_string();
        assert_eq!(
            refusal(&environment(command), &stdin),
            (7, "ipam must be an object, but is a string".to_owned())
        );
    }
}

#[test]
fn what_an_operation_does_not_use_cannot_fail_it() {
    let unused = json!({
        "type": 5, "dns": [], "capabilities": "x", "runtimeConfig": 5, "args": {"cni": 5}, "prevResult": 5,
        "ipMasq": 12_345_678_901_234_567_890_u64, "unknown": {"a": [1e300]},
    });
    let mut environment = environment("DEL");
    for args in [OsString::from("A=b=c;IP=x"), "\u{0}".into(), broken()] {
        environment.args = Some(args);
        assert!(call(&environment, &config(&unused).to_string()).is_ok());
    }
    environment.netns = None;
    assert!(call(&environment, &config(&json!({"cni.dev/valid-attachments": 5})).to_string()).is_ok());

    for command in ["GC", "STATUS"] {
        environment.command = Some(command.into());
        (environment.container_id, environment.ifname) = (Some("../c".into()), Some(broken()));
        assert!(call(&environment, &config(&unused).to_string()).is_ok(), "{command}");
    }
}

#[test]
fn what_add_uses_can_fail_it() {
    for (args, msg) in [
        (OsString::from("FOO=BAR"), r#"CNI_ARGS: unknown args ["FOO=BAR"]"#),
        (broken(), "CNI_ARGS is not valid UTF-8"),
    ] {
        let environment = Environment { args: Some(args), ..environment("ADD") };
        assert_eq!(refusal(&environment, &config(&json!({})).to_string()), (4, msg.to_owned()));
    }
    let stdin = config(&json!({"runtimeConfig": {"ips": ["x"]}})).to_string();
    let msg = "invalid runtimeConfig.ips: invalid IP address x".to_owned();
    assert_eq!(refusal(&environment("ADD"), &stdin), (7, msg));
}

#[test]
fn gc_tells_an_empty_list_from_none() {
    let valid_attachments = |keys: &Value| match call_with("GC", keys) {
        Ok(Call::Gc(gc)) => gc.valid_attachments.map(|list| list.iter().map(ToString::to_string).collect()),
        other => panic!("{other:?}"),
    };
    let (key, old_key) = ("cni.dev/valid-attachments", "cni.dev/attachments");
    let one = json!([{"containerID": "c1", "ifname": "eth0"}]);
    let other =
        json!([{"containerID": "c2", "ifname": "net1", "extra": 5}, {"containerID": "c1", "ifname": "eth0"}]);
    let list =
        |attachments: &[&str]| Some(attachments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    for (keys, expected) in [
        (json!({}), None),
        (json!({key: null, old_key: null}), None),
        (json!({key: []}), list(&[])),
        (json!({key: one}), list(&["c1/eth0"])),
        (json!({old_key: one}), list(&["c1/eth0"])),
        (json!({key: one, old_key: one}), list(&["c1/eth0"])),
        (json!({key: [], old_key: other}), list(&["c1/eth0", "c2/net1"])),
    ] {
        assert_eq!(valid_attachments(&keys), expected, "{keys}");
    }
}

#[test]
fn gc_refuses_a_list_that_it_cannot_read() {
    let good = json!([{"containerID": "c1", "ifname": "eth0"}]);
    for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
        for list in [
            json!(5),
            json!({}),
            json!(["c1"]),
            json!([null]),
            json!([{"containerID": "c1"}]),
            json!([{"containerID": "../c1", "ifname": "eth0"}]),
            json!([{"containerID": "c1", "ifname": ""}]),
        ] {
            let mut keys = json!({"cni.dev/valid-attachments": good, "cni.dev/attachments": good});
            keys[key] = list;
            let stdin = config(&keys).to_string();
            assert_eq!(refusal(&environment("GC"), &stdin), (7, format!("invalid {key}")), "{stdin}");
        }
    }
}

#[test]
fn version_answers_in_the_version_of_the_input() {
    for (stdin, version) in [
        (r#"{"cniVersion":"1.0.0"}"#, Version::V1_0_0),
        (r#"{"cniVersion":"0.4.0","name":5}"#, Version::V0_4_0),
        (r#"{"cniVersion":"0.4.0"} garbage"#, Version::V0_4_0),
        (r#"{"cniVersion":"9.9.9"}"#, Version::NEWEST),
        (r#"{"cniVersion":5}"#, Version::NEWEST),
        ("{}", Version::NEWEST),
        ("null", Version::NEWEST),
        ("garbage", Version::NEWEST),
        ("", Version::NEWEST),
    ] {
        let environment = Environment { command: Some("VERSION".into()), ..Environment::default() };
        assert_eq!(call(&environment, stdin), Ok(Call::Version(version)), "{stdin}");
    }
}

#[test]
fn version_does_not_wait_for_an_input_that_does_not_come() {
    let (silent, writer) = io::pipe().unwrap();
    let begin = Instant::now();
    assert_eq!(read_call(&environment("VERSION"), silent), Ok(Call::Version(Version::NEWEST)));
    assert!(begin.elapsed() < Duration::from_secs(5));
    drop(writer);

    let endless = io::repeat(b' ');
    assert_eq!(read_call(&environment("VERSION"), endless), Ok(Call::Version(Version::NEWEST)));
}

#[test]
fn version_does_not_wait_for_the_end_of_its_input() {
    let (input, mut writer) = io::pipe().unwrap();
    io::Write::write_all(&mut writer, br#"{"cniVersion":"1.0.0"}"#).unwrap();
    assert_eq!(read_call(&environment("VERSION"), input), Ok(Call::Version(Version::V1_0_0)));
    drop(writer);
}

#[test]
fn without_an_operation_stdin_is_not_read() {
    struct Untouchable;
    impl Read for Untouchable {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("stdin was read")
        }
    }
    let refusal = read_call(&Environment::default(), Untouchable).unwrap_err();
    assert_eq!(refusal.error.msg, "required env variables [CNI_COMMAND] missing");
}

fn broken() -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(b"K8S_POD_NAME=\xff".to_vec())
}
