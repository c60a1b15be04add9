//! A call of the API: which action, and reading its parameters.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::error::ApiError;
use crate::http::Request;

/// Parameters that say how a request is sent, not what is asked for.
const COMMON: &[&str] = &[
    "AccessKeyId",
    "Action",
    "Format",
    "SecurityToken",
    "Signature",
    "SignatureMethod",
    "SignatureNonce",
    "SignatureType",
    "SignatureVersion",
    "Timestamp",
    "Version",
];

/// The document that the caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
}

/// How the call is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Signature 1.0, among the parameters.
    Rpc,
    /// ACS3, in the headers.
    Acs3,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) protocol: Protocol,
    pub(crate) action: String,
    pub(crate) version: String,
    pub(crate) format: Format,
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Call {
    pub(crate) fn read(request: &Request) -> Self {
        let parameters: BTreeMap<_, _> = request.query.iter().cloned().chain(request.form()).collect();
        let acs3 = request.header("authorization").is_some_and(|value| value.starts_with("ACS3-"));
        // The headers count where the parameters are silent, too: unsigned calls of newer SDKs name the action there.
        let named = |parameter: &str, header: &str| {
            let parameter = parameters.get(parameter).map(String::as_str);
            let header = request.header(header);
            let name = if acs3 { header.or(parameter) } else { parameter.or(header) };
            name.unwrap_or_default().to_owned()
        };
        let format = match parameters.get("Format") {
            Some(format) if format.eq_ignore_ascii_case("json") => Format::Json,
            None if acs3 && request.header("accept").is_some_and(|accept| accept.contains("json")) => {
                Format::Json
            }
            _ => Format::Xml,
        };
        Self {
            protocol: if acs3 { Protocol::Acs3 } else { Protocol::Rpc },
            action: named("Action", "x-acs-action"),
            version: named("Version", "x-acs-version"),
            format,
            parameters,
        }
    }

    /// A parameter that is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that has to be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| ApiError::missing(name))
    }

    /// A parameter that is parsed when it is there.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.text(name).map(|text| text.parse().map_err(|_| ApiError::invalid(name))).transpose()
    }

    /// The parameters `name.1`, `name.2` and so on, in the order of their numbers.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<&str>, ApiError> {
        let mut numbered = Vec::new();
        for (key, value) in &self.parameters {
            let Some(number) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else {
                continue;
            };
            match number.parse::<u32>() {
                Ok(number) if number > 0 && !value.is_empty() => numbered.push((number, value.as_str())),
                _ => return Err(ApiError::invalid(key)),
            }
        }
        numbered.sort_unstable();
        Ok(numbered.into_iter().map(|(_, value)| value).collect())
    }

    /// A list with no more than `limit` members.
    pub(crate) fn bounded_list(&self, name: &str, limit: usize) -> Result<Vec<&str>, ApiError> {
        let list = self.list(name)?;
        if list.len() > limit { Err(ApiError::invalid(name)) } else { Ok(list) }
    }

    /// The ENI that the call is about.
    pub(crate) fn eni(&self) -> Option<&str> {
        self.text("NetworkInterfaceId")
    }

    /// Every address that the call names and that is one.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let v4 = self.list("PrivateIpAddress").unwrap_or_default();
        let v6 = self.list("Ipv6Address").unwrap_or_default();
        let v4 = v4.into_iter().filter_map(|text| text.parse::<Ipv4Addr>().ok()).map(IpAddr::V4);
        let v6 = v6.into_iter().filter_map(|text| text.parse::<Ipv6Addr>().ok()).map(IpAddr::V6);
        v4.chain(v6).collect()
    }

    /// What is asked for, however it was sent: two such calls with one `ClientToken` are the same request.
    pub(crate) fn substance(&self) -> BTreeMap<String, String> {
        let mut substance = self.parameters.clone();
        substance.retain(|name, _| !COMMON.contains(&name.as_str()));
        substance.insert("Action".to_owned(), self.action.clone());
        substance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(query: &[(&str, &str)], headers: &[(&str, &str)]) -> Call {
        let own =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Call::read(&Request { query: own(query), headers: own(headers), ..Request::default() })
    }

    #[test]
    fn lists_are_in_the_order_of_their_numbers() {
        let call = call(&[("A.10", "ten"), ("A.2", "two"), ("A.1", "one"), ("AB.1", "other")], &[]);
        assert_eq!(call.list("A").unwrap(), ["one", "two", "ten"]);
        assert!(call.bounded_list("A", 2).is_err());
    }

    #[test]
    fn members_of_a_list_have_a_number_and_a_value() {
        for (name, value) in [("A.0", "x"), ("A.x", "x"), ("A.", "x"), ("A.1", "")] {
            assert_eq!(call(&[(name, value)], &[]).list("A").unwrap_err().code, "InvalidParameter", "{name}");
        }
    }

    #[test]
    fn the_format_is_xml_unless_json_is_asked_for() {
        let acs3 = ("authorization", "ACS3-HMAC-SHA256 Credential=x");
        assert_eq!(call(&[], &[]).format, Format::Xml);
        assert_eq!(call(&[("Format", "json")], &[]).format, Format::Json);
        assert_eq!(call(&[("Format", "XML")], &[acs3, ("accept", "application/json")]).format, Format::Xml);
        assert_eq!(call(&[], &[acs3, ("accept", "application/json")]).format, Format::Json);
        assert_eq!(call(&[], &[("accept", "application/json")]).format, Format::Xml);
    }

    #[test]
    fn the_action_is_where_the_protocol_puts_it() {
        let headers = [("x-acs-action", "FromHeader")];
        assert_eq!(call(&[("Action", "FromQuery")], &headers).action, "FromQuery");
        let headers = [("x-acs-action", "FromHeader"), ("authorization", "ACS3-HMAC-SHA256 Credential=x")];
        assert_eq!(call(&[("Action", "FromQuery")], &headers).action, "FromHeader");
    }

    #[test]
    fn the_same_request_has_the_same_substance_however_it_is_signed() {
        let one =
            call(&[("Action", "A"), ("RegionId", "r"), ("SignatureNonce", "1"), ("Timestamp", "t")], &[]);
        let other = call(
            &[("RegionId", "r")],
            &[("x-acs-action", "A"), ("authorization", "ACS3-HMAC-SHA256 Credential=x")],
        );
        assert_eq!(one.substance(), other.substance());
    }
}
