//! What to do about a request to unassign that ECS refused for good.
//!
//! A refusal does not say which of the addresses it is about, nor that there are too many. So what was refused is sent again
//! with fewer addresses: first with as many as ECS takes on every kind of ENI, then one by one.

use crate::cloud::ecs::{ALWAYS_TAKEN, is_too_many};
use crate::cloud::rpc::{Disposition, Error, ErrorKind, Subject};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same for the first [`ALWAYS_TAKEN`] of the addresses.
    Fewer {
        /// Whether to remember that ECS takes no more at once.
        learn: bool,
    },
    /// The same for each of the addresses.
    OneByOne,
    /// The address keeps no other one waiting.
    HoldBack,
    /// The request would be refused whatever it names.
    Fail,
}

/// Decides after ECS has refused a request for `count` addresses.
pub(super) fn after(error: &Error, count: usize) -> Next {
    let subject = error.subject();
    if !matches!(error.kind, ErrorKind::Refused(Disposition::Permanent)) {
        return Next::Fail;
    }
    // Nothing is too full for a release: such a code means the number in the request.
    if is_too_many(error, count) || (count > ALWAYS_TAKEN && subject.is_full()) {
        return Next::Fewer { learn: true };
    }
    let may_be_about_some = matches!(
        subject,
        Subject::Address
            | Subject::AddressTaken
            | Subject::Request
            | Subject::Forbidden
            | Subject::ClientToken
    );
    match count {
        _ if !may_be_about_some => Next::Fail,
        0 | 1 => Next::HoldBack,
        2..=ALWAYS_TAKEN => Next::OneByOne,
        _ => Next::Fewer { learn: false },
    }
}

#[cfg(test)]
mod tests {
    use super::Next::{Fail, Fewer, HoldBack, OneByOne};
    use super::*;
    use crate::cloud::rpc::codes;

    fn refused(code: &str, status: u16) -> Error {
        let row = codes::judge(code, "", status);
        let kind = ErrorKind::Refused(row.disposition);
        Error { kind, row: Some(row), ..Error::not_sent("UnassignPrivateIpAddresses", "no") }
    }

    #[test]
    fn one_table_says_what_follows_a_refusal() {
        let (learned, not_learned) = (Fewer { learn: true }, Fewer { learn: false });
        for (code, status, of_one, of_ten, of_more) in [
            ("InvalidParameter", 400, HoldBack, OneByOne, learned),
            ("UnsupportedParameter", 400, HoldBack, OneByOne, learned),
            // A code that nobody knows.
            ("InvalidPrivateIpAddress.TooMany", 400, HoldBack, OneByOne, learned),
            ("InvalidOperation.Ipv4CountExceeded", 403, Fail, Fail, learned),
            // Not about the number, as far as can be told.
            ("InvalidVSwitchId.IpInvalid", 403, HoldBack, OneByOne, not_learned),
            ("InvalidIp.Address", 403, HoldBack, OneByOne, not_learned),
            ("InvalidOperation.Somehow", 403, HoldBack, OneByOne, not_learned),
            // Fewer addresses would be refused as well.
            ("Forbidden.RAM", 403, Fail, Fail, Fail),
            ("InvalidOperation.EniServiceManaged", 403, Fail, Fail, Fail),
            ("InvalidAccessKeyId.NotFound", 404, Fail, Fail, Fail),
            // It is about to change.
            ("Operation.Conflict", 403, Fail, Fail, Fail),
            ("Throttling.User", 400, Fail, Fail, Fail),
            ("InternalError", 500, Fail, Fail, Fail),
        ] {
            let error = refused(code, status);
            for (count, expected) in [(1, of_one), (2, of_ten), (10, of_ten), (11, of_more), (50, of_more)] {
                assert_eq!(after(&error, count), expected, "{code}, {count}");
            }
        }
    }
}
