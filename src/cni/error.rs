//! The error document of a call that failed (SPEC section 5, "Error").

use std::fmt;

use serde_json::{Map, Value};

use super::Version;
use crate::base::text::plain_words;

/// What kind of failure it was, for programs. Runtimes show people only the texts, so these must stand alone.
///
/// The specification reserves 0 to 99; a plugin's own codes begin at 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

impl Code {
    /// The configuration's `cniVersion` is not one that the plugin speaks.
    pub const INCOMPATIBLE_VERSION: Self = Self(1);
    // Code 3, an unknown container, is never answered: it tells the runtime that no DEL is needed.
    /// A `CNI_*` variable is missing or invalid; the message has to name it.
    pub const INVALID_ENVIRONMENT: Self = Self(4);
    /// Reading or writing failed.
    pub const IO: Self = Self(5);
    /// Something could not be decoded.
    pub const DECODE: Self = Self(6);
    /// The network configuration can be decoded but not accepted.
    pub const INVALID_CONFIG: Self = Self(7);
    /// A transient condition: the same call may succeed later.
    pub const TRY_AGAIN_LATER: Self = Self(11);
    /// STATUS: the plugin cannot serve ADD.
    pub const NOT_AVAILABLE: Self = Self(50);
    /// A defect of the plugin itself. The Go library uses this number for the same purpose.
    pub const INTERNAL: Self = Self(999);
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Why a call failed. Runtimes join the two texts with `"; "` and show the result in an event of the pod; stderr and
/// the exit status do not get there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{msg}{}{details}", if .details.is_empty() { "" } else { "; " })]
pub struct Error {
    /// The kind of failure.
    pub code: Code,
    /// What failed, in a few words.
    pub msg: String,
    /// For which address or key, why, and what to do; may be empty.
    pub details: String,
}

impl Error {
    /// An error without details.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), details: String::new() }
    }

    /// The same error with these details.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// The document for stdout. `cniVersion` is left out while the version of the call is not known.
    #[must_use]
    pub fn to_json(&self, version: Option<Version>) -> Value {
        let mut document = Map::new();
        if let Some(version) = version {
            document.insert("cniVersion".into(), version.as_str().into());
        }
        document.insert("code".into(), self.code.0.into());
        document.insert("msg".into(), plain_words(&self.msg).into());
        if !self.details.is_empty() {
            document.insert("details".into(), plain_words(&self.details).into());
        }
        Value::Object(document)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_document_has_the_version_only_where_it_is_known() {
        let error = Error::new(Code::INVALID_CONFIG, "no").with_details("because");
        let known = json!({"cniVersion": "1.0.0", "code": 7, "msg": "no", "details": "because"});
        assert_eq!(error.to_json(Some(Version::V1_0_0)), known);
        assert_eq!(error.to_json(None), json!({"code": 7, "msg": "no", "details": "because"}));
    }

    #[test]
    fn empty_details_are_omitted() {
        assert_eq!(Error::new(Code(100), "no").to_json(None), json!({"code": 100, "msg": "no"}));
    }

    #[test]
    fn an_error_displays_as_runtimes_show_it() {
        assert_eq!(Error::new(Code::IO, "no").to_string(), "no");
        assert_eq!(Error::new(Code::IO, "no").with_details("because").to_string(), "no; because");
    }

    #[test]
    fn the_document_is_rewritten_too() {
        let error = Error::new(Code::IO, "x Not found").with_details("No Such File Or Directory");
        assert_eq!(error.to_json(None), json!({"code": 5, "msg": "x missing", "details": "no such path"}));
    }
}
