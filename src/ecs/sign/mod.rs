//! Request signatures: pure functions from a call, a nonce, a moment and a key to what has to be sent.
//!
//! Alibaba Cloud has two for its RPC-style products. [`rpc`] is `HMAC-SHA1` with `SignatureVersion=1.0`, which newer
//! documents call "signature method V2"; the large CNIs for Alibaba Cloud (Terway, Cilium) use it in production.
//! [`acs3`] is `ACS3-HMAC-SHA256`, "V3", which Alibaba Cloud recommends for new code and its newer SDKs use by
//! default. Both sign the same parameters, which the official SDKs send in the query of a POST with an empty body.

pub mod acs3;
pub mod rpc;

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::credentials::Credentials;

/// How requests are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureMethod {
    /// `HMAC-SHA1`, signature version 1.0.
    #[default]
    HmacSha1,
    /// `ACS3-HMAC-SHA256`.
    Acs3HmacSha256,
}

/// A call that is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The HTTP method in upper case.
    pub method: &'a str,
    /// The value of the `Host` header.
    pub host: &'a str,
    /// The name of the action, such as `UnassignPrivateIpAddresses`.
    pub action: &'a str,
    /// The version of the product's API, such as `2014-05-26`.
    pub version: &'a str,
    /// The action's own parameters.
    pub parameters: &'a [(String, String)],
    /// A value that no other request has.
    pub nonce: &'a str,
    /// The present moment as `YYYY-MM-DDThh:mm:ssZ`.
    pub timestamp: &'a str,
}

/// What has to be sent for a signed call.
#[derive(Clone)]
pub struct Signed {
    /// The query, encoded.
    pub query: String,
    /// The headers beyond those of every request.
    pub headers: Vec<(&'static str, String)>,
}

impl SignatureMethod {
    /// Signs `call`.
    #[must_use]
    pub fn sign(self, call: &Call<'_>, credentials: &Credentials) -> Signed {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownMethod;

impl fmt::Display for UnknownMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("signature methods are HMAC-SHA1 and ACS3-HMAC-SHA256")
    }
}

impl std::error::Error for UnknownMethod {}

/// What stays as it is in an encoded parameter; all else becomes `%XX` (RFC 3986, unlike a form: a space is `%20`).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `text` as both methods write it into a query.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The parameters sorted by name, byte by byte, encoded and joined: what both methods sign.
fn canonical_query<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut sorted: Vec<_> = parameters.into_iter().collect();
    sorted.sort_unstable();
    let pairs: Vec<_> = sorted
        .iter()
        .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
        .collect();
    pairs.join("&")
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay_as_they_are() {
        assert_eq!(percent_encode("AZaz09-_.~"), "AZaz09-_.~");
        assert_eq!(percent_encode(" *!'()+/=&:@%"), "%20%2A%21%27%28%29%2B%2F%3D%26%3A%40%25");
        assert_eq!(percent_encode("é测𝄞"), "%C3%A9%E6%B5%8B%F0%9D%84%9E");
    }

    #[test]
    fn parameters_are_sorted_by_bytes_and_keep_their_empty_values() {
        let query = canonical_query([
            ("IP.2", "d"),
            ("IP.10", "b"),
            ("A", ""),
            ("IP.1", "a"),
            ("IP.11", "c"),
            ("a", "z"),
        ]);
        assert_eq!(query, "A=&IP.1=a&IP.10=b&IP.11=c&IP.2=d&a=z");
    }

    #[test]
    fn a_method_is_known_by_its_exact_name_only() {
        assert_eq!("HMAC-SHA1".parse(), Ok(SignatureMethod::HmacSha1));
        assert_eq!("ACS3-HMAC-SHA256".parse(), Ok(SignatureMethod::Acs3HmacSha256));
        assert_eq!("hmac-sha1".parse::<SignatureMethod>(), Err(UnknownMethod));
    }
}
