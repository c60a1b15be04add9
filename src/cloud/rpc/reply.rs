//! Reading what came back: an answer, a refusal, or something that ECS did not say.

use serde::Deserialize;
use serde_json::Value;

use crate::base::text::clean;

/// What an answer's bytes say. Nothing in here trusts them to be well-formed.
#[derive(Debug, PartialEq)]
pub(crate) enum Reply {
    /// ECS did it.
    Done { request_id: String },
    /// ECS says that it did not.
    Refused { code: String, message: String, request_id: Option<String> },
    /// Nothing that ECS says: a gateway's page, a truncated answer, another service.
    Other(String),
}

/// Reads a body of HTTP `status` that `host` sent.
pub(crate) fn read(host: &str, status: u16, body: &[u8]) -> Reply {
    let Ok(Envelope { code, message, request_id }) = object(body) else {
        return xml_refusal(body).unwrap_or_else(|| other(host, status, body));
    };
    match (code.filter(|code| !code.is_empty()), request_id) {
        (Some(code), request_id) => Reply::Refused {
            code: clean(&code, 100),
            message: message.unwrap_or_default(),
            request_id: request_id.map(|id| clean(&id, 100)),
        },
        (None, Some(request_id)) if (200..300).contains(&status) => {
            Reply::Done { request_id: clean(&request_id, 100) }
        }
        _ => other(host, status, body),
    }
}

/// What every answer has. Servers in front of the API write the names in lower case.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Code", alias = "code")]
    code: Option<String>,
    #[serde(rename = "Message", alias = "message")]
    message: Option<String>,
    #[serde(rename = "RequestId", alias = "requestId")]
    request_id: Option<String>,
}

/// Reads a JSON object into `T`. serde refuses a field that stands there twice, which RFC 8259 (section 4) leaves open: a
/// reader that takes the last one would drop the other silently, and it may be the one with the address. serde also reads a
/// struct from a list of its fields, which no answer of ECS is, and skips what `T` does not name without a limit to its
/// depth: so the whole is read first as any value, of which there is one.
pub(crate) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err("it is not a JSON object".to_owned());
    }
    serde_json::from_slice::<Value>(body)
        .and_then(|_| serde_json::from_slice(body))
        .map_err(|error| error.to_string())
}

/// The refusal in an XML document. Servers that give up before they read `Format` answer in XML.
fn xml_refusal(body: &[u8]) -> Option<Reply> {
    let text = std::str::from_utf8(body).ok()?;
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (content, _) = rest.split_once(&format!("</{name}>"))?;
        Some(clean(content, 500)).filter(|content| !content.is_empty())
    };
    text.trim_start().starts_with('<').then_some(())?;
    let request_id = Some(element("RequestId")?);
    Some(Reply::Refused {
        code: element("Code")?,
        message: element("Message").unwrap_or_default(),
        request_id,
    })
}

fn other(host: &str, status: u16, body: &[u8]) -> Reply {
    let start = clean(&String::from_utf8_lossy(&body[..body.len().min(2000)]), 120);
    let what = match (status, start.as_str()) {
        (300..400, _) => "with a redirect, which a signed request does not follow".to_owned(),
        (_, "") => "with an empty body".to_owned(),
        _ => format!("with something that is not an ECS answer: {start}"),
    };
    Reply::Other(format!("{host} answered HTTP {status} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> (String, String, Option<String>) {
        match read("ecs.example.com", status, body.as_bytes()) {
            Reply::Refused { code, message, request_id } => (code, message, request_id),
            reply => panic!("{reply:?}"),
        }
    }

    fn garbage(status: u16, body: &str) -> String {
        match read("ecs.example.com", status, body.as_bytes()) {
            Reply::Other(text) => text,
            reply => panic!("{reply:?}"),
        }
    }

    #[test]
    fn an_answer_is_an_object_with_a_request_id() {
        assert!(
            matches!(read("h", 200, br#"{"RequestId":"R"}"#), Reply::Done { request_id } if request_id == "R")
        );
    }

    #[test]
    fn a_refusal_is_known_by_its_code_in_either_spelling_and_format() {
        let expected = ("C.D".to_owned(), "m".to_owned(), Some("R".to_owned()));
        assert_eq!(refusal(403, r#"{"RequestId":"R","HostId":"h","Code":"C.D","Message":"m"}"#), expected);
        assert_eq!(refusal(403, r#"{"requestId":"R","code":"C.D","message":"m"}"#), expected);
        assert_eq!(
            refusal(
                403,
                "<?xml version='1.0'?><Error><RequestId>R</RequestId><Code>C.D</Code><Message>m</Message></Error>"
            ),
            expected
        );
        assert_eq!(refusal(500, r#"{"Code":"C.D"}"#).2, None);
    }

    #[test]
    fn an_answer_that_is_none_says_what_was_reached() {
        for (status, body, words) in [
            (
                502,
                "<html>\n<h1>Bad Gateway</h1>",
                "HTTP 502 with something that is not an ECS answer: <html> <h1>Bad",
            ),
            (200, "", "HTTP 200 with an empty body"),
            (200, "{}", "HTTP 200"),
            (200, "[]", "HTTP 200"),
            (200, "null", "HTTP 200"),
            (200, r#"{"RequestId":7}"#, "HTTP 200"),
            (200, r#"{"RequestId":"R""#, "HTTP 200"),
            (503, r#"{"RequestId":"R"}"#, "HTTP 503"),
            (302, "<a href='https://login.example.com'>", "redirect"),
            (200, "\u{0}\u{1}\u{2}", "HTTP 200 with an empty body"),
        ] {
            let text = garbage(status, body);
            assert!(text.contains("ecs.example.com") && text.contains(words), "{body:?}: {text}");
        }
        assert!(matches!(read("h", 200, &[0xff, 0xfe, b'{']), Reply::Other(_)));
    }

    #[test]
    fn an_answer_that_says_something_twice_is_none() {
        for body in [
            r#"{"RequestId":"R","RequestId":"R"}"#,
            r#"{"RequestId":"R","requestId":"S"}"#,
            r#"{"Code":"C","Code":"D","RequestId":"R"}"#,
            r#"{"Code":"C","\u0043ode":"D","RequestId":"R"}"#,
            r#"[null,null,"R"]"#,
        ] {
            garbage(200, body);
        }
    }

    #[test]
    fn an_absurdly_nested_answer_is_none() {
        let unknown = format!(r#"{{"RequestId":"R","Tags":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        for nested in ["[".repeat(100_000), unknown] {
            assert!(matches!(read("h", 200, nested.as_bytes()), Reply::Other(_)));
        }
    }
}
