//! `HMAC-SHA1`, signature version 1.0.
//!
//! Source: "Request signatures" in Alibaba Cloud's API reference of ECS, and three generations of the official SDKs,
//! which agree.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::call::{Call, Signed, canonical_query, percent_encode};
use crate::base::access_key::AccessKey;

/// Signs a call: everything goes into the query, the common parameters and the signature itself included.
pub(super) fn sign(call: &Call<'_>, credentials: &AccessKey) -> Signed {
    let mut parameters = vec![
        ("AccessKeyId", credentials.access_key_id.as_str()),
        ("Action", call.action),
        ("Format", "JSON"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", call.nonce),
        ("SignatureVersion", "1.0"),
        ("Timestamp", call.timestamp),
        ("Version", call.version),
    ];
    parameters.extend(call.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    parameters.extend(credentials.security_token.as_ref().map(|token| ("SecurityToken", token.expose())));
    let query = canonical_query(parameters);
    let signature = signature(credentials.access_key_secret.expose(), &string_to_sign(call.method, &query));
    Signed { query: format!("{query}&Signature={}", percent_encode(&signature)), headers: Vec::new() }
}

/// What is signed: the method, the path, which is always `/`, and the canonical query, encoded once more.
#[must_use]
pub fn string_to_sign(method: &str, canonical_query: &str) -> String {
    format!("{method}&%2F&{}", percent_encode(canonical_query))
}

/// The signature in Base64. The key is the secret with a `&` behind it.
#[must_use]
pub fn signature(access_key_secret: &str, string_to_sign: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(format!("{access_key_secret}&").as_bytes()) else {
        unreachable!("HMAC takes a key of any length");
    };
    mac.update(string_to_sign.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_all(method: &str, secret: &str, parameters: &[(&str, &str)]) -> String {
        signature(secret, &string_to_sign(method, &canonical_query(parameters.iter().copied())))
    }

    /// The example of "Request signatures" in the API reference of ECS.
    const DESCRIBE_REGIONS: [(&str, &str); 8] = [
        ("AccessKeyId", "testid"),
        ("Action", "DescribeRegions"),
        ("Format", "XML"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"),
        ("SignatureVersion", "1.0"),
        ("Timestamp", "2016-02-23T12:46:24Z"),
        ("Version", "2014-05-26"),
    ];

    #[test]
    fn the_published_example_of_the_string_to_sign_is_reproduced() {
        assert_eq!(
            string_to_sign("GET", &canonical_query(DESCRIBE_REGIONS)),
            "GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26Format%3DXML%26SignatureMethod%3DHMAC-SHA1\
             %26SignatureNonce%3D3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf%26SignatureVersion%3D1.0\
             %26Timestamp%3D2016-02-23T12%253A46%253A24Z%26Version%3D2014-05-26"
        );
    }

    #[test]
    fn the_published_examples_are_reproduced() {
        assert_eq!(sign_all("GET", "testsecret", &DESCRIBE_REGIONS), "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
        // help.aliyun.com/zh/sdk/product-overview/rpc-mechanism
        let hosts = [
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
        assert_eq!(sign_all("GET", "testsecret", &hosts), "9NaGiOspFP5UPcwX8Iwt2YJXXuk=");
    }

    #[test]
    fn the_test_cases_of_the_official_go_sdk_are_reproduced() {
        // alibaba-cloud-sdk-go, sdk/auth/rpc_signature_composer_test.go
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
        assert_eq!(sign_all("GET", "accessKeySecret", &parameters), "7loPmFjvDnzOVnQeQNj85S6nFGY=");
        parameters.push(("SecurityToken", "accessKeyStsToken"));
        assert_eq!(sign_all("GET", "accessKeySecret", &parameters), "5Nxdcler+ihqWqv0Hr2On4PsBf4=");
    }

    /// The key of the vectors that the official Python SDK's signing code made.
    const SECRET: &str = "TestSecretXyz/+0123456789abcd";

    fn with_common<'a>(own: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut all = vec![
            ("AccessKeyId", "LTAItestAccessKeyId01"),
            ("Format", "JSON"),
            ("RegionId", "cn-hangzhou"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureVersion", "1.0"),
            ("Version", "2014-05-26"),
        ];
        all.extend(own);
        all
    }

    #[test]
    fn awkward_characters_are_signed_as_the_official_python_sdk_signs_them() {
        let parameters = with_common(&[
            ("Action", "DescribeNetworkInterfaces"),
            ("NetworkInterfaceId.1", "eni-bp1a2b3c4d5e6f7g8h9i"),
            ("Ipv6Address.1", "2001:db8:1234:1a00::1"),
            ("MaxResults", "500"),
            ("NextToken", "AAAAAdDWBF2w6Olxc+cMPjUt/JSvFWO=="),
            ("Tag.1.Key", "k8s.io/cluster name"),
            ("Tag.1.Value", "测试*~!'()/:@é 𝄞"),
            ("SignatureNonce", "nonce with space+plus/slash=eq&amp"),
            ("Timestamp", "2026-01-02T03:04:07Z"),
        ]);
        assert_eq!(sign_all("GET", SECRET, &parameters), "jlRcHPf+HM4WxjTUGUKjESPL8LI=");
    }

    #[test]
    fn an_empty_value_is_signed_as_the_official_python_sdk_signs_it() {
        let parameters = with_common(&[
            ("Action", "AssignPrivateIpAddresses"),
            ("NetworkInterfaceId", "eni-bp1a2b3c4d5e6f7g8h9i"),
            ("SecondaryPrivateIpAddressCount", "3"),
            ("ClientToken", "123e4567-e89b-12d3-a456-426655440000"),
            ("SignatureType", ""),
            ("SignatureNonce", "abcdefabcdefabcdefabcdefabcdefab"),
            ("Timestamp", "2026-01-02T03:04:08Z"),
        ]);
        assert_eq!(sign_all("POST", SECRET, &parameters), "fcGTOZE9BNJX4u90Iol+p8+Z0Yw=");
    }

    #[test]
    fn a_whole_call_is_signed_as_the_official_python_sdk_signs_it() {
        let parameters: Vec<_> = [
            ("RegionId", "cn-hangzhou"),
            ("NetworkInterfaceId", "eni-bp1a2b3c4d5e6f7g8h9i"),
            ("PrivateIpAddress.1", "192.168.1.10"),
            ("PrivateIpAddress.2", "192.168.1.11"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let call = Call {
            method: "POST",
            host: "ecs-vpc.cn-hangzhou.aliyuncs.com",
            action: "UnassignPrivateIpAddresses",
            version: "2014-05-26",
            parameters: &parameters,
            nonce: "11111111-2222-3333-4444-555555555555",
            timestamp: "2026-01-02T03:04:05Z",
        };
        let signed = sign(&call, &AccessKey::permanent("LTAItestAccessKeyId01", SECRET));
        assert!(
            signed.query.ends_with("&Signature=%2BpMHAyLvN1TduaM04TSPl%2B0%2Fe%2B4%3D"),
            "{}",
            signed.query
        );
        assert!(!signed.query.contains("SecurityToken"));
    }

    #[test]
    fn a_security_token_is_sent_and_signed() {
        let call = Call {
            method: "POST",
            host: "h",
            action: "A",
            version: "V",
            parameters: &[],
            nonce: "n",
            timestamp: "t",
        };
        let signed = sign(&call, &AccessKey::temporary("STS.id", SECRET, "to/ken", None));
        let query = signed.query.split("&Signature=").next().unwrap();
        assert!(query.contains("&SecurityToken=to%2Fken&"), "{query}");
        let expected = percent_encode(&signature(SECRET, &string_to_sign("POST", query)));
        assert!(signed.query.ends_with(&format!("&Signature={expected}")));
    }
}
