//! The two shapes in which services hand out temporary keys.

use std::borrow::Cow;

use serde::Deserialize;

use crate::base::access_key::AccessKey;
use crate::base::text::clean;
use crate::cloud::http::date::parse_rfc3339;
use crate::cloud::rpc::reply;

/// A key as services write it. All parts are optional, so that the first that is missing can be named.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct KeyParts<'a> {
    #[serde(borrow)]
    access_key_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    access_key_secret: Option<Cow<'a, str>>,
    #[serde(borrow)]
    security_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    expiration: Option<Cow<'a, str>>,
    /// `Success`, where the service says so: the metadata service and the credentials URI.
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
}

/// The answer of the metadata service and of a credentials URI. The problem, where there is one, repeats no secret.
pub(super) fn from_flat_json(body: &[u8]) -> Result<AccessKey, String> {
    let parts: KeyParts<'_> = reply::object(body).map_err(|_| UNREADABLE.to_owned())?;
    match parts.code.as_deref() {
        None | Some("Success") => parts.key(),
        Some(code) => Err(format!("the answer is {}", clean(code, 60))),
    }
}

/// serde's own words may repeat a part of the key.
pub(super) const UNREADABLE: &str = "the answer is not JSON, or not that of a key";

impl KeyParts<'_> {
    pub(super) fn key(&self) -> Result<AccessKey, String> {
        let part = |part: &'_ Option<Cow<'_, str>>, name: &str| {
            let text = part.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
            text.ok_or_else(|| format!("the answer has no {name}"))
        };
        let expires = parse_rfc3339(&part(&self.expiration, "Expiration")?)
            .ok_or("the answer's Expiration is no time")?;
        let id = part(&self.access_key_id, "AccessKeyId")?;
        let secret = part(&self.access_key_secret, "AccessKeySecret")?;
        let token = part(&self.security_token, "SecurityToken")?;
        if ![&id, &secret, &token].into_iter().all(|text| is_part(text)) {
            return Err("the answer's key has characters or a length that no key has".to_owned());
        }
        Ok(AccessKey::temporary(&id, &secret, &token, Some(expires)))
    }
}

/// Whether this can be a part of a key: all of them become headers or parameters. Security tokens have some hundred
/// characters.
pub(super) fn is_part(text: &str) -> bool {
    (1..=8192).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = r#"{"AccessKeyId":"STS.J8","AccessKeySecret":"9Pjf","Expiration":"2017-06-09T09:17:19Z",
        "SecurityToken":"CAI","LastUpdated":"2017-06-09T03:17:18Z","Code":"Success"}"#;

    #[test]
    fn the_documented_answer_is_read() {
        let credentials = from_flat_json(DOCUMENTED.as_bytes()).unwrap();
        assert_eq!(credentials.access_key_id, "STS.J8");
        assert_eq!(credentials.security_token.unwrap().expose(), "CAI");
        assert_eq!(credentials.expires, parse_rfc3339("2017-06-09T09:17:19Z"));
    }

    #[test]
    fn a_problem_names_the_part_and_repeats_no_secret() {
        for (from, to, words) in [
            ("AccessKeySecret", "x", "no AccessKeySecret"),
            ("2017-06-09T09:17:19Z", "soon", "Expiration is no time"),
            ("\"Success\"", "\"Failed\"", "Failed"),
            ("{", "[", "not JSON"),
            ("\"CAI\"", "7", "not that of a key"),
            ("CAI", "a b", "characters"),
            ("CAI", &"x".repeat(9000), "length"),
        ] {
            let problem = from_flat_json(DOCUMENTED.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(problem.contains(words) && !problem.contains("9Pjf"), "{problem}");
        }
    }
}
