//! The JSON schemas of docs/schemas, and whether documents are as they say.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;

/// The commands that print JSON, each with the name of its schema. A word behind the command can make it another one.
const OF_COMMANDS: &[(&str, &str, &str)] = &[
    ("list", "", "list"),
    ("doctor", "", "doctor"),
    ("reconcile", "", "reconcile"),
    ("flush", "", "flush"),
    ("routes", "--remove", "routes-remove"),
    ("routes", "", "routes"),
    ("uninstall", "", "uninstall"),
    ("install", "", "install"),
    ("release", "", "release"),
];

/// The folder.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/schemas")
}

/// The schema of what a command line prints, if it is one that prints JSON.
#[must_use]
pub(crate) fn of_command(line: &str) -> Option<&'static str> {
    let words: Vec<_> = line.split(' ').collect();
    if !words.contains(&"--json") {
        return None;
    }
    let is_it = |(command, word, _): &&(&str, &str, &str)| {
        words.contains(command) && (word.is_empty() || words.contains(word))
    };
    OF_COMMANDS.iter().find(is_it).map(|(_, _, name)| *name)
}

/// The names of all schemas of commands.
pub fn of_commands() -> impl Iterator<Item = &'static str> {
    OF_COMMANDS.iter().map(|(_, _, name)| *name)
}

/// A schema by its name.
///
/// # Panics
/// When it cannot be read.
#[must_use]
#[expect(clippy::expect_used, reason = "a test without them is no test")]
pub fn read(name: &str) -> Value {
    let text = fs::read_to_string(folder().join(format!("{name}.schema.json"))).expect("the schema is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// What judges by a schema, formats included. Its references lead to its neighbours.
///
/// # Panics
/// When it is no schema.
#[must_use]
pub fn validator(schema: &Value) -> Validator {
    with_neighbours(schema, Neighbours { strict: false })
}

#[expect(clippy::expect_used, reason = "a test without them is no test")]
fn with_neighbours(schema: &Value, neighbours: Neighbours) -> Validator {
    jsonschema::options()
        .should_validate_formats(true)
        .with_base_uri("file:///docs/schemas/one.schema.json")
        .with_retriever(neighbours)
        .build(schema)
        .expect("it is a schema")
}

/// The schema that refuses every key that it does not name: for tests, which have to notice a key without a description. For
/// others a schema of what is printed allows more keys, because later versions add some.
#[must_use]
pub fn strict(mut schema: Value) -> Value {
    fn close(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.values_mut().for_each(close);
                if members.contains_key("properties") && members.get("type") == Some(&"object".into()) {
                    members.insert("additionalProperties".into(), false.into());
                }
            }
            Value::Array(values) => values.iter_mut().for_each(close),
            _ => {}
        }
    }
    close(&mut schema);
    schema
}

/// What a document has against the strict form of a schema, a sentence each.
#[must_use]
pub fn complaints(name: &'static str, document: &Value) -> Vec<String> {
    static KNOWN: Mutex<BTreeMap<&'static str, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let validator =
        {
            let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(name).or_insert_with(|| {
                Arc::new(with_neighbours(&strict(read(name)), Neighbours { strict: true }))
            }))
        };
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The schemas beside a schema.
struct Neighbours {
    strict: bool,
}

impl Retrieve for Neighbours {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        let name = uri.path().as_str().rsplit('/').next().unwrap_or_default();
        let schema = serde_json::from_str(&fs::read_to_string(folder().join(name))?)?;
        Ok(if self.strict { strict(schema) } else { schema })
    }
}
