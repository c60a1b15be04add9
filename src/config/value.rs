//! Reading one JSON value as what a key wants. `null` counts as absent, as it does for Go's readers.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnetwork::IpNetwork;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::Error;
use crate::cni::parse_cidr;

/// A JSON object whose keys are read one by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    object: &'a Map<String, Value>,
    /// What stands before a key in an error: empty, or the object's own key and a dot.
    prefix: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, prefix: "" }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.object.keys().map(String::as_str)
    }

    /// A reader of the object under `key`; `prefix` is the key with a dot. What else stands there may be a secret.
    pub(super) fn object(
        &self,
        key: &str,
        prefix: &'static str,
        expected: &str,
    ) -> Result<Option<Reader<'a>>, Error> {
        self.read_secret(key, expected, |value| Some(Reader { object: value.as_object()?, prefix }))
    }

    /// As [`Self::read`], for a value that no error may repeat.
    pub(super) fn read_secret<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        self.read(key, expected, parse)
            .map_err(|_| Error::InvalidSecret { key: self.full_key(key), expected: expected.to_owned() })
    }

    /// Whether the key has a value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.object.get(key).is_some_and(|value| !value.is_null())
    }

    pub(super) fn read<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        match self.object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => parse(value).map(Some).ok_or_else(|| self.error(key, expected)),
        }
    }

    pub(super) fn error(&self, key: &str, expected: &str) -> Error {
        let value = self.object.get(key).map_or_else(|| "missing".to_owned(), shortened);
        Error::Invalid { key: self.full_key(key), value, expected: expected.to_owned() }
    }

    fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    pub(super) fn string(&self, key: &str, expected: &str) -> Result<Option<&'a str>, Error> {
        self.read(key, expected, |value| value.as_str().filter(|text| !text.is_empty()))
    }

    pub(super) fn flag(&self, key: &str) -> Result<bool, Error> {
        Ok(self.read(key, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    pub(super) fn choice(
        &self,
        key: &str,
        among: &'static [&'static str],
    ) -> Result<Option<&'static str>, Error> {
        let expected = among.iter().map(|it| format!("{it:?}")).collect::<Vec<_>>().join(" or ");
        self.read(key, &expected, |value| among.iter().find(|it| Some(**it) == value.as_str()).copied())
    }

    pub(super) fn integer(&self, key: &str, range: RangeInclusive<u64>, default: u64) -> Result<u64, Error> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        Ok(self
            .read(key, &expected, |value| whole(value).filter(|number| range.contains(number)))?
            .unwrap_or(default))
    }

    pub(super) fn seconds(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<Duration, Error> {
        self.integer(key, range, default).map(Duration::from_secs)
    }

    pub(super) fn absolute_path(&self, key: &str) -> Result<Option<PathBuf>, Error> {
        self.read(key, "an absolute path", |value| {
            Some(PathBuf::from(value.as_str()?)).filter(|path| path.is_absolute())
        })
    }

    /// An IP address of the wanted family.
    pub(super) fn address(&self, key: &str, ipv6: bool) -> Result<Option<IpAddr>, Error> {
        let expected = if ipv6 { "an IPv6 address" } else { "an IPv4 address" };
        self.read(key, expected, |value| {
            value.as_str()?.parse().ok().filter(|ip: &IpAddr| ip.is_ipv6() == ipv6)
        })
    }

    /// A CIDR block of the wanted family, with its prefix written out and no bits beyond it.
    pub(super) fn block(&self, key: &str, ipv6: bool) -> Result<Option<IpNetwork>, Error> {
        let example = if ipv6 { "2001:db8:1234:1a00::/64" } else { "192.168.0.0/24" };
        let expected = format!("the CIDR block of the vSwitch, such as {example:?}");
        self.read(key, &expected, |value| {
            let block = parse_cidr(value.as_str()?)?;
            (block.is_ipv6() == ipv6 && block.ip() == block.network()).then_some(block)
        })
    }

    /// Addresses and CIDR blocks of both families. A block has no bits beyond its prefix: it would not be clear whether the
    /// address or the block is meant.
    pub(super) fn blocks(&self, key: &str) -> Result<Option<Vec<IpNetwork>>, Error> {
        let expected = "a list of addresses and CIDR blocks such as [\"192.168.0.10\", \"192.168.0.64/28\"]";
        self.read(key, expected, |value| {
            value.as_array()?.iter().map(|entry| block(entry.as_str()?)).collect()
        })
    }

    pub(super) fn parsed<T: DeserializeOwned>(&self, key: &str, expected: &str) -> Result<Option<T>, Error> {
        self.read(key, expected, |value| T::deserialize(value).ok())
    }
}

fn block(text: &str) -> Option<IpNetwork> {
    let block =
        text.parse().map(|address: IpAddr| IpNetwork::from(address)).ok().or_else(|| parse_cidr(text))?;
    // No ENI has an IPv4 address in the form of an IPv6 one.
    let is_mapped = matches!(block.ip(), IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
    (block.ip() == block.network() && !is_mapped).then_some(block)
}

/// Configurations come through Go maps, where every number is a float: `25.0` is 25.
fn whole(value: &Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and in range"
    )]
    let from_float =
        |number: f64| (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(from_float))
}

fn shortened(value: &Value) -> String {
    let mut text = value.to_string();
    // What stands before an @ in a URL may be a password.
    if let Some(end) = text.rfind('@') {
        text.replace_range(..end, "...");
    }
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
