//! What somebody who watches is told of a release that takes long.

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;

/// What is done for an ENI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// In line behind other calls that use the ENI.
    Waiting,
    /// ECS is asked.
    Asking,
    /// The last attempt has failed, and the next one comes at this moment.
    Pausing(Timestamp),
    /// Nothing any more.
    Ended,
}

/// Who watches: called with the ENI, what is done for it from now on, and how many releases it still has. Nobody, where nobody
/// looks. It must not wait.
pub(crate) type Watch<'w> = Option<&'w (dyn Fn(&EniId, Doing, usize) + Sync)>;
