//! What is signed and what comes of it, and the encoding that both methods share.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

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

/// What stays as it is in an encoded parameter; all else becomes `%XX` (RFC 3986, unlike a form: a space is `%20`).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `text` as both methods write it into a query.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The parameters sorted by name, byte by byte, encoded and joined: what both methods sign.
pub(super) fn canonical_query<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut sorted: Vec<_> = parameters.into_iter().collect();
    sorted.sort_unstable();
    let pairs: Vec<_> = sorted
        .iter()
        .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
        .collect();
    pairs.join("&")
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
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
}
