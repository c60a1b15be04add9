//! What keeps releases from being done, each cause once.

use serde_json::{Value, json};

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::commands::output::counted;
use crate::commands::unreleased::Unreleased;

/// So many releases are named one by one.
pub(super) const FEW: usize = 10;

/// Why some releases of an ENI are left.
#[derive(Debug)]
struct Cause<'u> {
    /// The words of the last attempt. Others differ from it in the `RequestId` only.
    why: &'u str,
    key: String,
    eni: Option<&'u EniId>,
    count: usize,
    attempts: u32,
    last_tried: Option<Timestamp>,
}

/// The causes, that of most releases first.
fn of(left: &[Unreleased]) -> Vec<Cause<'_>> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
    for one in left {
        let (eni, key) = (one.eni.as_ref(), without_request_ids(&one.why));
        let index = causes.iter().position(|it| it.eni == eni && it.key == key).unwrap_or_else(|| {
            causes.push(Cause { why: &one.why, key, eni, count: 0, attempts: 0, last_tried: None });
            causes.len() - 1
        });
        let cause = &mut causes[index];
        if one.last_tried > cause.last_tried {
            (cause.why, cause.last_tried) = (&one.why, one.last_tried);
        }
        cause.count += 1;
        cause.attempts = cause.attempts.max(one.attempts);
    }
    causes.sort_by(|one, other| (other.count, one.eni, one.why).cmp(&(one.count, other.eni, other.why)));
    causes
}

/// Each answer of ECS has an id of its own.
fn without_request_ids(why: &str) -> String {
    const BEFORE: &str = "RequestId ";
    let mut parts = why.split(BEFORE);
    let mut key = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        key.push_str(BEFORE);
        key.push_str(part.trim_start_matches(|it: char| it.is_ascii_alphanumeric() || it == '-'));
    }
    key
}

/// The causes, for programs.
pub(super) fn to_json(left: &[Unreleased]) -> Value {
    let cause = |it: &Cause<'_>| {
        json!({
            "why": it.why,
            "count": it.count,
            "networkInterfaceId": it.eni,
            "attempts": it.attempts,
            "lastTried": it.last_tried.map(Timestamp::to_seconds),
        })
    };
    of(left).iter().map(cause).collect()
}

/// What was done, how much is left, and a line for each cause; then a line for each release where there are few. Nothing of the
/// latter where nothing is left.
pub(super) fn in_words(done: &str, left: &[Unreleased], now: Timestamp) -> Vec<String> {
    let count = counted(left.len(), "release is", "releases are");
    let mut lines = vec![format!("{done}; {count} left:")];
    lines.extend(of(left).iter().map(|it| it.in_words(now)));
    if left.len() <= FEW {
        lines.extend(left.iter().map(Unreleased::still_releasing));
    } else {
        lines.push("`aliyun-eni-ipam list --state releasing` shows each of them".to_owned());
    }
    lines
}

impl Cause<'_> {
    fn in_words(&self, now: Timestamp) -> String {
        let tried = match self.last_tried {
            Some(moment) => {
                let attempts = counted(self.attempts as usize, "attempt", "attempts");
                format!(" (last tried {} ago, {attempts})", in_one_unit(moment.age(now).as_secs()))
            }
            None => String::new(),
        };
        format!("{:>6}  {}{tried}", self.count, self.why)
    }
}

/// An age, for a person to read.
fn in_one_unit(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200.. => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::attachment::Attachment;
    use crate::base::region::RegionId;
    use crate::store::{Allocation, ReleaseProgress};

    fn left(eni: &str, why: &str, attempts: u32, last_tried: Option<Timestamp>) -> Unreleased {
        let allocation = Allocation {
            owner: Attachment::nobody(),
            network: "pods".into(),
            eni: EniId::try_from(eni.to_owned()).unwrap(),
            region: RegionId::try_from("cn-hangzhou".to_owned()).unwrap(),
            addresses: Vec::new(),
            pod: None,
            boot_id: String::new(),
            since: Timestamp::now(),
        };
        let progress = ReleaseProgress { attempts, last_tried, ..ReleaseProgress::default() };
        Unreleased::new(&allocation, &progress, why.to_owned())
    }

    #[test]
    fn each_cause_is_counted_once_whatever_the_request_ids() {
        let now = Timestamp::now();
        let later = now.plus(Duration::from_secs(200));
        let all = [
            left("eni-1", "a request is in doubt until then", 0, None),
            left("eni-2", "refused: no; RequestId 9A-1; grant it", 1, Some(now)),
            left(
                "eni-2",
                "refused: no; RequestId 9B-2; grant it",
                4,
                Some(now.plus(Duration::from_secs(10))),
            ),
            left("eni-2", "refused: no; RequestId 9C-3; grant it", 0, None),
            left("eni-1", "refused: no; RequestId 9D-4; grant it", 2, Some(now)),
        ];
        assert_eq!(
            in_words("released 1 address on eni-1", &all, later)[..4],
            [
                "released 1 address on eni-1; 5 releases are left:",
                "     3  refused: no; RequestId 9B-2; grant it (last tried 3 min ago, 4 attempts)",
                "     1  a request is in doubt until then",
                "     1  refused: no; RequestId 9D-4; grant it (last tried 3 min ago, 2 attempts)",
            ]
        );
        let counts: u64 =
            to_json(&all).as_array().unwrap().iter().map(|it| it["count"].as_u64().unwrap()).sum();
        assert_eq!(counts, 5);
    }

    #[test]
    fn only_a_few_releases_are_named_one_by_one() {
        let all = |count| (0..count).map(|_| left("eni-1", "why", 0, None)).collect::<Vec<_>>();
        let now = Timestamp::now();
        assert_eq!(in_words("", &all(FEW), now).len(), 2 + FEW);
        let more = in_words("", &all(FEW + 1), now);
        assert!(more.len() == 3 && more[2].contains("list --state releasing"), "{more:?}");
    }
}
