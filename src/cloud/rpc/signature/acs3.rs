//! `ACS3-HMAC-SHA256`, which documents also call V3.
//!
//! Source: "V3 request structure and signature" in Alibaba Cloud's SDK documents, and the official SDKs.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::call::{Call, Signed, canonical_query, hex};
use crate::base::access_key::AccessKey;

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// Signs a call: the action's parameters are the query, all else are headers.
pub(super) fn sign(call: &Call<'_>, credentials: &AccessKey) -> Signed {
    let query = canonical_query(call.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    // By name, as they are signed.
    let mut headers = vec![
        ("host", call.host.to_owned()),
        ("x-acs-action", call.action.to_owned()),
        ("x-acs-content-sha256", hex(&Sha256::digest(b""))),
        ("x-acs-date", call.timestamp.to_owned()),
        ("x-acs-signature-nonce", call.nonce.to_owned()),
        ("x-acs-version", call.version.to_owned()),
    ];
    if let Some(token) = &credentials.security_token {
        headers.insert(4, ("x-acs-security-token", token.expose().to_owned()));
    }
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let canonical = canonical_request(call.method, &query, &headers, &names);
    let signature = signature(credentials.access_key_secret.expose(), &canonical);
    let key = &credentials.access_key_id;
    headers.push((
        "authorization",
        format!("{ALGORITHM} Credential={key},SignedHeaders={names},Signature={signature}"),
    ));
    Signed { query, headers }
}

/// The request in the form that is hashed. The body is empty, always.
fn canonical_request(method: &str, query: &str, headers: &[(&str, String)], names: &str) -> String {
    let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}:{}", value.trim())).collect();
    let lines = lines.join("\n");
    format!("{method}\n/\n{query}\n{lines}\n\n{names}\n{}", hex(&Sha256::digest(b"")))
}

/// The signature in hexadecimal. The key is the secret alone, without the `&` of the older method.
fn signature(access_key_secret: &str, canonical_request: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(access_key_secret.as_bytes()) else {
        unreachable!("HMAC takes a key of any length");
    };
    mac.update(format!("{ALGORITHM}\n{}", hex(&Sha256::digest(canonical_request))).as_bytes());
    hex(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn authorization(signed: &Signed) -> &str {
        &signed.headers.iter().find(|(name, _)| *name == "authorization").unwrap().1
    }

    #[test]
    fn the_published_example_is_reproduced() {
        // alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature
        let parameters = pairs(&[
            ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
            ("RegionId", "cn-shanghai"),
        ]);
        let call = Call {
            method: "POST",
            host: "ecs.cn-shanghai.aliyuncs.com",
            action: "RunInstances",
            version: "2014-05-26",
            parameters: &parameters,
            nonce: "3156853299f313e23d1673dc12e1703d",
            timestamp: "2023-10-26T10:22:32Z",
        };
        let signed = sign(&call, &AccessKey::permanent("YourAccessKeyId", "YourAccessKeySecret"));
        assert_eq!(
            authorization(&signed),
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;\
             x-acs-date;x-acs-signature-nonce;x-acs-version,\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
        let names = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";
        let canonical = canonical_request("POST", &signed.query, &signed.headers[..6], names);
        assert_eq!(
            hex(&Sha256::digest(canonical)),
            "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
        );
    }

    fn unassign(parameters: &[(String, String)]) -> Call<'_> {
        Call {
            method: "POST",
            host: "ecs-vpc.cn-hangzhou.aliyuncs.com",
            action: "UnassignPrivateIpAddresses",
            version: "2014-05-26",
            parameters,
            nonce: "11111111222233334444555555555555",
            timestamp: "2026-01-02T03:04:05Z",
        }
    }

    #[test]
    fn a_whole_call_is_signed_as_the_official_python_sdk_signs_it() {
        let parameters = pairs(&[
            ("RegionId", "cn-hangzhou"),
            ("PrivateIpAddress.2", "192.168.1.11"),
            ("NetworkInterfaceId", "eni-bp1a2b3c4d5e6f7g8h9i"),
            ("PrivateIpAddress.1", "192.168.1.10"),
        ]);
        let credentials = AccessKey::permanent("LTAItestAccessKeyId01", "TestSecretXyz/+0123456789abcd");
        let signed = sign(&unassign(&parameters), &credentials);
        let expected = "Signature=78f37376402a0d43a2a0f29479afcc137be04aefd4eb5bd89eadae073ee46c27";
        assert!(authorization(&signed).ends_with(expected), "{}", authorization(&signed));
    }

    #[test]
    fn a_security_token_is_a_signed_header_in_its_place() {
        let signed = sign(&unassign(&[]), &AccessKey::temporary("STS.id", "secret", "token", None));
        let names: Vec<_> = signed.headers.iter().map(|(name, _)| *name).collect();
        let mut sorted = names[..7].to_vec();
        sorted.sort_unstable();
        assert_eq!(names[..7], sorted);
        assert!(authorization(&signed).contains(";x-acs-security-token;"));
        assert!(signed.headers.contains(&("x-acs-security-token", "token".to_owned())));
    }
}
