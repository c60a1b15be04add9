//! What a flush of one store has tried, and so why a release is left.

use std::collections::BTreeMap;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::failure::Result;
use crate::pool::release::Drained;
use crate::store::Listed;

/// How it ended for each ENI that was not done.
pub(super) struct Tried {
    /// When it began.
    since: Timestamp,
    ended: BTreeMap<EniId, String>,
}

impl Tried {
    /// What has begun then, and ended like this.
    pub(super) fn new(since: Timestamp, drained: &[(EniId, Result<Drained>)]) -> Self {
        let why = |drained: &Result<Drained>| match drained {
            Ok(Drained::All) => None,
            Ok(Drained::Failing(error)) => Some(error.clone()),
            Ok(Drained::NoTime) if Deadline::are_all_over() => Some(ENDED.to_owned()),
            Ok(Drained::NoTime) => Some(NO_TIME.to_owned()),
            Err(failure) => Some(failure.to_string()),
        };
        let ended = drained.iter().filter_map(|(eni, drained)| Some((eni.clone(), why(drained)?)));
        Self { since, ended: ended.collect() }
    }

    /// Why this release is left: what came of it now and not in an earlier attempt, or else what kept it from being tried.
    pub(super) fn why_left(&self, listed: &Listed) -> String {
        let progress = &listed.progress;
        let is_from_now_on = |moment: &Timestamp| moment.age(self.since).is_zero();
        let of_eni = listed.allocation.as_ref().and_then(|it| self.ended.get(&it.eni));
        let is_tried = progress.last_tried.as_ref().is_some_and(is_from_now_on);
        // Where its ENI was not given up, the earlier failure is why it waits.
        let own = progress.last_error.as_ref().filter(|_| is_tried || of_eni.is_none());
        if let Some(why) = own.or(of_eni) {
            return why.clone();
        }
        let requests = progress.in_doubt.iter().filter_map(|ask| ask.not_before);
        match progress.not_before.or_else(|| requests.max()) {
            Some(moment) => format!("a request is in doubt until {}", moment.to_seconds()),
            // The name of a release says to the second when it began.
            None if listed.releasing_since.is_some_and(|began| !self.since.is_ahead_of(began)) => {
                BEGAN_MEANWHILE.to_owned()
            }
            None => NOT_TRIED.to_owned(),
        }
    }
}

const NO_TIME: &str =
    "the time of this flush was over before its turn came: run it again, or with a longer `--timeout`";

const ENDED: &str = "this flush was told to end before its turn came";

const BEGAN_MEANWHILE: &str = "its release began while this flush was running";

const NOT_TRIED: &str = "this flush did not come to it: run it again";
