//! Time that passes without anybody waiting for it: the store's clock is what its files say.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::Node;

/// Stands before each text of an ADD's intent.
const BEGIN: u8 = 0x1e;

/// Stands before those of them that may be missing.
const HINT: u8 = 0;

impl Node {
    /// Makes everything in the store older by `time`, as if nobody had called the plugin for that long. No call may be
    /// running.
    ///
    /// Every moment in a file goes back, so that what is apart stays apart. Only the `clock` of a document stays: it says by
    /// which setting of the wall clock the moments are, and time that passes sets no clock.
    ///
    /// # Panics
    /// When the store cannot be read or written.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn let_time_pass(&self, time: Duration) {
        make_store_older(&self.store(), time).expect("the store can be read and written");
    }
}

fn make_store_older(store: &Path, time: Duration) -> io::Result<()> {
    each_file(store, |file| make_older(file, time))
}

/// Does this to each file of a store once: a record has a second name, and the entries of one answer are names of one file.
pub(crate) fn each_file(store: &Path, mut change: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut seen = BTreeSet::new();
    let reserved = fs::read_dir(store.join("reserved")).into_iter().flatten().flatten();
    let directories = ["assigning", "active", "releasing", "eni", "cache"].map(|it| store.join(it));
    for directory in directories.into_iter().chain(reserved.map(|eni| eni.path())) {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let entry = entry?;
            if seen.insert(entry.metadata()?.ino()) {
                change(&entry.path())?;
            }
        }
    }
    Ok(())
}

fn make_older(file: &Path, time: Duration) -> io::Result<()> {
    each_text(file, |value| shift(value, time))
}

/// Rewrites each JSON text of a file in place, under all of its names; whatever else is in it stays as it is.
pub(crate) fn each_text(file: &Path, change: impl FnMut(&mut Value)) -> io::Result<()> {
    fs::write(file, changed(&fs::read(file)?, change))
}

/// The same for the content of a file.
pub(crate) fn changed(content: &[u8], mut change: impl FnMut(&mut Value)) -> Vec<u8> {
    let texts: Vec<_> =
        content.split(|&byte| byte == BEGIN).map(|text| changed_text(text, &mut change)).collect();
    texts.join(&BEGIN)
}

fn changed_text(text: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    if let Some(hint) = text.strip_prefix(&[HINT]) {
        return [&[HINT], changed_text(hint, change).as_slice()].concat();
    }
    let Ok(mut value) = serde_json::from_slice(text) else { return text.to_owned() };
    change(&mut value);
    // It would be that of another text. Without one, a record is read all the same.
    if let Value::Object(document) = &mut value {
        document.remove("digest");
    }
    [value.to_string().as_bytes(), b"\n"].concat()
}

fn shift(value: &mut Value, time: Duration) {
    match value {
        Value::String(text) => {
            if let Some(moment) = humantime::parse_rfc3339(text).ok().and_then(|it| it.checked_sub(time)) {
                *text = humantime::format_rfc3339_millis(moment).to_string();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| shift(value, time)),
        Value::Object(members) => {
            members.iter_mut().filter(|(key, _)| *key != "clock").for_each(|(_, value)| shift(value, time));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MINUTE: Duration = Duration::from_mins(1);

    fn older_text(text: &[u8]) -> Vec<u8> {
        changed_text(text, |value| shift(value, MINUTE))
    }

    fn older(value: &Value) -> Value {
        let mut value = value.clone();
        shift(&mut value, MINUTE);
        value
    }

    #[test]
    fn every_moment_goes_back_and_nothing_else_changes() {
        let record = json!({"since": "2026-11-22T09:12:44.250Z", "id": "pod-2026", "attempts": 3,
            "requests": [{"openUntil": "2026-11-22T00:00:30Z", "notBefore": null}]});
        let expected = json!({"since": "2026-11-22T09:11:44.250Z", "id": "pod-2026", "attempts": 3,
            "requests": [{"openUntil": "2026-11-21T23:59:30.000Z", "notBefore": null}]});
        assert_eq!(older(&record), expected);
    }

    #[test]
    fn the_setting_of_the_clock_stays() {
        let clock = json!({"bootId": "b", "bootBegan": "2026-11-20T17:01:09.730Z"});
        let document = |since: &str| json!({"since": since, "clock": clock});
        assert_eq!(older(&document("2026-11-22T09:12:44.250Z")), document("2026-11-22T09:11:44.250Z"));
    }

    #[test]
    fn a_digest_does_not_outlive_its_text() {
        let record = br#"{"since":"2026-11-22T09:12:44.250Z","digest":"0f"}"#;
        assert_eq!(older_text(record), b"{\"since\":\"2026-11-22T09:11:44.250Z\"}\n");
    }

    #[test]
    fn a_hint_of_an_intent_gets_older_too() {
        let hint = b"\0{\"until\":\"2026-11-22T09:12:44.250Z\",\"digest\":\"0f\"}\n";
        assert_eq!(older_text(hint), b"\0{\"until\":\"2026-11-22T09:11:44.250Z\"}\n");
    }

    #[test]
    fn each_text_of_an_intent_is_one_of_its_own_and_what_is_torn_stays_torn() {
        let intent = b"\x1e{\"since\":\"2026-11-22T09:12:44.250Z\"}\n\x1e{\"deleted\"";
        let texts: Vec<_> = intent.split(|&byte| byte == BEGIN).map(older_text).collect();
        let expected = b"\x1e{\"since\":\"2026-11-22T09:11:44.250Z\"}\n\x1e{\"deleted\"";
        assert_eq!(texts.join(&BEGIN), expected);
    }
}
