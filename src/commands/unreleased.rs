//! What a command could not release.

use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::store::{Allocation, ReleaseProgress};

/// A release that is still to be done.
#[derive(Debug)]
pub(super) struct Unreleased {
    /// The record, as people are told of it.
    record: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) eni: Option<EniId>,
    pub(super) why: String,
    /// How often it has failed, and when for the last time.
    pub(super) attempts: u32,
    pub(super) last_tried: Option<Timestamp>,
}

impl Unreleased {
    pub(super) fn new(allocation: &Allocation, progress: &ReleaseProgress, why: String) -> Self {
        let pod = allocation.pod.as_ref().map(|pod| format!(", of pod {pod},"));
        Self {
            record: format!("{allocation}{}", pod.unwrap_or_default()),
            addresses: allocation.ips().collect(),
            eni: Some(allocation.eni.clone()),
            why,
            attempts: progress.attempts,
            last_tried: progress.last_tried,
        }
    }

    /// Of a record that only a later version of the plugin can read.
    pub(super) fn unreadable(path: &Path, why: String) -> Self {
        let record = path.display().to_string();
        Self { record, addresses: Vec::new(), eni: None, why, attempts: 0, last_tried: None }
    }

    /// The line of one release below the causes.
    pub(super) fn still_releasing(&self) -> String {
        format!("{} is still releasing", self.record)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "addresses": self.addresses,
            "networkInterfaceId": self.eni,
            "lastError": self.why,
        })
    }
}
