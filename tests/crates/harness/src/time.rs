//! Time that passes without anybody waiting for it: the store's clock is what its files say.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::Node;

/// Stands before each text of an ADD's intent.
const BEGIN: u8 = 0x1e;

impl Node {
    /// Makes everything in the store older by `time`, as if nobody had called the plugin for that long. No call may be
    /// running.
    ///
    /// Every moment in a file goes back, so that what is apart stays apart: those of the wall clock and, in a `clock` of both
    /// clocks, those of the boot's. What is older than the boot then was written in the boot before.
    ///
    /// # Panics
    /// When the store cannot be read or written.
    pub fn let_time_pass(&self, time: Duration) {
        let mut seen = BTreeSet::new();
        for directory in ["assigning", "active", "releasing", "eni", "cache"] {
            let files = fs::read_dir(self.store().join(directory)).into_iter().flatten();
            for file in files.map(|entry| entry.expect("the store can be read").path()) {
                let inode = fs::metadata(&file).expect("the store can be read").ino();
                if seen.insert(inode) {
                    make_older(&file, time);
                }
            }
        }
    }
}

/// Rewrites a file in place: a record has a second name.
fn make_older(file: &Path, time: Duration) {
    let content = fs::read(file).expect("the store can be read");
    let texts: Vec<_> = content.split(|&byte| byte == BEGIN).map(|text| older_text(text, time)).collect();
    fs::write(file, texts.join(&BEGIN)).expect("the store can be written");
}

/// A JSON text that is older; whatever else it is stays as it is.
fn older_text(text: &[u8], time: Duration) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice(text) else { return text.to_owned() };
    shift(&mut value, time);
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
            members.values_mut().for_each(|value| shift(value, time));
            shift_boot(members, time);
        }
        _ => {}
    }
}

/// The boot's clock counts milliseconds from the boot.
fn shift_boot(clock: &mut Map<String, Value>, time: Duration) {
    let Some(boot) = clock.get("boot").and_then(Value::as_u64).filter(|_| clock.contains_key("bootId"))
    else {
        return;
    };
    let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match boot.checked_sub(time) {
        Some(earlier) => clock.insert("boot".into(), earlier.into()),
        None => clock.insert("bootId".into(), "the boot before".into()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MINUTE: Duration = Duration::from_mins(1);

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
    fn both_clocks_go_back_and_what_would_be_before_the_boot_was_written_in_another() {
        let clock =
            |boot_id: &str, wall: &str, boot: u64| json!({"bootId": boot_id, "wall": wall, "boot": boot});
        assert_eq!(
            older(&clock("b", "2026-11-22T09:12:44.250Z", 90_000)),
            clock("b", "2026-11-22T09:11:44.250Z", 30_000)
        );
        assert_eq!(
            older(&clock("b", "2026-11-22T09:12:44.250Z", 30_000)),
            clock("the boot before", "2026-11-22T09:11:44.250Z", 30_000)
        );
    }

    #[test]
    fn each_text_of_an_intent_is_one_of_its_own_and_what_is_torn_stays_torn() {
        let intent = b"\x1e{\"since\":\"2026-11-22T09:12:44.250Z\"}\n\x1e{\"deleted\"";
        let texts: Vec<_> =
            intent.split(|&byte| byte == BEGIN).map(|text| older_text(text, MINUTE)).collect();
        let expected = b"\x1e{\"since\":\"2026-11-22T09:11:44.250Z\"}\n\x1e{\"deleted\"";
        assert_eq!(texts.join(&BEGIN), expected);
    }
}
