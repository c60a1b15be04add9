//! The network configuration on stdin (SPEC section 1, "Plugin configuration objects").
//!
//! An IPAM plugin gets the whole configuration of the plugin that delegates to it: another plugin's `type`, keys that
//! are not ours, a previous result. As one of a chain the plugin gets its own entry, with keys of the protocol in it. So a key
//! matters only to the operation that uses it, and each is looked at when it is asked for.

use std::fmt;
use std::io::Read;

use serde_json::{Map, Value};

use super::attachment::is_plain_name;
use super::{Code, Error, Version};
use crate::base::text::kind;

/// The longest configuration that is read, so that a runaway caller cannot exhaust the node's memory. A list of ten
/// thousand attachments is about one MiB.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// A configuration: a JSON object of which nothing else is known yet.
#[derive(Debug)]
pub(super) struct Document(Map<String, Value>);

impl Document {
    /// Reads stdin to its end.
    pub(super) fn read(stdin: impl Read) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        stdin
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::new(Code::IO, format!("error reading from stdin: {error}")))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(undecodable(format_args!("it is longer than {MAX_BYTES} bytes")));
        }
        match serde_json::from_slice(&bytes).map_err(undecodable)? {
            Value::Object(keys) => Ok(Self(keys)),
            // For the Go library this is a configuration in which every key is missing.
            Value::Null => Ok(Self(Map::new())),
            other => Err(undecodable(format_args!("it must be an object, but is {}", kind(&other)))),
        }
    }

    /// The network's name, which is required.
    pub(super) fn network_name(&self) -> Result<&str, Error> {
        match self.text("name").map_err(undecodable)? {
            "" => Err(Error::new(Code::INVALID_CONFIG, "missing network name")),
            name if is_plain_name(name) => Ok(name),
            name => Err(Error::new(Code::INVALID_CONFIG, "invalid characters found in network name")
                .with_details(name)),
        }
    }

    /// `cniVersion` as it stands there, empty when it is missing.
    pub(super) fn version_text(&self) -> Result<&str, Error> {
        self.text("cniVersion").map_err(|error| {
            Error::new(Code::DECODE, format!("decoding version from network config: {error}"))
        })
    }

    /// The version to answer in, if it is one that this plugin speaks.
    pub(super) fn version(&self) -> Option<Version> {
        self.version_text().ok()?.parse().ok()
    }

    /// The value of `key`; `null` is the same as no such key.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        present(&self.0, key)
    }

    /// Takes the object at `key` out of the configuration; `null` is the same as no such key.
    pub(super) fn take_object(&mut self, key: &str) -> Result<Option<Map<String, Value>>, Error> {
        match self.0.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(not_an_object(key, &other)),
        }
    }

    /// All keys with their values.
    pub(super) fn keys(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The same, taken out.
    pub(super) fn into_keys(self) -> Map<String, Value> {
        self.0
    }

    fn text(&self, key: &str) -> Result<&str, String> {
        match self.value(key) {
            None => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(format!("{key} must be a string, but is {}", kind(other))),
        }
    }
}

/// The value of `key` in `object`; `null` is the same as no such key.
pub(super) fn present<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}

/// The object in `value`, which stands at `key`.
pub(super) fn object<'a>(key: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Error> {
    value.as_object().ok_or_else(|| not_an_object(key, value))
}

fn not_an_object(key: &str, value: &Value) -> Error {
    Error::new(Code::INVALID_CONFIG, format!("{key} must be an object, but is {}", kind(value)))
}

fn undecodable(reason: impl fmt::Display) -> Error {
    Error::new(Code::DECODE, format!("error unmarshall network config: {reason}"))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn read(text: &str) -> Result<Document, Error> {
        Document::read(text.as_bytes())
    }

    #[test]
    fn what_is_no_json_object_cannot_be_decoded() {
        let deep = "[".repeat(1_000_000);
        let deep_object = format!(r#"{{"name":"n","x":{}"#, r#"{"x":"#.repeat(1_000_000));
        for text in [
            "",
            " ",
            "garbage",
            "[]",
            "5",
            "\"n\"",
            "true",
            "{\"name\":",
            "{} {}",
            "{,}",
            &deep,
            &deep_object,
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code, Code::DECODE);
            assert!(error.msg.starts_with("error unmarshall network config: "), "{error}");
        }
        let error = Document::read(&b"{\"name\":\"\xff\"}"[..]).unwrap_err();
        assert_eq!(error.code, Code::DECODE);
    }

    #[test]
    fn null_is_a_configuration_without_a_name() {
        let error = read("null").unwrap().network_name().unwrap_err();
        assert_eq!((error.code, error.msg.as_str()), (Code(7), "missing network name"));
    }

    #[test]
    fn stdin_is_read_up_to_a_limit_only() {
        let error = Document::read(io::repeat(b' ')).unwrap_err();
        assert_eq!(error.code, Code::DECODE);
        assert!(error.msg.contains("longer than 16777216 bytes"), "{error}");

        let padding = usize::try_from(MAX_BYTES).unwrap() - 2;
        assert!(read(&format!("{{{}}}", " ".repeat(padding))).is_ok());
    }

    #[test]
    fn a_stdin_that_cannot_be_read_is_an_i_o_failure() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let error = Document::read(Broken).unwrap_err();
        assert_eq!((error.code, error.msg.as_str()), (Code(5), "error reading from stdin: broken"));
    }

    #[test]
    fn a_network_name_is_required_and_plain() {
        for (text, code, msg, details) in [
            (r"{}", 7, "missing network name", ""),
            (r#"{"name":""}"#, 7, "missing network name", ""),
            (r#"{"name":null}"#, 7, "missing network name", ""),
            (r#"{"name":"a/b"}"#, 7, "invalid characters found in network name", "a/b"),
            (r#"{"name":"a\n"}"#, 7, "invalid characters found in network name", "a\n"),
            (r#"{"name":"-"}"#, 7, "invalid characters found in network name", "-"),
            (
                r#"{"name":5}"#,
                6,
                "error unmarshall network config: name must be a string, but is a number",
                "",
            ),
        ] {
            let error = read(text).unwrap().network_name().unwrap_err();
            assert_eq!((error.code, error.msg.as_str(), error.details.as_str()), (Code(code), msg, details));
        }
        assert_eq!(read(r#"{"name":"a_b.c-1"}"#).unwrap().network_name(), Ok("a_b.c-1"));
    }

    #[test]
    fn a_version_that_is_no_text_cannot_be_decoded() {
        let error = read(r#"{"cniVersion":1.0}"#).unwrap().version_text().unwrap_err();
        let msg = "decoding version from network config: cniVersion must be a string, but is a number";
        assert_eq!((error.code, error.msg.as_str()), (Code(6), msg));
    }

    #[test]
    fn the_version_is_known_only_where_it_is_supported() {
        for (text, version) in [
            (r#"{"cniVersion":"1.0.0"}"#, Some(Version::V1_0_0)),
            (r"{}", Some(Version::V0_1_0)),
            (r#"{"cniVersion":null}"#, Some(Version::V0_1_0)),
            (r#"{"cniVersion":"9.9.9"}"#, None),
            (r#"{"cniVersion":[]}"#, None),
        ] {
            assert_eq!(read(text).unwrap().version(), version, "{text}");
        }
    }

    #[test]
    fn odd_json_is_no_panic() {
        let huge = r#"{"a":1e400}"#;
        assert_eq!(read(huge).unwrap_err().code, Code::DECODE);
        let odd = r#"{"name":"a","name":"b","x":12345678901234567890123,"y":-0.0,"z":1E300}"#;
        assert_eq!(read(odd).unwrap().network_name(), Ok("b"));
    }

    #[test]
    fn an_optional_object_may_be_null_but_nothing_else() {
        for text in [r"{}", r#"{"ipam":null}"#] {
            assert_eq!(read(text).unwrap().take_object("ipam"), Ok(None));
        }
        let error = read(r#"{"ipam":[]}"#).unwrap().take_object("ipam").unwrap_err();
        assert_eq!((error.code, error.msg.as_str()), (Code(7), "ipam must be an object, but is a list"));
    }
}
