//! Results and errors as documents, in JSON or XML.
//!
//! The XML form follows from the JSON one: an object's members are elements, an array's members repeat the element that
//! the array is named by.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::http::Response;
use crate::rpc::{Call, Format};

/// A result's document.
pub(crate) fn success(call: &Call, request_id: &str, mut body: Value) -> Response {
    body["RequestId"] = json!(request_id);
    document(call.format, 200, &format!("{}Response", call.action), &body)
}

/// An error's document.
pub(crate) fn failure(call: &Call, host: &str, request_id: &str, error: &ApiError) -> Response {
    let body = json!({
        "RequestId": request_id,
        "HostId": host,
        "Code": error.code,
        "Message": error.message,
        "Recommend": format!("https://api.aliyun.com/troubleshoot?q={}&product=Ecs", error.code),
    });
    let response = document(call.format, error.status, "Error", &body);
    match error.retry_after_ms {
        Some(wait) => response.header("x-acs-retry-after", wait.to_string()),
        None => response,
    }
}

fn document(format: Format, status: u16, root: &str, body: &Value) -> Response {
    match format {
        Format::Json => Response::json(status, body),
        Format::Xml => {
            let mut text = "<?xml version='1.0' encoding='UTF-8'?>".to_owned();
            element(&mut text, root, body);
            Response::new(status, "text/xml;charset=utf-8", text)
        }
    }
}

fn element(text: &mut String, name: &str, value: &Value) {
    if let Value::Array(members) = value {
        for member in members {
            element(text, name, member);
        }
        return;
    }
    text.extend(["<", name, ">"]);
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| element(text, name, member)),
        Value::String(content) => text.push_str(&escape(content)),
        other => text.push_str(&other.to_string()),
    }
    text.extend(["</", name, ">"]);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_repeats_the_members_of_an_array() {
        let mut text = String::new();
        element(&mut text, "Set", &json!({"Ip": ["a", "b"], "None": [], "Count": 2, "Text": "<&>"}));
        assert_eq!(text, "<Set><Count>2</Count><Ip>a</Ip><Ip>b</Ip><Text>&lt;&amp;&gt;</Text></Set>");
    }
}
