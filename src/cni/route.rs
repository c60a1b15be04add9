//! Routes of a result (SPEC section 5, "ADD Success"), which come from the configuration as they are.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;

/// A route that the calling plugin is to set up in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The destination.
    #[serde(deserialize_with = "cidr")]
    pub dst: IpNetwork,
    /// The next hop; without one the calling plugin takes the gateway of the address.
    #[serde(default, deserialize_with = "next_hop", skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// The MTU along the path.
    #[serde(default, deserialize_with = "whole_number", skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The TCP segment size to advertise.
    #[serde(default, deserialize_with = "whole_number", skip_serializing_if = "Option::is_none")]
    pub advmss: Option<u32>,
    /// The priority; a lower number wins.
    #[serde(default, deserialize_with = "whole_number", skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// The routing table.
    #[serde(default, deserialize_with = "whole_number", skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The scope: 0 global, 253 link, 254 host.
    #[serde(default, deserialize_with = "whole_number", skip_serializing_if = "Option::is_none")]
    pub scope: Option<u32>,
}

impl Route {
    /// The route without what versions before 1.1.0 do not know.
    pub(super) fn without_attributes(&self) -> Self {
        Self { dst: self.dst, gw: self.gw, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }
}

/// An address with the length of its prefix, `<ip>/<prefix>`. The prefix is required: an address without one is more
/// often a slip than a network of one address. The part of the address behind the prefix is kept.
#[must_use]
pub fn parse_cidr(text: &str) -> Option<IpNetwork> {
    let (address, prefix) = text.split_once('/')?;
    // A dotted mask is no prefix.
    let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return None;
    }
    IpNetwork::new(address.parse().ok()?, prefix.parse().ok()?).ok()
}

fn cidr<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNetwork, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_cidr(&text).ok_or_else(|| D::Error::custom(format_args!("invalid CIDR address {text}")))
}

/// An empty address is none, as in Go.
fn next_hop<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => match text.parse() {
            Ok(address) => Ok(Some(address)),
            Err(_) => Err(D::Error::custom(format_args!("invalid IP address {text}"))),
        },
    }
}

/// A whole number, also where a tool on the way has written it as a float: `1500.0` or `1.5e3`.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    let whole = match number.as_u64() {
        Some(whole) => u32::try_from(whole).ok(),
        // Printing a whole float without a fraction and reading it back neither rounds nor saturates.
        None => number.as_f64().and_then(|float| format!("{float}").parse().ok()),
    };
    whole.map(Some).ok_or_else(|| D::Error::custom(format_args!("{number} is not a 32-bit whole number")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn route(value: &Value) -> Result<Route, String> {
        serde_json::from_value(value.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_route_is_written_as_it_was_read() {
        for document in [
            json!({"dst": "0.0.0.0/0"}),
            json!({"dst": "2001:db8:1::/48", "gw": "2001:db8::9"}),
            json!({"dst": "10.0.0.0/8", "mtu": 1400, "advmss": 1360, "priority": 0, "table": 100, "scope": 253}),
        ] {
            assert_eq!(serde_json::to_value(route(&document).unwrap()).unwrap(), document);
        }
    }

    #[test]
    fn what_a_route_does_not_know_is_ignored() {
        let bare = route(&json!({"dst": "0.0.0.0/0"})).unwrap();
        assert_eq!(route(&json!({"dst": "0.0.0.0/0", "gw": "", "mtu": null, "onlink": true})), Ok(bare));
    }

    #[test]
    fn whole_numbers_may_be_floats() {
        for number in ["1500", "1500.0", "1.5e3"] {
            let route: Route =
                serde_json::from_str(&format!(r#"{{"dst":"0.0.0.0/0","mtu":{number}}}"#)).unwrap();
            assert_eq!(route.mtu, Some(1500), "{number}");
        }
        for number in ["1500.5", "-1", "-1.0", "4294967296", "12345678901234567890123", "1e300", "\"1500\""] {
            let document = format!(r#"{{"dst":"0.0.0.0/0","mtu":{number}}}"#);
            assert!(serde_json::from_str::<Route>(&document).is_err(), "{number}");
        }
    }

    #[test]
    fn a_route_that_cannot_be_read_is_refused() {
        for (document, reason) in [
            (json!({}), "missing field `dst`"),
            (json!({"dst": "default"}), "invalid CIDR address default"),
            (json!({"dst": "10.0.0.0"}), "invalid CIDR address 10.0.0.0"),
            (json!({"dst": "0.0.0.0/0", "gw": "router"}), "invalid IP address router"),
        ] {
            assert_eq!(route(&document), Err(reason.to_owned()));
        }
    }

    #[test]
    fn a_cidr_address_needs_a_numeric_prefix() {
        for text in ["10.0.0.1/24", "0.0.0.0/0", "10.0.0.1/32", "2001:db8::1/64", "::/128"] {
            assert_eq!(parse_cidr(text).map(|network| network.to_string()).as_deref(), Some(text));
        }
        for text in
            ["", "/", "/24", "10.0.0.1", "10.0.0.1/", "10.0.0.1/33", "::/129", "10.0.0.1/+8", "10.0.0/8"]
        {
            assert_eq!(parse_cidr(text), None, "{text}");
        }
        for text in ["10.0.0.1/255.0.0.0", "10.0.0.1/24/24", " 10.0.0.1/24", "010.0.0.1/8", "::1%eth0/64"] {
            assert_eq!(parse_cidr(text), None, "{text}");
        }
    }
}
