//! How many addresses the instance type allows an ENI: for the metrics, asked once a boot.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::{Timestamp, boot_id};
use crate::base::deadline::Deadline;
use crate::base::region::RegionId;
use crate::cloud::ecs::Client;
use crate::store::Store;

/// The name under which it is kept.
const CACHE: &str = "quota";

/// How long nobody asks again who was not told, for want of a permission for example.
const PAUSE: Duration = Duration::from_hours(1);

/// How long the two requests may take together: whoever asks has something more important to do.
const TIME_TO_ASK: Duration = Duration::from_secs(5);

/// What was told. The type of an instance changes only while it is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    boot_id: String,
    asked: Timestamp,
    quota: Option<EniQuota>,
}

/// How many addresses an ENI may have, the primary one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EniQuota {
    /// Of IPv4.
    pub(crate) ipv4: u64,
    /// Of IPv6.
    pub(crate) ipv6: u64,
}

/// What is known in this boot, or else what metadata and ECS say of it now; `None` where they do not.
pub(crate) fn known_or_asked(
    client: &Client,
    store: &Store,
    region: &RegionId,
    deadline: Deadline,
) -> Option<EniQuota> {
    let (boot_id, now) = (boot_id(), Timestamp::now());
    let known = store.remembered::<Known>(CACHE).filter(|known| known.boot_id == boot_id);
    if let Some(Known { asked, quota, .. }) = known
        && (quota.is_some() || !asked.plus(PAUSE).wait(now, PAUSE).is_zero())
    {
        return quota;
    }
    let by = deadline.at_most(TIME_TO_ASK);
    let asked = client.metadata().instance_type(by).map_err(|error| error.to_string()).and_then(|kind| {
        let quota = client.quota(region, &kind, by).map_err(|error| error.to_string())?;
        quota.ok_or_else(|| format!("ECS does not know the instance type {kind}"))
    });
    let quota = match asked {
        Ok(quota) => Some(EniQuota { ipv4: quota.ipv4, ipv6: quota.ipv6 }),
        Err(why) => {
            log::debug!("the metrics do not tell how many addresses an ENI may have: {why}");
            None
        }
    };
    if let Err(error) = store.remember(CACHE, &Known { boot_id, asked: now, quota }) {
        log::debug!("{error}");
    }
    quota
}
