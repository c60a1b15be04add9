//! A temporary key as it is kept, and until when it serves.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::keys::is_part;
use crate::base::access_key::{AccessKey, Secret};

/// The longest that a key is used without asking whether the instance still has the role it is of.
const MAX_AGE: Duration = Duration::from_hours(1);

/// How long before its end a key is replaced: at most this, as the official SDKs do (they say `stale`), and a fifth of
/// its life when that is short. ECS has the successor of a role's key ready half an hour before the end.
const MARGIN: Duration = Duration::from_mins(15);

/// How long a key serves whatever its times say: a clock that is wrong must not make every process fetch.
const MIN_AGE: Duration = Duration::from_mins(1);

/// How long a key must at least last to be worth signing with.
const LAST: Duration = Duration::from_secs(30);

/// The form of the file. One of another version is fetched anew.
const VERSION: u64 = 1;

/// A key that ends, and when it was fetched.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CachedKey {
    pub(super) key: AccessKey,
    pub(super) fetched: SystemTime,
}

impl CachedKey {
    /// Whether the key may be used without looking for a newer one.
    pub(super) fn is_fresh(&self, now: SystemTime) -> bool {
        // From the future: the clock was set back, and nothing can be said of its age.
        let Ok(age) = now.duration_since(self.fetched) else { return false };
        let Some(expires) = self.key.expires else { return age < MAX_AGE };
        let life = expires.duration_since(self.fetched).unwrap_or_default();
        let margin = MARGIN.min(life / 5);
        age < MIN_AGE || (age < MAX_AGE && age + margin < life)
    }

    /// Whether the key still works, for want of a newer one.
    pub(super) fn is_usable(&self, now: SystemTime) -> bool {
        self.key.expires.is_some_and(|expires| now + LAST < expires)
    }

    /// The text of the file, for the keys of `identity`.
    pub(super) fn to_text(&self, identity: &str) -> String {
        let seconds = |moment: SystemTime| moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let key = &self.key;
        json!({
            "version": VERSION,
            "identity": identity,
            "fetched": seconds(self.fetched),
            "accessKeyId": key.access_key_id,
            "accessKeySecret": key.access_key_secret.expose(),
            "securityToken": key.security_token.as_ref().map(Secret::expose),
            "expires": key.expires.map(seconds),
        })
        .to_string()
    }

    /// Reads such a text; nothing when it is of another version or identity, or none.
    pub(super) fn parse(text: &str, identity: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let ours = value.get("version")?.as_u64()? == VERSION && value.get("identity")?.as_str()? == identity;
        ours.then_some(())?;
        let moment = |name: &str| UNIX_EPOCH.checked_add(Duration::from_secs(value.get(name)?.as_u64()?));
        let part = |name: &str| value.get(name)?.as_str().filter(|part| is_part(part));
        let (id, secret, token) = (part("accessKeyId")?, part("accessKeySecret")?, part("securityToken")?);
        let key = AccessKey::temporary(id, secret, token, Some(moment("expires")?));
        Some(Self { key, fetched: moment("fetched")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn kept(life: Duration) -> CachedKey {
        let fetched = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        CachedKey { key: AccessKey::temporary("STS.1", "s", "t", Some(fetched + life)), fetched }
    }

    #[test]
    fn a_key_survives_its_written_form() {
        let kept = kept(MINUTE);
        assert_eq!(CachedKey::parse(&kept.to_text("i"), "i"), Some(kept));
    }

    #[test]
    fn a_file_that_makes_no_sense_is_as_good_as_none() {
        let good = kept(MINUTE).to_text("i");
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("\"identity\":\"i\"", "\"identity\":\"j\""),
            ("\"STS.1\"", "\"\""),
            ("\"STS.1\"", "\"a b\""),
            ("\"STS.1\"", &format!("\"{}\"", "x".repeat(9000))),
            ("\"STS.1\"", "7"),
            ("1800000060", "\"soon\""),
            ("1800000060", "-1"),
            ("1800000060", "18446744073709551615"),
            ("}", ""),
        ] {
            assert!(good.contains(from), "{from}");
            assert_eq!(CachedKey::parse(&good.replacen(from, to, 1), "i"), None, "{from} to {to}");
        }
        assert_eq!(CachedKey::parse("", "i"), None);
    }

    #[test]
    fn a_key_serves_until_some_time_before_its_end_and_an_hour_at_most() {
        for (life, fresh, stale) in [
            (MINUTE * 360, MINUTE * 59, MINUTE * 60),
            (MINUTE * 60, MINUTE * 47, MINUTE * 49),
            (MINUTE * 15, MINUTE * 11, MINUTE * 13),
        ] {
            let kept = kept(life);
            assert!(kept.is_fresh(kept.fetched + fresh), "{life:?}");
            assert!(!kept.is_fresh(kept.fetched + stale), "{life:?}");
        }
    }

    #[test]
    fn a_wrong_clock_does_not_make_every_process_fetch() {
        let expired_already = kept(Duration::ZERO);
        assert!(expired_already.is_fresh(expired_already.fetched + MINUTE / 2));
        assert!(!expired_already.is_fresh(expired_already.fetched + MINUTE));
        assert!(!expired_already.is_fresh(expired_already.fetched - MINUTE));
    }

    #[test]
    fn an_old_key_is_usable_until_its_end() {
        let kept = kept(MINUTE * 15);
        assert!(kept.is_usable(kept.fetched + MINUTE * 14));
        assert!(!kept.is_usable(kept.fetched + MINUTE * 15));
    }
}
