//! The record of a pod's addresses, and its form on disk.
//!
//! A record is one JSON object, small enough to be read by a person with `cat`:
//! ```json
//! {"schema": 1,
//!  "allocation": {"owner": {"containerId": "4f1c...", "ifname": "eth0"}, "network": "pods",
//!                 "networkInterfaceId": "eni-bp1...", "regionId": "cn-hangzhou",
//!                 "addresses": [{"address": "192.168.0.112/24", "gateway": "192.168.0.253"}],
//!                 "pod": {"namespace": "default", "name": "web-0", "uid": "..."},
//!                 "bootId": "...", "since": "2026-11-22T09:12:44.250Z"},
//!  "release": {"attempts": 1, "lastError": "...", "notBefore": null, "unanswered": []},
//!  "clock": {"bootId": "...", "bootBegan": "2026-11-20T17:01:09.730Z"},
//!  "digest": "..."}
//! ```
//! A file moves from `active/` to `releasing/` as it is; `release` appears when there is something to tell.

use std::borrow::Borrow;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::base::address::Address;
use crate::base::attachment::{Attachment, Pod};
use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::base::logging::Event;
use crate::base::region::RegionId;
use crate::store::digest::seal;
use crate::store::eni_state::{IN_DOUBT_FOR, MAX_WAIT};
use crate::store::error::Result;
use crate::store::schema::{Misread, SCHEMA, encode_with_clock, parse};

/// Addresses on an ENI, and the attachment that owns them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allocation {
    /// The attachment that owns them.
    pub owner: Attachment,
    /// The network's name at the ADD; GC alone asks.
    pub network: String,
    /// The ENI that has the addresses.
    #[serde(rename = "networkInterfaceId")]
    pub eni: EniId,
    /// The region of the ENI.
    #[serde(rename = "regionId")]
    pub region: RegionId,
    /// The addresses, in the order of the result.
    pub addresses: Vec<Address>,
    /// The pod, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
    /// The boot in which the ADD ran.
    #[serde(default)]
    pub boot_id: String,
    /// When the last of the addresses was assigned; before there are any, when the ADD began.
    pub since: Timestamp,
}

impl Allocation {
    /// Adds an address that ECS has just assigned.
    pub fn add(&mut self, address: Address) {
        self.addresses.push(address);
        self.since = Timestamp::now();
    }

    /// A line of the log about its attachment, its addresses and its ENI.
    pub(crate) fn event(&self, message: &'static str) -> Event {
        let event = Event::new(message).of(&self.owner, self.pod.as_ref(), &self.network);
        event.addresses(self.ips()).eni(&self.eni)
    }

    /// The addresses alone.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().map(|address| address.address.ip())
    }
}

/// The addresses and their ENI, for people.
impl fmt::Display for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addresses.as_slice() {
            [] => write!(f, "an interrupted ADD on {}", self.eni),
            _ => write!(f, "{} on {}", join(self.ips()), self.eni),
        }
    }
}

/// Addresses separated by commas, for people.
pub(crate) fn join<A: Borrow<IpAddr>>(addresses: impl IntoIterator<Item = A>) -> String {
    addresses.into_iter().map(|address| address.borrow().to_string()).collect::<Vec<_>>().join(", ")
}

/// A request to assign addresses, with everything needed to repeat it exactly. With the same `ClientToken`, ECS carries
/// it out only once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignRequest {
    /// The ENI that was to get the addresses.
    #[serde(rename = "networkInterfaceId")]
    pub eni: EniId,
    /// The region of the ENI.
    #[serde(rename = "regionId")]
    pub region: RegionId,
    /// The `ClientToken`, by which ECS recognises a repetition.
    pub client_token: String,
    /// From this moment on no copy of the request that was ever sent can still take effect.
    #[serde(rename = "openUntil")]
    pub in_doubt_until: Timestamp,
    /// IPv6 addresses instead of IPv4 ones.
    #[serde(default)]
    pub ipv6: bool,
    /// These addresses; empty for [`AssignRequest::count`] of ECS's choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// How many addresses of ECS's choice, where none is named.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: usize,
    /// The CIDR block of the vSwitch, where it is known: an answer with an address outside it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<IpNetwork>,
    /// The ENI's primary addresses, as far as they are known: an answer with one of them is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary: Vec<IpAddr>,
    /// What ECS has answered, where the ADD has noted it: then it need not be asked again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<IpAddr>,
    /// When it was first sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Timestamp>,
    /// Nobody looks into the request before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

impl AssignRequest {
    /// A request for one IPv4 address, of which nothing more is known: for tests, which change what they are about.
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        Self {
            eni: EniId::try_from("eni-1".to_owned()).unwrap(),
            region: RegionId::try_from("cn-hangzhou".to_owned()).unwrap(),
            client_token: "token".into(),
            in_doubt_until: Timestamp::now(),
            ipv6: false,
            addresses: Vec::new(),
            count: 1,
            block: None,
            primary: Vec::new(),
            answered: Vec::new(),
            asked: None,
            not_before: None,
        }
    }

    /// How many addresses it asks for.
    #[must_use]
    pub fn count(&self) -> usize {
        if self.addresses.is_empty() { self.count.max(1) } else { self.addresses.len() }
    }
}

/// What a request asks for that was written before requests could ask for several.
fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(count: &usize) -> bool {
    *count == 1
}

/// A pod's addresses in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active(pub Allocation);

/// Addresses that are being released: ECS has not confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The name of the file.
    pub(crate) name: String,
    /// What is to be released; without addresses where only [`ReleaseProgress::in_doubt`] is left.
    pub allocation: Allocation,
    /// How that has gone so far.
    pub progress: ReleaseProgress,
}

/// How a release has gone so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseProgress {
    /// How many attempts have failed.
    #[serde(default)]
    pub attempts: u32,
    /// Why the last attempt failed.
    #[serde(default)]
    pub last_error: Option<String>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tried: Option<Timestamp>,
    /// Nobody may ask before this moment.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// Requests of an ADD that ended before their answers were known: what they assigned is to be released as well.
    #[serde(rename = "unanswered", default, skip_serializing_if = "Vec::is_empty")]
    pub in_doubt: Vec<AssignRequest>,
}

/// A record as it stands in its file.
#[derive(Serialize, Deserialize)]
struct Document {
    schema: u32,
    allocation: Allocation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    release: Option<ReleaseProgress>,
}

impl Active {
    /// Reads the record of `owner`. One of somebody else is damaged: a backup that was copied over the store writes through the
    /// entries of addresses, which are other names of records, into records of other attachments.
    pub(super) fn parse_of(owner: &Attachment, content: &[u8]) -> std::result::Result<Self, Misread> {
        Self::parse_if(content, |its| its == owner)
    }

    /// The same where the owner is known by the name of the file.
    pub(super) fn parse_if(
        content: &[u8],
        is_owner: impl FnOnce(&Attachment) -> bool,
    ) -> std::result::Result<Self, Misread> {
        let active = Self::parse(content)?;
        if is_owner(&active.0.owner) {
            return Ok(active);
        }
        Err(Misread::Damaged(format!("it is a record of another attachment, {}", active.0.owner)))
    }

    pub(super) fn parse(content: &[u8]) -> std::result::Result<Self, Misread> {
        parse::<Document>(content).map(|document| Self(document.allocation))
    }

    pub(super) fn encode(&self, path: &Path) -> Result<Vec<u8>> {
        encode_with_clock(&Document { schema: SCHEMA, allocation: self.0.clone(), release: None }, path)
            .map(seal)
    }
}

impl Release {
    /// Lets nothing wait longer than it can have been meant to: what lies further ahead than [`MAX_WAIT`] was written before
    /// the clock was set back, in another boot or by a version that did not write its clock. Whoever calls holds the ENI's
    /// lock, so all copies of the requests were sent before `now`. Returns whether that changed anything.
    pub(super) fn bound_waits(&mut self, now: Timestamp) -> bool {
        let (most, lapses) = (now.plus(MAX_WAIT), now.plus(IN_DOUBT_FOR));
        let before = self.progress.clone();
        self.progress.not_before = self.progress.not_before.filter(|moment| *moment <= most);
        for ask in &mut self.progress.in_doubt {
            ask.in_doubt_until = if ask.in_doubt_until > most { lapses } else { ask.in_doubt_until };
            ask.not_before = ask.not_before.map(|moment| if moment > most { now } else { moment });
        }
        self.progress != before
    }

    pub(super) fn parse(name: &str, content: &[u8]) -> std::result::Result<Self, Misread> {
        let Document { allocation, release, .. } = parse(content)?;
        Ok(Self { name: name.to_owned(), allocation, progress: release.unwrap_or_default() })
    }

    pub(super) fn encode(&self, path: &Path) -> Result<Vec<u8>> {
        let release = Some(self.progress.clone());
        encode_with_clock(&Document { schema: SCHEMA, allocation: self.allocation.clone(), release }, path)
            .map(seal)
    }
}
