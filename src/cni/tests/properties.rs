//! Input of any shape, which may be refused but not end the process.

use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;

use super::*;

/// JSON of any shape, with keys that matter among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![".{0,12}", "10\\.0\\.0\\.[0-9]/[0-9]{1,2}", "eth0", "1\\.[01]\\.0"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "name",
        "cniVersion",
        "ipam",
        "prevResult",
        "ips",
        "ip4",
        "ip",
        "address",
        "args",
        "cni",
        "runtimeConfig",
        "cni.dev/valid-attachments",
        "cni.dev/attachments",
        "containerID",
        "ifname",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|keys| keys.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_input_is_a_panic(
        command in prop::sample::select(ALL.to_vec()),
        keys in any_json(),
        args in prop_oneof![".{0,40}", "(IP=[0-9./]{0,9};|IgnoreUnknown=[a1];|K8S_POD_NAME=.{0,3};){0,3}"],
        variables in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..20)), 3),
    ) {
        let keys = if keys.is_object() { keys } else { json!({ "ipam": keys }) };
        let environment = Environment { args: Some(args.into()), ..environment(command) };
        let mut entry = config(&keys);
        entry["type"] = "aliyun-eni-ipam".into();
        entry.as_object_mut().unwrap().remove("ipam");
        for stdin in [config(&keys).to_string(), keys.to_string(), entry.to_string()] {
            if let Err(refusal) = call(&environment, &stdin) {
                prop_assert!(refusal.error.code.0 <= 7 && !refusal.error.msg.is_empty());
            }
        }

        let mut variables = variables.into_iter().map(|value| {
            value.map(OsStringExt::from_vec)
        });
        let environment = Environment {
            container_id: variables.next().flatten(),
            netns: variables.next().flatten(),
            ifname: variables.next().flatten(),
            ..environment
        };
        if let Err(refusal) = call(&environment, &config(&json!({})).to_string()) {
            prop_assert!([4].contains(&refusal.error.code.0), "{}", refusal);
        }
    }

    #[test]
    fn no_bytes_on_stdin_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let refusal = read_call(&environment("ADD"), Cursor::new(bytes)).unwrap_err();
        prop_assert!([6, 7].contains(&refusal.error.code.0));
    }
}
