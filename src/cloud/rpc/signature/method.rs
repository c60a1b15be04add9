//! Which of the two methods signs.

use std::str::FromStr;

use super::call::{Call, Signed};
use super::{acs3, rpc};
use crate::base::access_key::AccessKey;

/// How requests are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureMethod {
    /// `HMAC-SHA1`, signature version 1.0.
    #[default]
    HmacSha1,
    /// `ACS3-HMAC-SHA256`.
    Acs3HmacSha256,
}

impl SignatureMethod {
    /// Signs `call`.
    #[must_use]
    pub fn sign(self, call: &Call<'_>, credentials: &AccessKey) -> Signed {
        match self {
            Self::HmacSha1 => rpc::sign(call, credentials),
            Self::Acs3HmacSha256 => acs3::sign(call, credentials),
        }
    }

    /// The name in the configuration and in the documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::Acs3HmacSha256 => "ACS3-HMAC-SHA256",
        }
    }
}

impl FromStr for SignatureMethod {
    type Err = UnknownMethod;

    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        [Self::HmacSha1, Self::Acs3HmacSha256]
            .into_iter()
            .find(|method| method.name() == name)
            .ok_or(UnknownMethod)
    }
}

/// A name that is no signature method's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature methods are HMAC-SHA1 and ACS3-HMAC-SHA256")]
pub struct UnknownMethod;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_known_by_its_exact_name_only() {
        assert_eq!("HMAC-SHA1".parse(), Ok(SignatureMethod::HmacSha1));
        assert_eq!("ACS3-HMAC-SHA256".parse(), Ok(SignatureMethod::Acs3HmacSha256));
        assert_eq!("hmac-sha1".parse::<SignatureMethod>(), Err(UnknownMethod));
    }
}
