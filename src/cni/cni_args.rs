//! `CNI_ARGS`, `KEY=VALUE;KEY=VALUE`: the oldest way to tell a plugin more, and the one by which container runtimes
//! name the pod.

use std::fmt;

use super::{AddressRequest, Code, Error};
use crate::base::attachment::Pod;

/// What `CNI_ARGS` says, as far as this plugin knows its keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CniArgs {
    pub(super) pod: Pod,
    pub(super) ip: Option<AddressRequest>,
}

impl CniArgs {
    /// Everything, in any order. A key that nobody here knows is an error, unless `IgnoreUnknown` stands somewhere
    /// among the pairs.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut args = Self::default();
        if text.is_empty() {
            return Ok(args);
        }
        let mut unknown = Vec::new();
        let mut ignore_unknown = false;
        for pair in text.split(';') {
            let (key, value) = pair
                .split_once('=')
                .filter(|(_, value)| !value.contains('='))
                .ok_or_else(|| invalid(format_args!("invalid pair {pair:?}")))?;
            let refusal = |reason| invalid(format_args!("error parsing value of pair {pair:?}: {reason}"));
            match key {
                "IgnoreUnknown" => ignore_unknown = boolean(value).map_err(refusal)?,
                "IP" if value.is_empty() => args.ip = None,
                "IP" => args.ip = Some(value.parse().map_err(refusal)?),
                "K8S_POD_INFRA_CONTAINER_ID" => {}
                key if set(&mut args.pod, key, value) => {}
                _ => unknown.push(format!("{pair:?}")),
            }
        }
        if unknown.is_empty() || ignore_unknown {
            return Ok(args);
        }
        Err(invalid(format_args!("unknown args [{}]", unknown.join(" "))))
    }
}

/// The pod that pairs of `CNI_ARGS` name; `None` if they name none.
pub(crate) fn pod_of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Pod> {
    let mut pod = Pod::default();
    for (key, value) in pairs {
        set(&mut pod, key, value);
    }
    Some(pod).filter(|pod| *pod != Pod::default())
}

/// Takes one pair of `CNI_ARGS` if its key is one of a pod. Returns whether it is.
fn set(pod: &mut Pod, key: &str, value: &str) -> bool {
    let field = match key {
        "K8S_POD_NAMESPACE" => &mut pod.namespace,
        "K8S_POD_NAME" => &mut pod.name,
        "K8S_POD_UID" => &mut pod.uid,
        _ => return false,
    };
    // Kubernetes has no longer names. Anything else would only spoil records and terminals.
    let is_name = value.len() <= 253 && value.bytes().all(|byte| byte.is_ascii_graphic());
    *field = if is_name { value.to_owned() } else { String::new() };
    true
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("boolean unmarshal error: invalid input {text}")),
    }
}

/// The Go library answers 999 here, but the specification has a code for variables, and wants their names in the text.
fn invalid(reason: fmt::Arguments<'_>) -> Error {
    Error::new(Code::INVALID_ENVIRONMENT, format!("CNI_ARGS: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_is_read_in_any_order() {
        let pairs =
            ["K8S_POD_NAME=web-0", "K8S_POD_INFRA_CONTAINER_ID=4f1c", "K8S_POD_UID=uid-1", "IgnoreUnknown=1"];
        for turn in 0..pairs.len() {
            let mut pairs = pairs;
            pairs.rotate_left(turn);
            let text = format!("{};K8S_POD_NAMESPACE=default", pairs.join(";"));
            let pod = CniArgs::parse(&text).unwrap().pod;
            assert_eq!(pod.to_string(), "default/web-0");
            assert_eq!(pod.uid, "uid-1");
        }
    }

    #[test]
    fn malformed_pairs_and_unknown_keys_are_refused() {
        for (text, msg) in [
            ("A=b=c", r#"invalid pair "A=b=c""#),
            ("A", r#"invalid pair "A""#),
            (";", r#"invalid pair """#),
            ("IgnoreUnknown=1;", r#"invalid pair """#),
            ("FOO=BAR", r#"unknown args ["FOO=BAR"]"#),
            ("A=1;IgnoreUnknown=false;B=2", r#"unknown args ["A=1" "B=2"]"#),
            ("ignoreunknown=1", r#"unknown args ["ignoreunknown=1"]"#),
            (
                "IgnoreUnknown=yes",
                r#"error parsing value of pair "IgnoreUnknown=yes": boolean unmarshal error: invalid input yes"#,
            ),
            ("IP=x", r#"error parsing value of pair "IP=x": invalid IP address x"#),
        ] {
            let error = CniArgs::parse(text).unwrap_err();
            assert_eq!((error.code, error.msg), (Code(4), format!("CNI_ARGS: {msg}")), "{text}");
        }
    }

    #[test]
    fn unknown_keys_pass_where_they_are_to_be_ignored() {
        for flag in ["1", "true", "TRUE", "True"] {
            for text in [format!("FOO=BAR;IgnoreUnknown={flag}"), format!("IgnoreUnknown={flag};FOO=")] {
                assert_eq!(CniArgs::parse(&text), Ok(CniArgs::default()));
            }
        }
        assert_eq!(CniArgs::parse(""), Ok(CniArgs::default()));
    }

    #[test]
    fn a_mebibyte_is_read() {
        let text = format!("IgnoreUnknown=1;K8S_POD_NAME=web-0;FOO={}", "x".repeat(1 << 20));
        assert_eq!(CniArgs::parse(&text).unwrap().pod.name, "web-0");
        let text = format!("IgnoreUnknown=1{}", ";A=b".repeat(1 << 18));
        assert!(CniArgs::parse(&text).is_ok());
    }

    #[test]
    fn a_pods_name_that_is_none_is_left_out() {
        for name in ["", "two\nlines", "\u{1b}[31m", "é", &"x".repeat(254)] {
            let pod = CniArgs::parse(&format!("K8S_POD_NAMESPACE=a;K8S_POD_NAME={name}")).unwrap().pod;
            assert_eq!((pod.namespace.as_str(), pod.name.as_str()), ("a", ""));
        }
    }
}
