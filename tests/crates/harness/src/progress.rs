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

    /// The releases that could have been done: nothing of them is in doubt, and they do not wait for a moment that is still to
    /// come. Those that were damaged, too.
    #[must_use]
    pub fn overdue(&self) -> Vec<String> {
        let now = SystemTime::now();
        let files = fs::read_dir(self.store().join("releasing")).into_iter().flatten().flatten();
        let finished = files.filter(|file| !file.file_name().to_string_lossy().starts_with('.'));
        let texts = finished.filter_map(|file| fs::read_to_string(file.path()).ok());
        texts.filter(|text| !waits(text, now)).collect()
    }
}

/// Whether something of a release is in doubt, or it is left alone for a while.
fn waits(release: &str, now: SystemTime) -> bool {
    let record: Value = serde_json::from_str(release).unwrap_or_default();
    let is_ahead = |moment: &Value, lag: Duration| {
        let moment = moment.as_str().and_then(|text| humantime::parse_rfc3339(text).ok());
        moment.is_some_and(|moment| moment + lag > now)
    };
    let release = &record["release"];
    let mut requests = release["unanswered"].as_array().into_iter().flatten();
    is_ahead(&release["notBefore"], Duration::ZERO)
        || requests.any(|request| is_ahead(&request["openUntil"], DESCRIBE_LAG))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_release_waits_for_a_moment_that_is_to_come_and_for_what_is_in_doubt() {
        let now = humantime::parse_rfc3339("2026-11-22T09:00:00Z").unwrap();
        let with = |release: Value| json!({"allocation": {}, "release": release}).to_string();
        let requests = |until: &str| with(json!({"notBefore": null, "unanswered": [{"openUntil": until}]}));
        for (release, expected) in [
            (json!({"allocation": {}}).to_string(), false),
            (with(json!({"notBefore": "2026-11-22T09:00:01Z"})), true),
            (with(json!({"notBefore": "2026-11-22T08:59:59Z"})), false),
            (requests("2026-11-22T08:59:01Z"), true),
            (requests("2026-11-22T08:58:59Z"), false),
            ("damaged".to_owned(), false),
        ] {
            assert_eq!(waits(&release, now), expected, "{release}");
        }
    }
}
