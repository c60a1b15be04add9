//! What a person wants to see of the records, and in which order.

use crate::store::State;

/// The options of `list`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::commands) struct ListOptions {
    /// Only records in one of these states; empty for all.
    pub(in crate::commands) states: Vec<State>,
    /// Only records of this pod: `namespace/name`, or the name alone.
    pub(in crate::commands) pod: Option<String>,
    /// What the records are sorted by; by state if absent.
    pub(in crate::commands) sort: Option<SortKey>,
}

/// What records can be sorted by. Where two are equal, state, pod and address decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum SortKey {
    /// In the order in which a record moves.
    State,
    /// By number, IPv4 first.
    Address,
    /// By name.
    Pod,
    /// By name.
    Network,
    /// By id.
    Eni,
    /// The oldest first.
    Age,
    /// The most first.
    Attempts,
}

impl SortKey {
    /// Every key.
    pub(in crate::commands) const ALL: [Self; 7] =
        [Self::State, Self::Address, Self::Pod, Self::Network, Self::Eni, Self::Age, Self::Attempts];

    /// Its name, as a person types it.
    pub(in crate::commands) fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Address => "address",
            Self::Pod => "pod",
            Self::Network => "network",
            Self::Eni => "eni",
            Self::Age => "age",
            Self::Attempts => "attempts",
        }
    }
}
