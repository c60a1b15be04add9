//! What a command could not release.

use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::base::eni::EniId;
use crate::store::Allocation;

/// A release that is still to be done.
pub(super) struct Unreleased {
    /// The record, as people are told of it.
    record: String,
    pub(super) addresses: Vec<IpAddr>,
    eni: Option<EniId>,
    why: String,
}

impl Unreleased {
    pub(super) fn new(allocation: &Allocation, why: String) -> Self {
        let (record, eni) = (allocation.to_string(), Some(allocation.eni.clone()));
        Self { record, addresses: allocation.ips().collect(), eni, why }
    }

    /// Of a record that only a later version of the plugin can read.
    pub(super) fn unreadable(path: &Path, why: String) -> Self {
        Self { record: path.display().to_string(), addresses: Vec::new(), eni: None, why }
    }

    /// The line of `flush`, which a timer repeats.
    pub(super) fn still_releasing(&self) -> String {
        format!("{} is still releasing: {}", self.record, self.why)
    }

    /// The line of a command that a person runs once.
    pub(super) fn left_to_later_calls(&self) -> String {
        format!("{} is still releasing and is retried by later calls: {}", self.record, self.why)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "addresses": self.addresses,
            "networkInterfaceId": self.eni,
            "lastError": self.why,
        })
    }
}
