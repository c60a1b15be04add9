//! The two ways in which a request to Alibaba Cloud is signed.
//!
//! *RPC signature 1.0* (`HMAC-SHA1`) signs the parameters and travels among them; *ACS3* (`ACS3-HMAC-SHA256`) signs the
//! query, chosen headers and the body's hash, and travels in the `Authorization` header. The functions here only
//! compute; what a request must carry, and when it is refused, is decided where requests are authenticated.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::digest::Digest as _;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::Sha256;

/// The name of the first method, in the parameter `SignatureMethod`.
pub const HMAC_SHA1: &str = "HMAC-SHA1";
/// The name of the second method, at the start of the header `Authorization`.
pub const ACS3_HMAC_SHA256: &str = "ACS3-HMAC-SHA256";

/// All but the characters that RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Percent-encodes as both methods demand it: upper-case hexadecimal, nothing but unreserved characters left.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The parameters sorted by name, encoded, and joined as in a query string.
#[must_use]
pub fn canonical_query<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut sorted: Vec<_> = parameters.into_iter().collect();
    sorted.sort_unstable();
    let pairs: Vec<_> = sorted
        .into_iter()
        .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
        .collect();
    pairs.join("&")
}

/// The text that signature 1.0 signs. A parameter named `Signature` is left out.
#[must_use]
pub fn rpc_string_to_sign<'a>(
    method: &str,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let signed = parameters.into_iter().filter(|(name, _)| *name != "Signature");
    format!("{method}&%2F&{}", percent_encode(&canonical_query(signed)))
}

/// Signature 1.0 of a text.
#[must_use]
pub fn rpc_signature(secret: &str, string_to_sign: &str) -> String {
    BASE64_STANDARD.encode(hmac::<Hmac<Sha1>>(&format!("{secret}&"), string_to_sign))
}

/// What ACS3 signs of a request.
#[derive(Clone, Debug)]
pub struct Acs3Request<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The query parameters, decoded, in any order.
    pub query: Vec<(&'a str, &'a str)>,
    /// The headers to sign, names in lower case and sorted.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body's SHA-256 in hexadecimal.
    pub content_sha256: &'a str,
}

impl Acs3Request<'_> {
    /// The canonical request, one part a line.
    #[must_use]
    pub fn canonical(&self) -> String {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        format!(
            "{}\n/\n{}\n{}\n{}\n{}",
            self.method,
            canonical_query(self.query.iter().copied()),
            headers.concat(),
            self.signed_headers(),
            self.content_sha256
        )
    }

    /// The names of the signed headers, as `Authorization` lists them.
    #[must_use]
    pub fn signed_headers(&self) -> String {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| *name).collect();
        names.join(";")
    }

    /// The text that is signed: the method's name and the canonical request's hash.
    #[must_use]
    pub fn string_to_sign(&self) -> String {
        format!("{ACS3_HMAC_SHA256}\n{}", sha256_hex(self.canonical().as_bytes()))
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self, secret: &str) -> String {
        acs3_signature(secret, &self.string_to_sign())
    }
}

/// The ACS3 signature of a text. Unlike in signature 1.0, the secret is the key as it is.
#[must_use]
pub fn acs3_signature(secret: &str, string_to_sign: &str) -> String {
    hex(&hmac::<Hmac<Sha256>>(secret, string_to_sign))
}

/// SHA-256 in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn hmac<M: Mac + KeyInit>(key: &str, text: &str) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key.as_bytes()).expect("a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of the vectors that were computed with the official Python SDK.
    const SECRET: &str = "TestSecretXyz/+0123456789abcd";
    const ENI: &str = "eni-bp1a2b3c4d5e6f7g8h9i";

    fn rpc(method: &str, secret: &str, parameters: &[(&str, &str)]) -> String {
        rpc_signature(secret, &rpc_string_to_sign(method, parameters.iter().copied()))
    }

    #[test]
    fn published_vector_describe_regions() {
        let parameters = [
            ("AccessKeyId", "testid"),
            ("Action", "DescribeRegions"),
            ("Format", "XML"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"),
            ("SignatureVersion", "1.0"),
            ("Timestamp", "2016-02-23T12:46:24Z"),
            ("Version", "2014-05-26"),
        ];
        assert_eq!(
            rpc_string_to_sign("GET", parameters),
            "GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26Format%3DXML%26SignatureMethod%3DHMAC-SHA1\
             %26SignatureNonce%3D3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf%26SignatureVersion%3D1.0\
             %26Timestamp%3D2016-02-23T12%253A46%253A24Z%26Version%3D2014-05-26"
        );
        assert_eq!(rpc("GET", "testsecret", &parameters), "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
    }

    #[test]
    fn published_vector_describe_dedicated_hosts() {
        let parameters = [
            ("AccessKeyId", "testid"),
            ("Action", "DescribeDedicatedHosts"),
            ("Format", "JSON"),
            ("RegionId", "cn-beijing"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", "edb2b34af0af9a6d14deaf7c1a5315eb"),
            ("SignatureVersion", "1.0"),
            ("Timestamp", "2023-03-13T08:34:30Z"),
            ("Version", "2014-05-26"),
        ];
        assert_eq!(rpc("GET", "testsecret", &parameters), "9NaGiOspFP5UPcwX8Iwt2YJXXuk=");
    }

    #[test]
    fn vectors_of_the_go_sdk_with_empty_values_and_a_security_token() {
        let mut parameters = vec![
            ("Version", ""),
            ("Action", ""),
            ("Format", "JSON"),
            ("Timestamp", "mock date"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureType", ""),
            ("SignatureVersion", "1.0"),
            ("SignatureNonce", "MOCK_UUID"),
            ("AccessKeyId", "accessKeyId"),
            ("RegionId", "regionId"),
        ];
        assert_eq!(rpc("GET", "accessKeySecret", &parameters), "7loPmFjvDnzOVnQeQNj85S6nFGY=");
        parameters.push(("SecurityToken", "accessKeyStsToken"));
        assert_eq!(rpc("GET", "accessKeySecret", &parameters), "5Nxdcler+ihqWqv0Hr2On4PsBf4=");
    }

    /// The parameters that all vectors of the Python SDK share.
    fn common(
        action: &'static str,
        nonce: &'static str,
        timestamp: &'static str,
    ) -> Vec<(&'static str, &'static str)> {
        vec![
            ("AccessKeyId", "LTAItestAccessKeyId01"),
            ("Action", action),
            ("Format", "JSON"),
            ("RegionId", "cn-hangzhou"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", nonce),
            ("SignatureVersion", "1.0"),
            ("Timestamp", timestamp),
            ("Version", "2014-05-26"),
        ]
    }

    #[test]
    fn vector_of_an_unassign() {
        let mut parameters = common(
            "UnassignPrivateIpAddresses",
            "11111111-2222-3333-4444-555555555555",
            "2026-01-02T03:04:05Z",
        );
        parameters.extend([
            ("NetworkInterfaceId", ENI),
            ("PrivateIpAddress.1", "192.168.1.10"),
            ("PrivateIpAddress.2", "192.168.1.11"),
        ]);
        assert_eq!(rpc("POST", SECRET, &parameters), "+pMHAyLvN1TduaM04TSPl+0/e+4=");
    }

    #[test]
    fn vector_with_every_awkward_character() {
        let mut parameters =
            common("DescribeNetworkInterfaces", "nonce with space+plus/slash=eq&amp", "2026-01-02T03:04:07Z");
        parameters.extend([
            ("NetworkInterfaceId.1", ENI),
            ("Ipv6Address.1", "2001:db8:1234:1a00::1"),
            ("MaxResults", "500"),
            ("NextToken", "AAAAAdDWBF2w6Olxc+cMPjUt/JSvFWO=="),
            ("Tag.1.Key", "k8s.io/cluster name"),
            ("Tag.1.Value", "测试*~!'()/:@é 𝄞"),
        ]);
        assert_eq!(rpc("GET", SECRET, &parameters), "jlRcHPf+HM4WxjTUGUKjESPL8LI=");
    }

    #[test]
    fn vector_of_an_assign_with_an_empty_parameter() {
        let mut parameters =
            common("AssignPrivateIpAddresses", "abcdefabcdefabcdefabcdefabcdefab", "2026-01-02T03:04:08Z");
        parameters.extend([
            ("NetworkInterfaceId", ENI),
            ("SecondaryPrivateIpAddressCount", "3"),
            ("ClientToken", "123e4567-e89b-12d3-a456-426655440000"),
            ("SignatureType", ""),
        ]);
        assert_eq!(rpc("POST", SECRET, &parameters), "fcGTOZE9BNJX4u90Iol+p8+Z0Yw=");
    }

    #[test]
    fn published_vector_of_acs3() {
        let empty = sha256_hex(b"");
        let request = Acs3Request {
            method: "POST",
            query: vec![
                ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
                ("RegionId", "cn-shanghai"),
            ],
            headers: vec![
                ("host", "ecs.cn-shanghai.aliyuncs.com"),
                ("x-acs-action", "RunInstances"),
                ("x-acs-content-sha256", &empty),
                ("x-acs-date", "2023-10-26T10:22:32Z"),
                ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
                ("x-acs-version", "2014-05-26"),
            ],
            content_sha256: &empty,
        };
        assert_eq!(
            request.string_to_sign(),
            "ACS3-HMAC-SHA256\n7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
        );
        assert_eq!(
            request.signature("YourAccessKeySecret"),
            "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
    }

    #[test]
    fn vector_of_an_unassign_signed_with_acs3() {
        let empty = sha256_hex(b"");
        let request = Acs3Request {
            method: "POST",
            query: vec![
                ("RegionId", "cn-hangzhou"),
                ("PrivateIpAddress.2", "192.168.1.11"),
                ("PrivateIpAddress.1", "192.168.1.10"),
                ("NetworkInterfaceId", ENI),
            ],
            headers: vec![
                ("host", "ecs-vpc.cn-hangzhou.aliyuncs.com"),
                ("x-acs-action", "UnassignPrivateIpAddresses"),
                ("x-acs-content-sha256", &empty),
                ("x-acs-date", "2026-01-02T03:04:05Z"),
                ("x-acs-signature-nonce", "11111111222233334444555555555555"),
                ("x-acs-version", "2014-05-26"),
            ],
            content_sha256: &empty,
        };
        assert_eq!(
            sha256_hex(request.canonical().as_bytes()),
            "4ec55fd3ae061a2e2306afcc9ae0d05359b0ad07804c38f8f4aea1866db58b3f"
        );
        assert_eq!(
            request.signature(SECRET),
            "78f37376402a0d43a2a0f29479afcc137be04aefd4eb5bd89eadae073ee46c27"
        );
    }

    #[test]
    fn parameters_sort_by_their_bytes() {
        let sorted = canonical_query([("A.2", ""), ("A.10", ""), ("A.1", ""), ("A.11", "")]);
        assert_eq!(sorted, "A.1=&A.10=&A.11=&A.2=");
    }
}
