//! The parameters of a call.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use serde_json::json;

use super::{OF_ALL, OF_ONE, error, expect_error};
use crate::node;

#[test]
fn an_operation_is_known_by_its_exact_name() {
    let node = node();
    for command in ["FOO", "add", "Del", "ADD ", "ADD\n", "é"] {
        let expected = error(Some("1.1.0"), 4, &format!("unknown CNI_COMMAND: {command}"), "");
        expect_error(&node.call(command, "c1").run(), &expected);
    }
    assert!(!node.store().exists());
}

#[test]
fn without_an_operation_the_plugin_says_what_it_is_and_reads_nothing() {
    let node = node();
    for command in [None, Some("")] {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, b"left alone").unwrap();
        let call = node.call("ADD", "c1").stdin_handle(reader.try_clone().unwrap());
        let call = match command {
            None => call.without("CNI_COMMAND"),
            Some(empty) => call.env("CNI_COMMAND", empty),
        };
        let answer = call.run();
        answer.ok();
        let about = format!(
            "CNI aliyun-eni-ipam plugin v{}\nCNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, \
             1.0.0, 1.1.0\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(answer.stderr(), about);
        drop(writer);
        let mut left = String::new();
        reader.read_to_string(&mut left).unwrap();
        assert_eq!(left, "left alone");
    }
}

#[test]
fn missing_parameters_are_named_all_at_once_in_the_order_of_the_specification() {
    let node = node();
    let all = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"];
    for verb in OF_ONE {
        for missing in [&all[..], &all[..1], &all[1..2], &all[2..], &all[1..]] {
            let required: Vec<_> =
                missing.iter().filter(|name| verb != "DEL" || **name != "CNI_NETNS").copied().collect();
            for empty in [false, true] {
                let call = missing.iter().fold(node.call(verb, "c1"), |call, name| {
                    if empty { call.env(name, "") } else { call.without(name) }
                });
                if required.is_empty() {
                    call.run().ok();
                    continue;
                }
                let msg = format!("required env variables [{}] missing", required.join(","));
                expect_error(&call.run(), &error(None, 4, &msg, ""));
            }
        }
    }
    assert!(!node.store().exists());
}

#[test]
fn cni_path_is_not_needed_by_a_plugin_that_calls_no_other() {
    let node = node();
    let _ = node.call("ADD", "c1").without("CNI_PATH").run().address();
    for verb in ["DEL", "GC", "STATUS"] {
        node.call(verb, "c1").without("CNI_PATH").run().ok();
    }
}

#[test]
fn what_is_about_no_attachment_does_not_look_at_one() {
    let node = node();
    for verb in OF_ALL {
        let call = node.call(verb, "../c").env("CNI_IFNAME", "a/b").env("CNI_ARGS", "A=b=c");
        let answer = call.env("CNI_NETNS", OsStr::from_bytes(b"\xff")).run();
        if answer.status() != 0 {
            answer.fail("success");
        }
        let call = node.call(verb, "c1").without("CNI_CONTAINERID").without("CNI_IFNAME");
        assert_eq!(call.without("CNI_NETNS").run().status(), 0, "{verb}");
    }
}

#[test]
fn an_invalid_parameter_is_reported_before_missing_ones() {
    let node = node();
    let id = error(None, 4, "invalid characters in containerID", "../c");
    let name = error(None, 4, "interface name is . or ..", "");
    for verb in OF_ONE {
        expect_error(&node.call(verb, "../c").without("CNI_IFNAME").without("CNI_NETNS").run(), &id);
        let call = node.call(verb, "c1").without("CNI_CONTAINERID").without("CNI_NETNS");
        expect_error(&call.env("CNI_IFNAME", "..").run(), &name);
    }
}

#[test]
fn a_container_id_has_plain_characters_only() {
    let node = node();
    for verb in OF_ONE {
        for id in ["_a", "-a", ".a", "a\n", "a/b", "../a", "a b", "é", "a:b"] {
            expect_error(
                &node.call(verb, id).run(),
                &error(None, 4, "invalid characters in containerID", id),
            );
        }
        let answer = node.call(verb, "c1").env("CNI_CONTAINERID", OsStr::from_bytes(b"a\xff")).run();
        expect_error(&answer, &error(None, 4, "CNI_CONTAINERID is not valid UTF-8", "a\u{fffd}"));
    }
    assert!(!node.store().exists());
}

#[test]
fn a_container_id_may_be_longer_than_a_file_name() {
    let node = node();
    let (long, longer) = ("f".repeat(300), "f".repeat(100_000));
    let addresses = [&long, &longer].map(|id| node.add(id).address());
    assert_ne!(addresses[0], addresses[1]);
    assert_eq!(node.add(&longer).address(), addresses[1]);
    node.del(&long).ok();
    assert_eq!(node.on_eni(), [addresses[1]].into());
    node.del(&longer).ok();
    assert!(node.on_eni().is_empty());
}

#[test]
fn an_interface_has_a_name_that_linux_accepts() {
    let node = node();
    let odd = "interface name contains / or : or whitespace characters";
    let (long, limit) = ("interface name is too long", "interface name should be less than 16 characters");
    for verb in OF_ONE {
        for (name, msg, details) in [
            ("sixteen-bytes-xx", long, limit),
            ("ééééééé€", long, limit),
            (".", "interface name is . or ..", ""),
            ("..", "interface name is . or ..", ""),
            ("a/b", odd, ""),
            ("a:b", odd, ""),
            ("a b", odd, ""),
            ("eth0\n", odd, ""),
            ("a\u{85}b", odd, ""),
            ("a\u{a0}b", odd, ""),
            ("a\u{2003}b", odd, ""),
        ] {
            let answer = node.call(verb, "c1").env("CNI_IFNAME", name).run();
            expect_error(&answer, &error(None, 4, msg, details));
        }
    }
    assert!(!node.store().exists());
    for name in ["fifteen-bytes-x", "...", "net-1.100", "été"] {
        let _ = node.call("ADD", "c1").env("CNI_IFNAME", name).run().address();
    }
    assert_eq!(node.counts(), [0, 4, 0, 0]);
}

#[test]
fn any_reference_to_a_network_namespace_will_do() {
    let node = node();
    // The last is the plugin's own: delegating plugins check that, and must get one document only.
    for (container, netns) in
        [("c1", "/var/run/netns/gone"), ("c2", "vm://4f1c"), ("c3", "x"), ("c4", "/proc/self/ns/net")]
    {
        let _ = node.call("ADD", container).env("CNI_NETNS", netns).run().address();
    }
    node.call("DEL", "c1").without("CNI_NETNS").run().ok();
    node.call("DEL", "c2").env("CNI_NETNS", "").run().ok();
    node.call("DEL", "c3").env("CNI_NETNS", "/var/run/netns/gone").run().ok();
    node.call("DEL", "c4").env("CNI_NETNS", OsStr::from_bytes(b"\xff")).run().ok();
    assert!(node.on_eni().is_empty());
}

#[test]
fn extra_arguments_that_cannot_be_honoured_fail_an_add() {
    let node = node();
    for (args, msg) in [
        ("FOO=BAR", r#"CNI_ARGS: unknown args ["FOO=BAR"]"#),
        ("FOO=BAR;IgnoreUnknown=0", r#"CNI_ARGS: unknown args ["FOO=BAR"]"#),
        ("ignoreunknown=1", r#"CNI_ARGS: unknown args ["ignoreunknown=1"]"#),
        ("IgnoreUnknown=1;A=b=c", r#"CNI_ARGS: invalid pair "A=b=c""#),
        ("IgnoreUnknown=1;", r#"CNI_ARGS: invalid pair """#),
        ("IP=x", r#"CNI_ARGS: error parsing value of pair "IP=x": invalid IP address x"#),
    ] {
        let answer = node.call("ADD", "c1").env("CNI_ARGS", args).run();
        expect_error(&answer, &error(Some("1.1.0"), 4, msg, ""));
    }
    assert!(node.cloud.ledger().is_empty() && !node.store().exists());
}

#[test]
fn no_extra_argument_keeps_an_address_from_being_released() {
    let node = node();
    for args in ["A=b=c", ";", "FOO=BAR", "IgnoreUnknown=perhaps", "IP=x"] {
        let _ = node.add("c1").address();
        node.call("DEL", "c1").env("CNI_ARGS", args).run().ok();
        assert!(node.on_eni().is_empty(), "{args}");
    }
    let _ = node.add("c1").address();
    node.call("DEL", "c1").env("CNI_ARGS", OsStr::from_bytes(b"\xff=")).run().ok();
    assert!(node.on_eni().is_empty());
}

#[test]
fn the_pod_is_recorded_in_whatever_order_the_runtime_names_it() {
    let node = node();
    let mut pairs = [
        "IgnoreUnknown=1",
        "K8S_POD_NAMESPACE=default",
        "K8S_POD_NAME=web-0",
        "K8S_POD_INFRA_CONTAINER_ID=4f1c",
        "K8S_POD_UID=uid-1",
        "FUTURE=x",
    ];
    for turn in 0..pairs.len() {
        pairs.rotate_left(turn);
        let container = format!("c{turn}");
        let _ = node.call("ADD", &container).env("CNI_ARGS", pairs.join(";")).run().address();
    }
    let records = node.records();
    assert_eq!(records.len(), pairs.len());
    assert!(records.iter().all(|record| record.0["pod"] == "default/web-0"), "{records:?}");
}

#[test]
fn what_the_runtime_itself_was_started_with_makes_no_difference() {
    let node = node();
    let elsewhere = node.directory().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let unreachable = "http://127.0.0.1:9";
    for (container, directory) in [("c1", elsewhere.as_path()), ("c2", "/".as_ref())] {
        for verb in ["ADD", "DEL"] {
            let mut call = node.call(verb, container).in_directory(directory);
            for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
                call = call.env(name, unreachable);
            }
            for (name, value) in [
                ("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
                ("LD_LIBRARY_PATH", "/opt/containerd/lib"),
                ("RUST_LOG", "trace"),
                ("RUST_BACKTRACE", "full"),
                ("LANG", "xx_XX"),
            ] {
                call = call.env(name, value);
            }
            let answer = call.run();
            assert_eq!((answer.status(), answer.stderr()), (0, String::new()), "{verb} {container}");
        }
    }
    assert!(node.on_eni().is_empty());
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert_eq!(node.add("c3").json()["cniVersion"], json!("1.1.0"));
}
