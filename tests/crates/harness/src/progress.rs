//! What is left to be done, and what of it has to wait.

use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::Node;

/// How long a description may lag behind.
const DESCRIBE_LAG: Duration = Duration::from_mins(1);

impl Node {
    /// After this time nothing waits any more. A request in doubt can be carried out for a minute after its last copy was sent,
    /// a description may lag behind by another, and what was refused is left alone for five minutes at the most.
    pub const NOTHING_WAITS: Duration = Duration::from_mins(8);

    /// The releases that could have been done: they are not left alone for a while, and name something that is not in doubt.
    /// Those that were damaged, too.
    #[must_use]
    pub fn overdue(&self) -> Vec<String> {
        let now = SystemTime::now();
        self.releases().filter(|text| !waits(text, now)).collect()
    }

    /// How many addresses and requests in doubt are to be released, and ADDs to be ended. No ADD may be running.
    #[must_use]
    pub fn left_behind(&self) -> usize {
        let intents = fs::read_dir(self.store().join("assigning")).into_iter().flatten().flatten();
        let finished = intents.filter(|file| !file.file_name().to_string_lossy().starts_with('.'));
        let releases = self.releases().map(|text| {
            let record: Value = serde_json::from_str(&text).unwrap_or_default();
            let count = |list: &Value| list.as_array().map_or(0, Vec::len);
            count(&record["allocation"]["addresses"]) + count(&record["release"]["unanswered"])
        });
        releases.sum::<usize>() + finished.count()
    }

    fn releases(&self) -> impl Iterator<Item = String> {
        let files = fs::read_dir(self.store().join("releasing")).into_iter().flatten().flatten();
        let finished = files.filter(|file| !file.file_name().to_string_lossy().starts_with('.'));
        finished.filter_map(|file| fs::read_to_string(file.path()).ok())
    }
}

/// Whether a release is left alone for a while, or names nothing but requests in doubt: addresses that it names do not wait for
/// those.
fn waits(release: &str, now: SystemTime) -> bool {
    let record: Value = serde_json::from_str(release).unwrap_or_default();
    let is_ahead = |moment: &Value, lag: Duration| {
        let moment = moment.as_str().and_then(|text| humantime::parse_rfc3339(text).ok());
        moment.is_some_and(|moment| moment + lag > now)
    };
    let release = &record["release"];
    let names_addresses = record["allocation"]["addresses"].as_array().is_some_and(|them| !them.is_empty());
    let mut requests = release["unanswered"].as_array().into_iter().flatten();
    is_ahead(&release["notBefore"], Duration::ZERO)
        || (!names_addresses && requests.any(|request| is_ahead(&request["openUntil"], DESCRIBE_LAG)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_release_waits_for_a_moment_that_is_to_come_and_only_what_is_in_doubt_for_its_end() {
        let now = humantime::parse_rfc3339("2026-11-22T09:00:00Z").unwrap();
        let with = |release: Value| json!({"allocation": {}, "release": release}).to_string();
        let requests = |until: &str| with(json!({"notBefore": null, "unanswered": [{"openUntil": until}]}));
        let mut named: Value = serde_json::from_str(&requests("2026-11-22T08:59:01Z")).unwrap();
        named["allocation"]["addresses"] = json!([{"address": "192.168.0.1/24"}]);
        for (release, expected) in [
            (json!({"allocation": {}}).to_string(), false),
            (with(json!({"notBefore": "2026-11-22T09:00:01Z"})), true),
            (with(json!({"notBefore": "2026-11-22T08:59:59Z"})), false),
            (requests("2026-11-22T08:59:01Z"), true),
            (requests("2026-11-22T08:58:59Z"), false),
            (named.to_string(), false),
            ("damaged".to_owned(), false),
        ] {
            assert_eq!(waits(&release, now), expected, "{release}");
        }
    }
}
