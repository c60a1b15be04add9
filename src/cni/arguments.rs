//! What a runtime says about one attachment beside the protocol's own parameters: whose pod it is, and which addresses
//! are asked for (CONVENTIONS.md of the CNI project).

use serde_json::Value;

use super::address_request::AddressRequest;
use super::cni_args::CniArgs;
use super::document::{Document, object, present};
use super::{Code, Error};
use crate::base::attachment::Pod;
use crate::base::text::kind;

/// The extra arguments of an ADD. The other operations use none of them, and do not fail for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The pod, for people who read the records.
    pub pod: Pod,
    /// The addresses that ADD is asked for; empty means any.
    ///
    /// They come from `runtimeConfig.ips`, else from `args.cni.ips`, else from `IP` in `CNI_ARGS`: the conventions rank
    /// the second above the third, and the first is on top because a runtime fills it in for this one attachment.
    pub requested: Vec<AddressRequest>,
}

impl Arguments {
    /// Reads everything: an argument that cannot be honoured is an error, not an address of another's choice.
    pub(super) fn read(cni_args: &str, document: &Document) -> Result<Self, Error> {
        let CniArgs { pod, ip } = CniArgs::parse(cni_args)?;
        // All are read first: a malformed wish must not hide behind one of a higher rank.
        let by_rank = [
            requested_at(document, &["runtimeConfig", "ips"])?,
            requested_at(document, &["args", "cni", "ips"])?,
            ip.into_iter().collect(),
        ];
        let requested = by_rank.into_iter().find(|list| !list.is_empty()).unwrap_or_default();
        Ok(Self { pod, requested })
    }
}

/// The list of addresses at the end of a path of keys of the configuration; empty when any of the keys is missing.
fn requested_at(document: &Document, path: &[&str]) -> Result<Vec<AddressRequest>, Error> {
    let Some((first, rest)) = path.split_first() else { return Ok(Vec::new()) };
    let Some(mut value) = document.value(first) else { return Ok(Vec::new()) };
    let mut name = (*first).to_owned();
    for key in rest {
        let Some(inner) = present(object(&name, value)?, key) else { return Ok(Vec::new()) };
        value = inner;
        name = format!("{name}.{key}");
    }
    let refusal = |reason| Error::new(Code::INVALID_CONFIG, format!("invalid {name}: {reason}"));
    let Value::Array(list) = value else {
        return Err(refusal(format!("it must be a list, but is {}", kind(value))));
    };
    list.iter()
        .map(|entry| match entry {
            Value::String(text) => text.parse().map_err(refusal),
            other => Err(refusal(format!("an entry must be a string, but is {}", kind(other)))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(cni_args: &str, value: &Value) -> Result<Arguments, Error> {
        Arguments::read(cni_args, &Document::read(value.to_string().as_bytes()).unwrap())
    }

    fn requested(cni_args: &str, value: &Value) -> Vec<String> {
        let requested = read(cni_args, value).unwrap().requested;
        requested.iter().map(|ip| format!("{}/{:?}", ip.address, ip.prefix)).collect()
    }

    #[test]
    fn an_address_may_be_asked_for_in_three_places() {
        let runtime_config = json!({"runtimeConfig": {"ips": ["10.0.0.1", "2001:db8::1/64"]}});
        assert_eq!(requested("", &runtime_config), ["10.0.0.1/None", "2001:db8::1/Some(64)"]);
        assert_eq!(requested("", &json!({"args": {"cni": {"ips": ["10.0.0.2/24"]}}})), ["10.0.0.2/Some(24)"]);
        assert_eq!(requested("IP=10.0.0.3", &json!({})), ["10.0.0.3/None"]);
        assert_eq!(requested("IP=", &json!({})), [""; 0]);
    }

    #[test]
    fn the_runtimes_wish_beats_args_which_beat_cni_args() {
        let both = json!({"runtimeConfig": {"ips": ["10.0.0.1"]}, "args": {"cni": {"ips": ["10.0.0.2"]}}});
        assert_eq!(requested("IP=10.0.0.3", &both), ["10.0.0.1/None"]);
        let args = json!({"runtimeConfig": {"ips": []}, "args": {"cni": {"ips": ["10.0.0.2"]}}});
        assert_eq!(requested("IP=10.0.0.3", &args), ["10.0.0.2/None"]);
    }

    #[test]
    fn a_wish_that_cannot_be_read_fails_add() {
        let ips = "invalid runtimeConfig.ips: ";
        for (runtime_config, msg) in [
            (json!(5), "runtimeConfig must be an object, but is a number".to_owned()),
            (json!({"ips": "10.0.0.1"}), format!("{ips}it must be a list, but is a string")),
            (json!({"ips": [5]}), format!("{ips}an entry must be a string, but is a number")),
            (json!({"ips": ["10.0.0.1/33"]}), format!("{ips}invalid IP address 10.0.0.1/33")),
            (json!({"ips": ["::1/129"]}), format!("{ips}invalid IP address ::1/129")),
            (json!({"ips": ["10.0.0.1/"]}), format!("{ips}invalid IP address 10.0.0.1/")),
        ] {
            let error = read("", &json!({ "runtimeConfig": runtime_config })).unwrap_err();
            assert_eq!((error.code, error.msg), (Code(7), msg));
        }
        for (args, msg) in [
            (json!([]), "args must be an object, but is a list"),
            (json!({"cni": []}), "args.cni must be an object, but is a list"),
            (json!({"cni": {"ips": [""]}}), "invalid args.cni.ips: invalid IP address "),
        ] {
            // A good wish of a higher rank does not hide it.
            let value = json!({"args": args, "runtimeConfig": {"ips": ["10.0.0.1"]}});
            let error = read("", &value).unwrap_err();
            assert_eq!((error.code, error.msg.as_str()), (Code(7), msg));
        }
    }

    #[test]
    fn other_keys_beside_a_wish_are_ignored() {
        for value in [
            json!({"runtimeConfig": {"io.kubernetes.cri.pod-annotations": {"a": "b"}, "ips": null}}),
            json!({"runtimeConfig": null, "args": null}),
            json!({"args": {"cni": null, "other": 5}}),
            json!({"args": {"cni": {"labels": [{"key": "app"}]}}}),
        ] {
            assert_eq!(read("", &value), Ok(Arguments::default()));
        }
    }
}
