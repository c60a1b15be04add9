//! The error document of a call that failed (SPEC section 5, "Error").

use std::fmt;

use serde_json::{Map, Value};

use super::Version;

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

/// Phrases that containerd's CNI client looks for in the text of a failed DEL, and what to say instead.
const MISREAD: [(&str, &str); 2] = [("not found", "missing"), ("no such file or directory", "no such path")];

/// Rewrites phrases that make containerd take a failed DEL for a success and forget the pod, with its address still
/// assigned. Texts of the cloud, of the system and of libraries are full of them, hence one filter on everything that
/// goes out instead of care in every place that comes in.
#[must_use]
pub fn plain_words(text: &str) -> String {
    MISREAD
        .iter()
        .fold(text.to_owned(), |text, (phrase, replacement)| replace_any_case(&text, phrase, replacement))
}

fn replace_any_case(text: &str, phrase: &str, replacement: &str) -> String {
    // ASCII case folding keeps every byte offset.
    let folded = text.to_ascii_lowercase();
    let mut replaced = String::with_capacity(text.len());
    let mut end = 0;
    for (start, _) in folded.match_indices(phrase) {
        replaced.push_str(&text[end..start]);
        replaced.push_str(replacement);
        end = start + phrase.len();
    }
    replaced.push_str(&text[end..]);
    replaced
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
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
    fn words_that_containerd_takes_for_success_are_rewritten() {
        for (text, plain) in [
            ("", ""),
            ("found, not lost", "found, not lost"),
            ("the specified ENI is not found", "the specified ENI is missing"),
            ("Role Not Found.", "Role missing."),
            ("NOT FOUNDnot found", "missingmissing"),
            ("nonot foundt found", "nomissingt found"),
            ("open /a: No such file or directory (os error 2)", "open /a: no such path (os error 2)"),
            ("no such file", "no such file"),
            ("ёnot foundё", "ёmissingё"),
        ] {
            assert_eq!(plain_words(text), plain, "{text:?}");
        }
    }

    #[test]
    fn the_document_is_rewritten_too() {
        let error = Error::new(Code::IO, "x Not found").with_details("No Such File Or Directory");
        assert_eq!(error.to_json(None), json!({"code": 5, "msg": "x missing", "details": "no such path"}));
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_misread_phrase(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    "not", "found", " ", "no", "such file or", "directory", "n", "o", "t", "NOT FOUND", "é", "; ",
                    "no such file or directory", "missing", "no such path",
                ]),
                0..12,
            ),
            cut in 0..12_usize,
        ) {
            let (msg, details) = words.split_at(cut.min(words.len()));
            let error = Error::new(Code::IO, msg.concat()).with_details(details.concat());
            let document = error.to_json(None);
            let text = |key: &str| document[key].as_str().unwrap_or_default().to_ascii_lowercase();
            let shown = format!("{}; {}", text("msg"), text("details"));
            for (phrase, _) in MISREAD {
                prop_assert!(!shown.contains(phrase), "{shown}");
            }
        }
    }
}
