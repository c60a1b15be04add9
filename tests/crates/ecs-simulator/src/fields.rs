//! Reading JSON objects that people write: a mistyped key or value is an error that names it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

/// The members of an object that have not been read.
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(crate) fn of(value: &Value) -> Result<Self, String> {
        value.as_object().cloned().map(Self).ok_or_else(|| format!("not an object: {value}"))
    }

    /// Takes a member; `null` is as good as absent.
    fn take<T>(&mut self, key: &str, convert: impl FnOnce(&Value) -> Option<T>) -> Result<Option<T>, String> {
        match self.0.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => convert(&value).map(Some).ok_or_else(|| format!("wrong value of {key}: {value}")),
        }
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        self.take(key, |value| value.as_str().map(str::to_owned))
    }

    pub(crate) fn number<T: TryFrom<i64>>(&mut self, key: &str) -> Result<Option<T>, String> {
        self.take(key, |value| T::try_from(value.as_i64()?).ok())
    }

    pub(crate) fn fraction(&mut self, key: &str) -> Result<Option<f64>, String> {
        self.take(key, Value::as_f64)
    }

    pub(crate) fn milliseconds(&mut self, key: &str) -> Result<Option<Duration>, String> {
        self.take(key, |value| value.as_u64().map(Duration::from_millis))
    }

    /// Takes a member that is written as a text.
    pub(crate) fn parsed<T: std::str::FromStr>(&mut self, key: &str) -> Result<Option<T>, String> {
        self.take(key, |value| value.as_str()?.parse().ok())
    }

    /// Takes the members of an array, none where there is no array.
    pub(crate) fn list(&mut self, key: &str) -> Result<Vec<Value>, String> {
        Ok(self.take(key, |value| value.as_array().cloned())?.unwrap_or_default())
    }

    /// Takes an object of texts, empty where there is none.
    pub(crate) fn texts(&mut self, key: &str) -> Result<BTreeMap<String, String>, String> {
        let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        Ok(self.take(key, |value| value.as_object()?.iter().map(text).collect())?.unwrap_or_default())
    }

    /// Takes a member that is one of a few words.
    pub(crate) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, String> {
        self.take(key, |value| {
            let text = value.as_str()?;
            words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
        })
    }

    /// Makes sure that every member has been read.
    pub(crate) fn finish(self) -> Result<(), String> {
        self.0.keys().next().map_or(Ok(()), |key| Err(format!("unknown key {key}")))
    }
}

/// What has to be there.
pub(crate) fn required<T>(key: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("{key} is missing"))
}
