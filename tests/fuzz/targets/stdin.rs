//! A call as a runtime makes it: `CNI_COMMAND`, `CNI_ARGS` and stdin, with a NUL between them.

#![no_main]

use std::ffi::OsString;
use std::io::Cursor;
use std::os::unix::ffi::OsStringExt;

use aliyun_eni_ipam::cni::{self, Environment};
use aliyun_eni_ipam::inside::config::Ipam;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(3, |byte| *byte == 0).map(<[u8]>::to_vec);
    let mut variable = || parts.next().map(OsString::from_vec);
    let environment = Environment {
        command: variable(),
        args: variable(),
        container_id: Some("c0".into()),
        netns: Some("/var/run/netns/test".into()),
        ifname: Some("eth0".into()),
    };
    // VERSION reads in a thread of its own, which nobody waits for.
    if environment.command.as_ref().is_some_and(|command| command == "VERSION") {
        return;
    }
    let refusal = match cni::read_call(&environment, Cursor::new(parts.next().unwrap_or_default())) {
        Ok(call) => {
            if let Some(network) = call.network() {
                let ipam = Ipam::new(&network.ipam);
                let _ = (ipam.check_all(), ipam.log(), ipam.unknown_keys());
            }
            return;
        }
        Err(refusal) => refusal,
    };
    // What goes out must be fit for a runtime: a code, and no words that are taken for success.
    let document = refusal.to_json();
    assert!(document["code"].as_u64().is_some_and(|code| (1..=7).contains(&code)), "{document}");
    let text = format!("{}; {}", document["msg"], document["details"]).to_lowercase();
    assert!(!text.contains("not found") && !text.contains("no such file or directory"), "{document}");
});
