//! Validation of an attachment's container id and interface name (SPEC section 3).

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Code, Error};
use crate::base::attachment::Attachment;

/// Linux has 16 bytes for an interface's name, the final zero included.
const MAX_IFNAME_BYTES: usize = 15;

/// An entry of GC's list of attachments.
#[derive(Deserialize)]
#[serde(remote = "Attachment")]
pub(super) struct ListedAttachment {
    #[serde(rename = "containerID", deserialize_with = "valid_container_id")]
    container_id: String,
    #[serde(deserialize_with = "valid_ifname")]
    ifname: String,
}

fn valid_container_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    container_id(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn valid_ifname<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    ifname(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Whether `text` has the form that the specification demands of container ids and network names: letters, digits, `_`,
/// `.` and `-`, the first a letter or digit, of any length.
#[must_use]
pub fn is_plain_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// The attachment that has both, where a file and not a call says so.
pub(crate) fn check_attachment(id: &str, name: &str) -> Result<Attachment, Error> {
    Ok(Attachment { container_id: container_id(id)?, ifname: ifname(name)? })
}

/// A valid `CNI_CONTAINERID`. It may be longer than a file name.
pub(super) fn container_id(id: &str) -> Result<String, Error> {
    if is_plain_name(id) {
        return Ok(id.to_owned());
    }
    let msg = if id.is_empty() { "missing containerID" } else { "invalid characters in containerID" };
    Err(Error::new(Code::INVALID_ENVIRONMENT, msg).with_details(id))
}

/// A valid `CNI_IFNAME`: what Linux accepts as the name of an interface.
pub(super) fn ifname(name: &str) -> Result<String, Error> {
    let refusal = |msg| Error::new(Code::INVALID_ENVIRONMENT, msg);
    if name.is_empty() {
        return Err(refusal("interface name is empty"));
    }
    if name.len() > MAX_IFNAME_BYTES {
        return Err(refusal("interface name is too long")
            .with_details("interface name should be less than 16 characters"));
    }
    if name == "." || name == ".." {
        return Err(refusal("interface name is . or .."));
    }
    if name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace()) {
        return Err(refusal("interface name contains / or : or whitespace characters"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn container_ids_of_runtimes_are_accepted() {
        let long = "a".repeat(300);
        for id in ["a", "7", "default-rt1", "cnitool-0f2e", "A_b.c-d", "a..", &long] {
            assert_eq!(container_id(id), Ok(id.to_owned()));
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
            assert_eq!(ifname(name), Ok(name.to_owned()));
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
    fn an_attachment_is_read_as_in_a_list_of_gc() {
        let attachment = ListedAttachment::deserialize(json!({"containerID": "c1", "ifname": "eth0"}));
        assert_eq!(attachment.unwrap().to_string(), "c1/eth0");
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
            assert!(ListedAttachment::deserialize(&document).is_err(), "{document}");
        }
    }
}
