//! The attachment of a container to a network (SPEC section 3): container id and interface name.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Code, Error};

/// One container's one interface: what an ADD made and a DEL unmakes. The network's name is no part of it, because a
/// network may be renamed between the two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attachment {
    /// The container.
    #[serde(rename = "containerID")]
    pub container_id: ContainerId,
    /// The interface inside the container.
    pub ifname: IfName,
}

impl fmt::Display for Attachment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.container_id, self.ifname)
    }
}

/// A valid `CNI_CONTAINERID`: letters, digits, `_`, `.` and `-`, the first a letter or digit. Of any length, so it is
/// no safe file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ContainerId(String);

/// A valid `CNI_IFNAME`: what Linux accepts as the name of an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct IfName(String);

/// Linux has 16 bytes for an interface's name, the final zero included.
const LONGEST_IFNAME: usize = 15;

/// Whether `text` has the form that the specification demands of container ids and network names.
pub(super) fn is_plain_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

impl TryFrom<String> for ContainerId {
    type Error = Error;

    fn try_from(id: String) -> Result<Self, Error> {
        if is_plain_name(&id) {
            return Ok(Self(id));
        }
        let msg = if id.is_empty() { "missing containerID" } else { "invalid characters in containerID" };
        Err(Error::new(Code::INVALID_ENVIRONMENT, msg).with_details(id))
    }
}

impl TryFrom<String> for IfName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        let refusal = |msg| Err(Error::new(Code::INVALID_ENVIRONMENT, msg));
        if name.is_empty() {
            return refusal("interface name is empty");
        }
        if name.len() > LONGEST_IFNAME {
            return refusal("interface name is too long")
                .map_err(|error| error.with_details("interface name should be less than 16 characters"));
        }
        if name == "." || name == ".." {
            return refusal("interface name is . or ..");
        }
        if name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace()) {
            return refusal("interface name contains / or : or whitespace characters");
        }
        Ok(Self(name))
    }
}

impl ContainerId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl IfName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container_id(text: &str) -> Result<ContainerId, Error> {
        text.to_owned().try_into()
    }

    fn ifname(text: &str) -> Result<IfName, Error> {
        text.to_owned().try_into()
    }

    #[test]
    fn container_ids_of_runtimes_are_accepted() {
        let long = "a".repeat(300);
        for id in ["a", "7", "default-rt1", "cnitool-0f2e", "A_b.c-d", "a..", &long] {
            assert_eq!(container_id(id).map(|id| id.to_string()), Ok(id.to_owned()));
        }
    }

    #[test]
    fn a_container_id_with_other_characters_is_refused() {
        for id in ["_a", "-a", ".a", "a\n", "a/b", "a b", "../a", "é", "aé", "a:b", "a\0"] {
            let error = container_id(id).unwrap_err();
            assert_eq!(
                (error.code, error.msg.as_str()),
                (Code(4), "invalid characters in containerID"),
                "{id:?}"
            );
            assert_eq!(error.details, id);
        }
        assert_eq!(container_id("").unwrap_err().msg, "missing containerID");
    }

    #[test]
    fn interface_names_of_linux_are_accepted() {
        for name in ["eth0", "e", "...", "net-1.100", "fifteen-bytes-x", "été", "a@b", "-"] {
            assert_eq!(ifname(name).map(|name| name.to_string()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn an_interface_name_of_16_bytes_is_refused() {
        // Eight characters: bytes count.
        for name in ["sixteen-bytes-xx", "éééééééé"] {
            let error = ifname(name).unwrap_err();
            assert_eq!((error.code, error.msg.as_str()), (Code(4), "interface name is too long"));
            assert_eq!(error.details, "interface name should be less than 16 characters");
        }
    }

    #[test]
    fn an_interface_name_that_is_a_path_or_has_whitespace_is_refused() {
        let contains = "interface name contains / or : or whitespace characters";
        for (name, msg) in [
            ("", "interface name is empty"),
            (".", "interface name is . or .."),
            ("..", "interface name is . or .."),
            ("a/b", contains),
            ("a:b", contains),
            (" ", contains),
            ("a\t", contains),
            ("a\u{b}", contains),
            ("a\u{85}b", contains),
            ("a\u{a0}b", contains),
            ("a\u{2003}b", contains),
            ("a\u{3000}", contains),
        ] {
            let error = ifname(name).unwrap_err();
            assert_eq!((error.code, error.msg.as_str()), (Code(4), msg), "{name:?}");
        }
    }

    #[test]
    fn an_attachment_is_read_and_written_as_in_a_list_of_gc() {
        let document = json!({"containerID": "c1", "ifname": "eth0"});
        let attachment: Attachment = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(attachment.to_string(), "c1/eth0");
        assert_eq!(serde_json::to_value(&attachment).unwrap(), document);
    }

    #[test]
    fn reading_an_attachment_validates_it() {
        for document in [
            json!({"containerID": "../c1", "ifname": "eth0"}),
            json!({"containerID": "c1", "ifname": "eth0/.."}),
            json!({"containerID": "", "ifname": "eth0"}),
            json!({"containerID": "c1"}),
            json!({"ifname": "eth0"}),
            json!({"containerID": 1, "ifname": "eth0"}),
            json!("c1/eth0"),
        ] {
            assert!(serde_json::from_value::<Attachment>(document.clone()).is_err(), "{document}");
        }
    }
}
