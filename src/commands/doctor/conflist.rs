//! Whether container runtimes take a file of network configurations: by the rules of libcni, which reads it for them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::base::text::{kind, reason};
use crate::cni::{Version, is_plain_name};
use crate::config::TYPE;

/// A file that runtimes refuse.
pub(super) struct Refused {
    /// Why, with what to do.
    pub(super) why: String,
    /// Whether it names this plugin, so that it is not another's.
    pub(super) names_this_plugin: bool,
}

/// Whether runtimes take the file.
pub(super) fn check(file: &Path) -> Result<(), Refused> {
    let unreadable = |why| Refused { why, names_this_plugin: false };
    let text = fs::read(file).map_err(|error| unreadable(reason(&error)))?;
    // What is no JSON may still be searched for a word.
    let names_this_plugin = text.windows(TYPE.len()).any(|word| word == TYPE.as_bytes());
    let judged = match serde_json::from_slice::<Value>(&text) {
        Err(error) => Err(error.to_string()),
        Ok(config) => judge(&config, file, names_this_plugin),
    };
    judged.map_err(|why| Refused { why, names_this_plugin })
}

/// Whether the file is broken and still names this plugin.
pub(in crate::commands) fn names_this_plugin(file: &Path) -> bool {
    check(file).is_err_and(|refused| refused.names_this_plugin)
}

fn judge(config: &Value, file: &Path, names_this_plugin: bool) -> Result<(), String> {
    let Some(object) = config.as_object() else {
        return Err(format!("it is {}, not an object", kind(config)));
    };
    let has = |extension: &str| file.extension().is_some_and(|it| it == extension);
    match &config["name"] {
        Value::String(name) if is_plain_name(name) => {}
        Value::String(name) if !name.is_empty() => {
            return Err(format!(
                "its `name` {name:?} has characters that runtimes refuse: use letters, digits, `_.-`"
            ));
        }
        Value::Null | Value::String(_) => return Err("it has no `name`: runtimes refuse it".to_owned()),
        other => return Err(format!("its `name` is {}, not a string", kind(other))),
    }
    match &config["cniVersion"] {
        Value::Null => {}
        Value::String(version) if !names_this_plugin || version.parse::<Version>().is_ok() => {}
        Value::String(version) => {
            let newest = Version::NEWEST;
            return Err(format!(
                "its `cniVersion` {version:?} is not one that this plugin speaks: {newest} is the newest"
            ));
        }
        other => return Err(format!("its `cniVersion` is {}, not a string", kind(other))),
    }
    match object.get("plugins") {
        Some(Value::Array(plugins)) if plugins.is_empty() => Err("its `plugins` is empty".to_owned()),
        Some(Value::Array(_)) if has("conf") || has("json") => {
            Err("runtimes read a list of `plugins` only from a file that ends in .conflist: rename it"
                .to_owned())
        }
        Some(Value::Array(plugins)) => {
            plugins.iter().enumerate().try_for_each(|(i, it)| judge_plugin(it, &format!("`plugins[{i}]`")))
        }
        Some(Value::Null) | None if has("conflist") => {
            Err("it has no `plugins`, the list that a .conflist file must have".to_owned())
        }
        Some(Value::Null) | None => judge_plugin(config, "it"),
        Some(other) => Err(format!("its `plugins` is {}, not a list", kind(other))),
    }
}

fn judge_plugin(plugin: &Value, name: &str) -> Result<(), String> {
    if !plugin.is_object() {
        return Err(format!("{name} is {}, not an object", kind(plugin)));
    }
    match &plugin["type"] {
        Value::String(text) if !text.is_empty() => {}
        Value::Null | Value::String(_) => return Err(format!("{name} has no `type`")),
        other => return Err(format!("the `type` of {name} is {}, not a string", kind(other))),
    }
    match &plugin["ipam"] {
        Value::Null | Value::Object(_) => {}
        other => {
            let right = format!("\"ipam\": {{\"type\": \"{TYPE}\"}}");
            return Err(format!("the `ipam` of {name} is {}, not an object such as {right}", kind(other)));
        }
    }
    match &plugin["ipam"]["type"] {
        Value::Null | Value::String(_) => Ok(()),
        other => Err(format!("the `ipam.type` of {name} is {}, not a string", kind(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(name: &str, text: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(name);
        fs::write(&file, text).unwrap();
        check(&file).err().map_or_else(String::new, |refused| refused.why)
    }

    #[test]
    fn what_libcni_takes_is_taken() {
        for (name, text) in [
            ("a.conflist", r#"{"name":"a","plugins":[{"type":"ptp","ipam":{"type":"aliyun-eni-ipam"}}]}"#),
            ("a.conflist", r#"{"cniVersion":"9.0.0","name":"a","plugins":[{"type":"other","ipam":null}]}"#),
            ("a.conf", r#"{"cniVersion":"1.0.0","name":"a","type":"bridge","ipam":{}}"#),
            ("a.json", r#"{"name":"a","type":"bridge"}"#),
        ] {
            assert_eq!(why(name, text), "", "{text}");
        }
    }

    #[test]
    fn what_libcni_refuses_is_refused_with_the_reason() {
        for (name, text, reason) in [
            ("a.conflist", "", "EOF"),
            ("a.conflist", "[]", "it is a list, not an object"),
            ("a.conflist", r#"{"plugins":[{"type":"a"}]}"#, "no `name`"),
            ("a.conflist", r#"{"name":"","plugins":[{"type":"a"}]}"#, "no `name`"),
            ("a.conflist", r#"{"name":5,"plugins":[{"type":"a"}]}"#, "`name` is a number"),
            ("a.conflist", r#"{"name":"a/b","plugins":[{"type":"a"}]}"#, "\"a/b\" has characters"),
            ("a.conflist", r#"{"name":"a","type":"a"}"#, "it has no `plugins`"),
            ("a.conflist", r#"{"name":"a","plugins":{"type":"a"}}"#, "`plugins` is an object, not a list"),
            ("a.conflist", r#"{"name":"a","plugins":[]}"#, "`plugins` is empty"),
            ("a.conflist", r#"{"name":"a","plugins":["a"]}"#, "`plugins[0]` is a string"),
            ("a.conflist", r#"{"name":"a","plugins":[{"type":"a"},{}]}"#, "`plugins[1]` has no `type`"),
            (
                "a.conflist",
                r#"{"name":"a","plugins":[{"type":"a","ipam":"b"}]}"#,
                "the `ipam` of `plugins[0]` is a string",
            ),
            ("a.conflist", r#"{"name":"a","plugins":[{"type":"a","ipam":{"type":1}}]}"#, "`ipam.type` of"),
            ("a.conf", r#"{"name":"a","plugins":[{"type":"a"}]}"#, "rename it"),
            ("a.conf", r#"{"name":"a"}"#, "it has no `type`"),
            ("a.conf", r#"{"cniVersion":1,"name":"a","type":"a"}"#, "`cniVersion` is a number"),
            (
                "a.conf",
                r#"{"cniVersion":"2.0.0","name":"a","type":"a","ipam":{"type":"aliyun-eni-ipam"}}"#,
                "1.1.0 is the newest",
            ),
        ] {
            assert!(why(name, text).contains(reason), "{text}: {}", why(name, text));
        }
    }
}
