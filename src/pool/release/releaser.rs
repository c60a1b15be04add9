//! What a release needs beside the ENI's lock.

use std::cell::RefCell;
use std::time::Duration;

use crate::base::foreign::ForeignAddresses;
use crate::base::region::RegionId;
use crate::cloud::ecs::Client;
use crate::cloud::rpc::Error;
use crate::store::Store;

/// How long one answer is waited for, as Alibaba Cloud's own SDKs do.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long `DescribeNetworkInterfaces` may lag behind an assignment: that it does not show an address which is younger than
/// this proves nothing. (Nobody states a bound; Terway waits up to ten seconds.)
pub(crate) const DESCRIBE_LAG: Duration = Duration::from_mins(1);

/// How long an answer usually takes.
const USUAL_ANSWER: Duration = Duration::from_secs(3);

/// Releases from the ENIs of one region.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Releaser<'a> {
    /// The store.
    pub store: &'a Store,
    /// ECS.
    pub client: &'a Client,
    /// The region of the ENI.
    pub region: &'a RegionId,
    /// What other software has on the ENI: it is not released.
    pub foreign: &'a ForeignAddresses,
    /// The most addresses in one request.
    pub max_per_request: usize,
    /// How long one thing is waited for: `timeoutSeconds`, which is the whole of a runtime's call. A command with a time of its
    /// own goes on with the next thing.
    pub timeout: Duration,
    /// Why ECS did not do what this call has asked it last to do for a release of its own.
    pub failure: &'a RefCell<Option<Error>>,
}

impl Releaser<'_> {
    /// A request that has less time than this is not begun: its caller would give up before the answer is there, and leave
    /// addresses in doubt that are not.
    pub(crate) fn min_time(&self) -> Duration {
        USUAL_ANSWER.min(self.timeout / 2)
    }
}
