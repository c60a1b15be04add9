//! What a refusal is about.

use super::error::Error;
use super::{ErrorKind, codes};

/// What a refusal is about, and with it for which other requests it holds too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// One of the addresses.
    Address,
    /// The room that is left on the ENI or in its vSwitch.
    Full,
    /// The ENI or its instance.
    Eni,
    /// Who asks, or the way to ECS; or nothing that is known.
    Account,
}

impl Error {
    /// What the refusal is about.
    #[must_use]
    pub fn concern(&self) -> Concern {
        let code = self.code.as_deref().unwrap_or_default();
        if codes::means_full(code) {
            Concern::Full
        } else if code.starts_with("InvalidIp.")
            || code == "InvalidVSwitchId.IpInvalid"
            || code == "InvalidParameter"
        {
            Concern::Address
        } else if matches!(self.kind, ErrorKind::Refused(_)) && code.starts_with("InvalidEniId") {
            Concern::Eni
        } else {
            Concern::Account
        }
    }

    /// Whether the request with this ClientToken has failed for good, so that another needs another.
    #[must_use]
    pub fn token_is_spent(&self) -> bool {
        self.is_code("IdempotentFailed")
    }
}
