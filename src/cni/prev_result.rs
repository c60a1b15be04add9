//! The result of the ADD before, as the configuration of a later call repeats it.

use ipnetwork::IpNetwork;
use serde_json::{Map, Value};

use super::document::{Document, object, present};
use super::{Code, Error, parse_cidr};
use crate::base::address::Address;
use crate::base::text::kind;

/// What ADD gave, as far as this plugin is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrevResult {
    /// The addresses with their prefixes, in the order of the document.
    pub addresses: Vec<IpNetwork>,
}

impl PrevResult {
    /// The `prevResult` of a configuration. Where it is missing, the error says `how` to have one.
    pub(super) fn of(document: &Document, how: &str) -> Result<Self, Error> {
        let value = document.value("prevResult").ok_or_else(|| {
            Error::new(Code::INVALID_CONFIG, "required prevResult missing").with_details(how)
        })?;
        Self::parse(object("prevResult", value)?)
            .map_err(|reason| Error::new(Code::INVALID_CONFIG, "invalid prevResult").with_details(reason))
    }

    fn parse(result: &Map<String, Value>) -> Result<Self, String> {
        let found = addresses_of(result)?;
        Ok(Self { addresses: found.into_iter().map(|it| it.address).collect() })
    }
}

/// Takes the addresses of a result from wherever a version of the protocol has them: `ips`, or `ip4` and `ip6`. The document's
/// own `cniVersion` is not asked: it cannot make an address that stands there disappear. A gateway that is none is left out.
///
/// # Errors
/// What of it is no list of addresses.
pub fn addresses_of(result: &Map<String, Value>) -> Result<Vec<Address>, String> {
    let mut addresses = Vec::new();
    for family in ["ip4", "ip6"] {
        if let Some(entry) = present(result, family) {
            addresses.push(address(entry, "ip").map_err(|reason| format!("{family}: {reason}"))?);
        }
    }
    match present(result, "ips") {
        None => {}
        Some(Value::Array(entries)) => {
            for (index, entry) in entries.iter().enumerate() {
                let address =
                    address(entry, "address").map_err(|reason| format!("ips, entry {index}: {reason}"))?;
                addresses.push(address);
            }
        }
        Some(other) => return Err(format!("ips must be a list, but is {}", kind(other))),
    }
    Ok(addresses)
}

fn address(entry: &Value, key: &str) -> Result<Address, String> {
    let address = match entry.get(key) {
        Some(Value::String(text)) => {
            parse_cidr(text).ok_or_else(|| format!("invalid CIDR address {text}"))?
        }
        Some(other) => return Err(format!("{key} must be a string, but is {}", kind(other))),
        None => return Err(format!("it must be an object with the key {key}")),
    };
    let gateway = entry.get("gateway").and_then(Value::as_str).and_then(|text| text.parse().ok());
    Ok(Address { address, gateway })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn prev_result(prev_result: &Value) -> Result<Vec<String>, Error> {
        let document = json!({ "prevResult": prev_result }).to_string();
        let result = PrevResult::of(&Document::read(document.as_bytes()).unwrap(), "how")?;
        Ok(result.addresses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn addresses_are_found_in_the_shape_of_every_version() {
        for shape in [
            json!({
                "cniVersion": "0.2.0", "dns": {},
                "ip4": {"ip": "10.9.0.2/24", "gateway": "10.9.0.1"}, "ip6": {"ip": "2001:db8::2/64"},
            }),
            json!({"cniVersion": "0.4.0", "interfaces": [], "ips": [
                {"version": "4", "interface": 1, "address": "10.9.0.2/24", "gateway": "10.9.0.1"},
                {"version": "6", "address": "2001:db8::2/64"},
            ]}),
            json!({"cniVersion": "1.1.0", "ips": [
                {"interface": 1, "address": "10.9.0.2/24", "gateway": 5}, {"address": "2001:db8::2/64"},
            ], "routes": 5}),
        ] {
            assert_eq!(prev_result(&shape), Ok(vec!["10.9.0.2/24".to_owned(), "2001:db8::2/64".to_owned()]));
        }
    }

    #[test]
    fn a_result_without_addresses_has_none() {
        for shape in [json!({}), json!({"ips": []}), json!({"ips": null, "ip4": null})] {
            assert_eq!(prev_result(&shape), Ok(Vec::new()), "{shape}");
        }
    }

    #[test]
    fn a_result_that_cannot_be_read_is_refused() {
        let missing = prev_result(&Value::Null).unwrap_err();
        assert_eq!((missing.code, missing.msg.as_str()), (Code(7), "required prevResult missing"));
        let number = prev_result(&json!(5)).unwrap_err();
        assert_eq!(
            (number.code, number.msg.as_str()),
            (Code(7), "prevResult must be an object, but is a number")
        );
        for (shape, details) in [
            (json!({"ips": {}}), "ips must be a list, but is an object"),
            (json!({"ips": [5]}), "ips, entry 0: it must be an object with the key address"),
            (json!({"ips": [{"address": 5}]}), "ips, entry 0: address must be a string, but is a number"),
            (json!({"ips": [{"address": "10.0.0.1"}]}), "ips, entry 0: invalid CIDR address 10.0.0.1"),
            (json!({"ip4": {"ip": "10.0.0.1/33"}}), "ip4: invalid CIDR address 10.0.0.1/33"),
            (json!({"ip6": []}), "ip6: it must be an object with the key ip"),
        ] {
            let error = prev_result(&shape).unwrap_err();
            assert_eq!(
                (error.code, error.msg.as_str(), error.details.as_str()),
                (Code(7), "invalid prevResult", details)
            );
        }
    }
}
