//! The link of an ENI that pods use.

use crate::base::eni::EniId;

/// The link of an ENI that pods use.
#[derive(Clone, Debug)]
pub(super) struct UsedLink {
    pub(super) eni: EniId,
    pub(super) name: String,
    /// The hardware address, in lower case.
    pub(super) mac: String,
    /// Whether the ENI is the primary one.
    pub(super) is_primary: bool,
    /// Whether its vSwitch has IPv6.
    pub(super) has_ipv6: bool,
}
