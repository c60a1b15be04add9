//! The time of the commands that work for the whole node.

use std::time::Duration;

use crate::base::deadline::Deadline;
use crate::config::Ipam;
use crate::context::CallContext;
use crate::failure::Result;

/// Time enough for some thousand releases, and for an account that is over its quota to get its next minutes. A timer starts no second
/// run beside one that is busy. A runtime's call has less, because a kubelet waits for it.
const USUAL: Duration = Duration::from_mins(5);

/// A person who asks for more means that there is no limit.
const LONGEST: Duration = Duration::from_hours(24);

/// The time of one command.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnTime {
    /// `--timeout`.
    asked: Option<Duration>,
    whole: Deadline,
}

impl OwnTime {
    /// It runs from here on.
    pub(super) fn starts(asked: Option<Duration>) -> Self {
        let asked = asked.map(|it| it.min(LONGEST));
        Self { asked, whole: Deadline::after(asked.unwrap_or(USUAL)) }
    }

    /// The same time once more, for what follows a person's answer.
    pub(super) fn again(self) -> Self {
        Self::starts(self.asked)
    }

    /// What the next part of the command works with. What came before cannot leave it less time than one call has.
    pub(super) fn open(self, ipam: Ipam<'_>) -> Result<CallContext<'_>> {
        let timeout = ipam.timeout()?;
        let patience = self.asked.map_or(timeout, |asked| asked.min(timeout));
        CallContext::open_until(ipam, self.whole.max(Deadline::after(patience)), patience)
    }
}
