//! Versions of the protocol.

use super::{error, expect_error};
use crate::node;

#[test]
fn only_exact_versions_are_spoken() {
    let node = node();
    let supported = r#"["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]"#;
    for version in ["9.9.9", "2.0.0", "1.0", "1.0.1", "v1.0.0", "1.0.0 ", "01.0.0", "0.5.0", "latest"] {
        for verb in ["ADD", "DEL"] {
            let answer = node.call(verb, "c1").config(|config| config["cniVersion"] = version.into()).run();
            let details = format!("config is {version:?}, plugin supports {supported}");
            expect_error(&answer, &error(None, 1, "incompatible CNI versions", &details));
        }
    }
    assert!(!node.store().exists());
}

#[test]
fn no_version_is_the_oldest_one() {
    let node = node();
    for (container, version) in [("c1", None), ("c2", Some("")), ("c3", Some("0.1.0"))] {
        let answer = node
            .call("ADD", container)
            .config(|config| match version {
                None => drop(config.as_object_mut().unwrap().remove("cniVersion")),
                Some(version) => config["cniVersion"] = version.into(),
            })
            .run();
        let result = answer.result();
        assert_eq!(result["cniVersion"], "0.1.0", "{version:?}");
        assert!(result["ip4"]["ip"].as_str().unwrap().ends_with("/24"), "{result}");
    }
}

#[test]
fn a_version_that_is_no_text_cannot_be_decoded() {
    let node = node();
    for verb in ["ADD", "DEL", "CHECK", "STATUS", "GC"] {
        let answer = node.call(verb, "c1").config(|config| config["cniVersion"] = 1.into()).run();
        let msg = "decoding version from network config: cniVersion must be a string, but is a number";
        expect_error(&answer, &error(None, 6, msg, ""));
    }
}

#[test]
fn an_operation_exists_since_a_version() {
    let node = node();
    for (verb, first) in [("CHECK", "0.4.0"), ("STATUS", "1.1.0"), ("GC", "1.1.0")] {
        let expect = |version: &str, code, msg: &str, known: bool| {
            let answer = node.call(verb, "c1").config(|config| config["cniVersion"] = version.into()).run();
            expect_error(&answer, &error(known.then_some(version), code, msg, ""));
        };
        let config = format!("config version does not allow {verb}");
        let plugin = format!("plugin version does not allow {verb}");
        for older in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
            if older < first {
                expect(older, 1, &config, true);
            }
        }
        expect("0.0.1", 1, &config, false);
        for newer in ["1.1.1", "1.2.0", "9.9.9"] {
            expect(newer, 1, &plugin, false);
        }
        for (version, msg) in [
            ("v1.1.0", r#"failed to convert major version part "v1": invalid digit found in string"#),
            ("1.x.0", r#"failed to convert minor version part "x": invalid digit found in string"#),
            ("1.1.0.0", r#"invalid version "1.1.0.0": too many parts"#),
        ] {
            expect(version, 6, msg, false);
        }
    }
}
