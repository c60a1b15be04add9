//! The two shapes in which services hand out temporary keys.

use serde_json::Value;

use super::Credentials;
use crate::ecs::clock::parse_rfc3339;
use crate::ecs::text::clean;

/// Reads `{"AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration", "Code"}`: the metadata service and the
/// credentials URI. The problem, where there is one, repeats no secret.
pub(super) fn from_flat_json(body: &[u8]) -> Result<Credentials, String> {
    let value: Value = serde_json::from_slice(body).map_err(|_| "the answer is not JSON".to_owned())?;
    match value.get("Code").and_then(Value::as_str) {
        None | Some("Success") => from_object(&value),
        Some(code) => Err(format!("the answer has the code {}", clean(code, 60))),
    }
}

/// Reads the object with a key's four parts, which STS puts under `Credentials`.
pub(super) fn from_object(object: &Value) -> Result<Credentials, String> {
    let text = |name: &str| {
        let text = object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.ok_or_else(|| format!("the answer has no {name}"))
    };
    let expires = parse_rfc3339(text("Expiration")?).ok_or("the Expiration in the answer is not a time")?;
    let (id, secret, token) = (text("AccessKeyId")?, text("AccessKeySecret")?, text("SecurityToken")?);
    if ![id, secret, token].into_iter().all(is_part) {
        return Err("the access key in the answer is malformed".to_owned());
    }
    Ok(Credentials::temporary(id, secret, token, Some(expires)))
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
            ("2017-06-09T09:17:19Z", "soon", "not a time"),
            ("\"Success\"", "\"Failed\"", "Failed"),
            ("{", "[", "not JSON"),
            ("\"CAI\"", "7", "no SecurityToken"),
            ("CAI", "a b", "malformed"),
            ("CAI", &"x".repeat(9000), "malformed"),
        ] {
            let problem = from_flat_json(DOCUMENTED.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(problem.contains(words) && !problem.contains("9Pjf"), "{problem}");
        }
    }
}
