//! Which ENI is looked at, and how.

use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::cloud::ecs::Client;
use crate::commands::networks::Network;
use crate::store::Store;

/// Where the pods of a network get addresses.
pub(super) struct Place<'n> {
    pub(super) network: &'n Network,
    pub(super) store: Store,
    pub(super) region: RegionId,
    pub(super) eni: EniId,
}

/// Which ENI is looked at, and how.
pub(super) struct Site<'a> {
    pub(super) client: &'a Client,
    pub(super) place: &'a Place<'a>,
    pub(super) deadline: Deadline,
}
