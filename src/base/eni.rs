//! The id of an elastic network interface: the one name that the store and the ECS client share.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::text::first;

/// The id of an elastic network interface, such as `eni-bp1a2b3c4d5e6f7g8h9i`. It is also part of file names, so it has
/// letters, digits and hyphens only and at most 64 of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EniId(Box<str>);

/// A text that cannot be the id of an ENI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{:?} is not an ENI id: it should look like eni-bp1a2b3c4d5e6f7g8h9i", first(.0))]
pub struct InvalidEniId(String);

impl EniId {
    /// The id as ECS writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EniId {
    type Error = InvalidEniId;

    fn try_from(id: String) -> Result<Self, InvalidEniId> {
        let safe = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if safe && (1..=64).contains(&id.len()) { Ok(Self(id.into())) } else { Err(InvalidEniId(id)) }
    }
}

impl From<EniId> for String {
    fn from(id: EniId) -> String {
        id.0.into()
    }
}

impl fmt::Display for EniId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_leave_its_directory_is_refused() {
        for id in ["", ".", "..", "../eni-1", "eni/1", "eni\0", "eni_1", &"e".repeat(65)] {
            assert!(EniId::try_from(id.to_owned()).is_err(), "{id:?}");
        }
        assert!(EniId::try_from("eni-bp1a2b3c4d5e6f7g8h9i".to_owned()).is_ok());
    }
}
