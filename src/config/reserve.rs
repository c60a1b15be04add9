//! The settings of the reserve: the addresses that are on an ENI and no pod's.

use std::time::Duration;

use super::error::Error;
use super::value::Reader;

/// More than any ENI holds.
const MOST: u64 = 500;

/// What is kept for new pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReserveSettings {
    /// `reserve`: how many addresses of each family are kept on each ENI; with 0 every DEL unassigns.
    pub reserve: usize,
    /// `reuseDelaySeconds`: how long an address rests after a pod had it.
    pub reuse_delay: Duration,
}

impl ReserveSettings {
    pub(super) fn read(ipam: &Reader<'_>) -> Result<Self, Error> {
        let reserve = ipam.integer("reserve", 0..=MOST, 0)?;
        Ok(Self {
            reserve: usize::try_from(reserve).unwrap_or_default(),
            reuse_delay: ipam.seconds("reuseDelaySeconds", 0..=86_400, 120)?,
        })
    }
}
