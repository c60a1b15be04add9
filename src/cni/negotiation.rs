//! Whether the plugin speaks the version that a configuration names (SPEC section 3, "Version considerations").

use super::error::{Code, Error};
use super::version::{Unsupported, Version};

impl Version {
    /// The version that a configuration names with `text`, exactly: `1.0` or `v1.0.0` are no versions.
    pub(super) fn supported(text: &str) -> Result<Self, Error> {
        text.parse().map_err(|Unsupported| {
            let supported = Self::ALL.map(|version| format!("{:?}", version.as_str())).join(" ");
            Error::new(Code::INCOMPATIBLE_VERSION, "incompatible CNI versions")
                .with_details(format!("config is {text:?}, plugin supports [{supported}]"))
        })
    }

    /// As [`Self::supported`], for an operation that exists only `since` a version. Such an operation compares versions
    /// as numbers before it asks whether it knows them, which makes for errors of their own.
    pub(super) fn supported_since(since: Self, operation: &str, text: &str) -> Result<Self, Error> {
        let refusal =
            |who| Error::new(Code::INCOMPATIBLE_VERSION, format!("{who} version does not allow {operation}"));
        let numbers = numbers(text)?;
        if numbers < since.numbers() {
            return Err(refusal("config"));
        }
        if numbers > Self::NEWEST.numbers() {
            return Err(refusal("plugin"));
        }
        Self::supported(text)
    }
}

/// The up to three numbers of a version; those left out are zero, and an empty text is 0.1.0.
fn numbers(text: &str) -> Result<[i64; 3], Error> {
    if text.is_empty() {
        return Ok(Version::V0_1_0.numbers());
    }
    let refusal = |msg| Error::new(Code::DECODE, msg);
    let mut numbers = [0; 3];
    for (index, part) in text.split('.').enumerate() {
        let Some(name) = ["major", "minor", "micro"].get(index) else {
            return Err(refusal(format!("invalid version {text:?}: too many parts")));
        };
        numbers[index] = part
            .parse()
            .map_err(|error| refusal(format!("failed to convert {name} version part {part:?}: {error}")))?;
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsupported_version_is_refused_with_the_supported_ones() {
        let error = Version::supported("9.9.9").unwrap_err();
        assert_eq!((error.code, error.msg.as_str()), (Code(1), "incompatible CNI versions"));
        let supported = r#"["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]"#;
        assert_eq!(error.details, format!(r#"config is "9.9.9", plugin supports {supported}"#));
    }

    #[test]
    fn an_operation_newer_than_the_configuration_is_refused() {
        for (text, code, msg) in [
            ("", 1, "config version does not allow CHECK"),
            ("0.3.1", 1, "config version does not allow CHECK"),
            ("-1", 1, "config version does not allow CHECK"),
            ("1.1.1", 1, "plugin version does not allow CHECK"),
            ("9.9.9", 1, "plugin version does not allow CHECK"),
            ("1.0", 1, "incompatible CNI versions"),
            ("0.5.0", 1, "incompatible CNI versions"),
            ("v1.0.0", 6, r#"failed to convert major version part "v1": invalid digit found in string"#),
            ("1.x", 6, r#"failed to convert minor version part "x": invalid digit found in string"#),
            ("1.0.", 6, r#"failed to convert micro version part "": cannot parse integer from empty string"#),
            ("1.0.0.0", 6, r#"invalid version "1.0.0.0": too many parts"#),
        ] {
            let error = Version::supported_since(Version::V0_4_0, "CHECK", text).unwrap_err();
            assert_eq!((error.code, error.msg.as_str()), (Code(code), msg), "{text}");
        }
        assert_eq!(Version::supported_since(Version::V0_4_0, "CHECK", "0.4.0"), Ok(Version::V0_4_0));
        assert_eq!(Version::supported_since(Version::V1_1_0, "GC", "1.1.0"), Ok(Version::V1_1_0));
    }

    #[test]
    fn a_version_with_a_huge_number_is_an_error() {
        let error = Version::supported_since(Version::V1_1_0, "GC", "99999999999999999999").unwrap_err();
        assert_eq!(error.code, Code::DECODE);
    }

    #[test]
    fn the_numbers_of_a_version_are_those_of_its_text() {
        for version in Version::ALL {
            assert_eq!(numbers(version.as_str()), Ok(version.numbers()));
        }
    }
}
