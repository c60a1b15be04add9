//! What is shown: the store by names in directories and one small file an ENI, and the totals.

use std::collections::BTreeMap;

use crate::base::clock::Timestamp;
use crate::base::region::Family;
use crate::store::{self, Census, State, Store};

use super::active_records::ActiveRecords;
use super::event::{DONE, Kind};
use super::facts::{self, name_of};
use super::histogram::Histogram;
use super::text::Text;
use super::totals::Totals;

/// Verbs whose histograms are there from the beginning: an alert on errors has to see the first one.
const ALWAYS: [&str; 2] = ["ADD", "DEL"];

/// Classes of results that are there as soon as an action is, for the same reason.
const CLASSES: [&str; 10] =
    ["ok", "done_already", "throttled", "stale", "full", "busy", "denied", "refused", "not_sent", "unknown"];

/// The whole text.
pub(super) fn render(store: &Store, active: ActiveRecords, totals: &Totals) -> store::Result<String> {
    let mut text = Text::default();
    show_store(&mut text, store, active, totals)?;
    show_calls(&mut text, totals);
    show_requests(&mut text, totals);
    let mut flushed = text.gauge("flush_timestamp_seconds", "When flush last ran to its end.");
    if let Some(at) = totals.facts.get(facts::FLUSHED) {
        flushed.add(&[], at);
    }
    text.gauge("build_info", "The version of the plugin that wrote this.")
        .add(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.gauge("written_timestamp_seconds", "When this was written.")
        .add(&[], Timestamp::now().unix_seconds());
    Ok(text.into_string())
}

fn show_store(text: &mut Text, store: &Store, active: ActiveRecords, totals: &Totals) -> store::Result<()> {
    let (releases, reserved) = (store.releases()?, store.reserved_census()?);
    let mut records = text.gauge("records", "Records in the store, by state.");
    for state in State::ALL {
        let count = match (state, active) {
            (State::Reserved, _) => reserved.values().sum(),
            (State::Releasing, _) => releases.count,
            (State::Active, ActiveRecords::Kept) => store.active_count()?,
            (State::Active, ActiveRecords::Counted) => store.count_active()?,
            _ => store.count(state)?,
        };
        records.add(&[("state", state.name())], count);
    }
    let mut by_eni = BTreeMap::new();
    for ((eni, _), count) in &reserved {
        *by_eni.entry(eni).or_insert(0) += count;
    }
    let mut samples = text.gauge("reserved_addresses", "Addresses in the reserve of the ENI.");
    for (eni, count) in &by_eni {
        samples.add(&[("eni", eni.as_str())], count);
    }

    let mut samples = text.gauge(
        "addresses",
        "Addresses of the ENI that are recorded, by state; those of pods as they were counted last.",
    );
    let mut add = |census: &Census, state: State| {
        for ((eni, family), count) in census {
            samples
                .add(&[("eni", eni.as_str()), ("family", name_of(*family)), ("state", state.name())], count);
        }
    };
    if let Some(census) = &totals.active {
        add(census, State::Active);
    }
    add(&releases.census(), State::Releasing);
    add(&reserved, State::Reserved);

    let mut samples = text.gauge(
        "oldest_release_timestamp_seconds",
        "When the oldest release of the ENI's addresses began that ECS has not confirmed.",
    );
    for (eni, began) in &releases.oldest {
        let eni = eni.as_ref().map_or("unknown", |eni| eni.as_str());
        samples.add(&[("eni", eni)], began.unix_seconds());
    }
    show_enis(text, store, totals)
}

fn show_enis(text: &mut Text, store: &Store, totals: &Totals) -> store::Result<()> {
    let (mut enis, now) = (store.known_enis()?, Timestamp::now());
    enis.sort();
    let states = enis.iter().map(|eni| Ok((eni.as_str(), store.eni_state(eni)?)));
    let states = states.collect::<store::Result<Vec<_>>>()?;
    let mut failures =
        text.gauge("release_failures", "How often in a row releases of the ENI's addresses have failed.");
    for (eni, state) in &states {
        failures.add(&[("eni", eni)], state.backoff.as_ref().map_or(0, |backoff| backoff.attempts));
    }
    let mut since = text.gauge(
        "releases_failing_since_timestamp_seconds",
        "When they began to fail; absent while they do not.",
    );
    for (eni, state) in &states {
        if let Some(backoff) = &state.backoff {
            since.add(&[("eni", eni)], backoff.since.unix_seconds());
        }
    }
    let mut full =
        text.gauge("eni_full", "Whether ECS had no address left for the ENI when it was asked last.");
    for (eni, state) in &states {
        full.add(&[("eni", eni)], u8::from(state.full_at(now).is_some()));
    }
    let mut quota = text.gauge(
        "eni_quota_addresses",
        "Addresses that the instance type allows the ENI, the primary one included; absent before flush knows it.",
    );
    for family in [Family::V4, Family::V6].map(name_of) {
        if let Some(count) = totals.facts.get(&facts::quota(family)) {
            for (eni, _) in &states {
                quota.add(&[("eni", eni), ("family", family)], count);
            }
        }
    }
    Ok(())
}

/// The calls, by whether they succeeded, and those that did not by the code of their error.
fn show_calls(text: &mut Text, totals: &Totals) {
    let mut calls: BTreeMap<(&str, &str), Histogram> = ALWAYS
        .iter()
        .flat_map(|verb| ["ok", "error"].map(|it| ((*verb, it), Histogram::default())))
        .collect();
    for (verb, code, histogram) in totals.of(Kind::Call) {
        let result = if code == DONE { "ok" } else { "error" };
        calls.entry((verb, result)).or_default().merge(histogram);
    }
    let mut samples =
        text.histogram("call_duration_seconds", "How long calls took that have opened the store.");
    for ((verb, result), histogram) in &calls {
        samples.add_histogram(&[("verb", verb), ("result", result)], histogram);
    }
    let mut samples = text.counter("call_errors_total", "Calls that have failed, by the code of the error.");
    for (verb, code, histogram) in totals.of(Kind::Call).filter(|(_, code, _)| *code != DONE) {
        samples.add(&[("verb", verb), ("code", code)], histogram.count());
    }
}

/// The requests to ECS, by action and class of the result.
fn show_requests(text: &mut Text, totals: &Totals) {
    let (mut durations, mut counts) = (BTreeMap::<&str, Histogram>::new(), BTreeMap::new());
    for (action, result, histogram) in totals.of(Kind::Request) {
        durations.entry(action).or_default().merge(histogram);
        counts.insert((action, result), histogram.count());
    }
    for action in durations.keys() {
        for class in CLASSES {
            counts.entry((*action, class)).or_insert(0);
        }
    }
    let mut samples =
        text.counter("ecs_requests_total", "Requests to ECS, by action and class of the result.");
    for ((action, result), count) in &counts {
        samples.add(&[("action", action), ("result", result)], count);
    }
    let mut samples =
        text.histogram("ecs_request_duration_seconds", "How long requests to ECS took, however they ended.");
    for (action, histogram) in &durations {
        samples.add_histogram(&[("action", action)], histogram);
    }
}
