//! What was asked of the API, for whoever counts: the action, how it ended, and how long that took.

use std::time::Duration;

use super::codes::Disposition;
use super::error::{Error, ErrorKind};

/// A request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Such as `UnassignPrivateIpAddresses`.
    pub(crate) action: &'static str,
    /// How it ended, in a word: `ok`, or the class of the failure.
    pub(crate) result: &'static str,
    /// From before the connection was made until the answer was read.
    pub(crate) took: Duration,
}

impl Asked {
    pub(super) fn new<T>(action: &'static str, outcome: &Result<T, Error>, took: Duration) -> Self {
        Self { action, result: outcome.as_ref().err().map_or("ok", class_of), took }
    }
}

/// The class of a failure. A code decides by its row of the table.
fn class_of(error: &Error) -> &'static str {
    let subject = error.subject();
    match error.kind {
        ErrorKind::NotSent => "not_sent",
        ErrorKind::Unknown => "unknown",
        ErrorKind::Refused(Disposition::Released) => "done_already",
        ErrorKind::Refused(Disposition::Throttled) => "throttled",
        ErrorKind::Refused(Disposition::RefreshOnce) => "stale",
        ErrorKind::Refused(_) if subject.is_full() => "full",
        ErrorKind::Refused(Disposition::Retry) => "busy",
        ErrorKind::Refused(Disposition::Permanent) if subject.denies_access() => "denied",
        ErrorKind::Refused(Disposition::Permanent) => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::rpc::codes;

    #[test]
    fn the_class_of_a_refusal_is_that_of_its_code() {
        for (code, class) in [
            ("InvalidIp.IpUnassigned", "done_already"),
            ("Throttling.User", "throttled"),
            ("SignatureNonceUsed", "stale"),
            ("QuotaExceeded.PrivateIpAddress", "full"),
            ("Operation.Conflict", "busy"),
            ("Forbidden.RAM", "denied"),
            ("InvalidAccessKeyId.NotFound", "denied"),
            ("InvalidParameter", "refused"),
        ] {
            let row = codes::judge(code, "", 400);
            let kind = ErrorKind::Refused(row.disposition);
            let error = Error { kind, row: Some(row), ..Error::not_sent("A", "") };
            assert_eq!(class_of(&error), class, "{code}");
        }
        assert_eq!(class_of(&Error::not_sent("A", "")), "not_sent");
        assert_eq!(class_of(&Error::unknown("A", "")), "unknown");
        assert_eq!(Asked::new("A", &Ok(()), Duration::ZERO).result, "ok");
    }
}
