//! The records that `list` shows: those of every store, chosen and in order.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use crate::base::attachment::Pod;
use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::commands::list::options::{ListOptions, SortKey};
use crate::pool::release::next_try;
use crate::store::{self, EniState, Listed, State, Store};

/// One record as `list` shows it.
pub(super) struct Row {
    pub(super) listed: Listed,
    /// Before when no call tries to release it; `None` of what is not releasing, and where the next call does.
    pub(super) next_try: Option<Timestamp>,
}

impl Row {
    /// The network, where known.
    pub(super) fn network(&self) -> Option<&str> {
        self.listed.allocation.as_ref().map(|it| it.network.as_str())
    }

    /// The ENI, where known.
    pub(super) fn eni(&self) -> Option<&EniId> {
        self.listed.allocation.as_ref().map(|it| &it.eni)
    }

    fn pod(&self) -> Option<&Pod> {
        self.listed.allocation.as_ref()?.pod.as_ref()
    }

    /// The pod, for people.
    pub(super) fn pod_name(&self) -> Option<String> {
        self.pod().map(ToString::to_string)
    }

    /// Since when it is in its state, where known: of an active record, since when the addresses are assigned.
    pub(super) fn in_state_since(&self) -> Option<Timestamp> {
        match self.listed.state {
            State::Releasing => self.listed.releasing_since,
            _ => self.listed.allocation.as_ref().map(|it| it.since),
        }
    }
}

/// Why a release waits that nobody has tried, because the request that it is about is still under way or has to be repeated.
const IN_DOUBT: &str = "a request to assign addresses is in doubt";

/// Reads every record of a store. A release without an error of its own gets that of its ENI, which is the reason that it was not
/// tried.
pub(super) fn read(directory: &Path, now: Timestamp) -> store::Result<Vec<Row>> {
    let store = Store::open(directory)?;
    let mut states = BTreeMap::new();
    let mut rows = Vec::new();
    for mut listed in store.list()? {
        let mut not_before = None;
        if let (State::Releasing, Some(allocation)) = (listed.state, &listed.allocation) {
            let state: &EniState = match states.entry(allocation.eni.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(store.eni_state(&allocation.eni)?),
            };
            not_before = next_try(!allocation.addresses.is_empty(), &listed.progress, state, now);
            let of_eni = || state.backoff.as_ref().map(|backoff| backoff.error.clone());
            let in_doubt = || (!listed.progress.in_doubt.is_empty()).then(|| IN_DOUBT.to_owned());
            let own = listed.progress.last_error.take();
            listed.progress.last_error = own.or_else(of_eni).or_else(in_doubt);
        }
        rows.push(Row { listed, next_try: not_before });
    }
    Ok(rows)
}

/// Whether a person wants to see this record. One that does not say its network is of any.
pub(super) fn is_wanted(row: &Row, network: Option<&str>, options: &ListOptions) -> bool {
    let in_state = options.states.is_empty() || options.states.contains(&row.listed.state);
    let of_network = network.is_none_or(|name| row.network().is_none_or(|its| its == name));
    let is_called = |name: &String| {
        row.pod().is_some_and(|pod| pod.to_string() == *name || (!name.is_empty() && pod.name == *name))
    };
    in_state && of_network && options.pod.as_ref().is_none_or(is_called)
}

/// Sorts by `key`, and by state, pod and address where that decides nothing.
pub(super) fn sort(rows: &mut [Row], key: SortKey) {
    rows.sort_by(|one, other| by(key, one, other).then_with(|| by_default(one, other)));
}

fn by_default(one: &Row, other: &Row) -> Ordering {
    let keys = [SortKey::State, SortKey::Pod, SortKey::Address];
    keys.into_iter().map(|key| by(key, one, other)).find(|it| it.is_ne()).unwrap_or(Ordering::Equal)
}

fn by(key: SortKey, one: &Row, other: &Row) -> Ordering {
    match key {
        SortKey::State => one.listed.state.cmp(&other.listed.state),
        SortKey::Address => last(first_address(one)).cmp(&last(first_address(other))),
        SortKey::Pod => last(one.pod_name()).cmp(&last(other.pod_name())),
        SortKey::Network => last(one.network()).cmp(&last(other.network())),
        SortKey::Eni => last(one.eni()).cmp(&last(other.eni())),
        SortKey::Age => last(one.in_state_since()).cmp(&last(other.in_state_since())),
        SortKey::Attempts => {
            Reverse(one.listed.progress.attempts).cmp(&Reverse(other.listed.progress.attempts))
        }
    }
}

fn first_address(row: &Row) -> Option<std::net::IpAddr> {
    row.listed.allocation.as_ref()?.ips().next()
}

/// What is not known comes behind what is.
fn last<T>(value: Option<T>) -> (bool, Option<T>) {
    (value.is_none(), value)
}
