//! Sending again at once what was refused as stale, with what it lacked: a nonce, a stamp or a key.
//!
//! ECS refuses such a request before acting on it, so sending it again cannot act twice.

use log::debug;

use super::api::{Action, Answer, Api};
use super::codes::{Disposition, Subject};
use super::error::{Error, ErrorKind};
use crate::base::access_key::{AccessKey, FoundKey};
use crate::base::deadline::Deadline;
use crate::cloud::http::Endpoint;

impl Api {
    /// Calls `action`; each of the three is replaced once. `renew` gets another key than the refused one, or the
    /// same where there is no other.
    pub(crate) fn call_fresh<E>(
        &self,
        endpoint: &Endpoint,
        action: &Action,
        mut found: FoundKey,
        deadline: Deadline,
        mut renew: impl FnMut(&AccessKey) -> Result<FoundKey, E>,
    ) -> Result<Answer, Failed<E>> {
        let mut replaced = Vec::new();
        loop {
            let error = match self.call(endpoint, action, &found.key, deadline) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(stale) = stale_part(&error, found.cached) else { return Err(Failed::Call(error)) };
            if replaced.contains(&stale) || deadline.has_passed() {
                return Err(Failed::Call(error));
            }
            let helps = match stale {
                Stale::Nonce => true,
                Stale::Stamp => self.correct_clock(),
                Stale::Key => {
                    let renewed = renew(&found.key).map_err(Failed::Key)?;
                    let differs = renewed.key != found.key;
                    found = renewed;
                    differs
                }
            };
            if !helps {
                return Err(Failed::Call(error));
            }
            debug!("{} is sent again with another {stale:?}", action.name);
            replaced.push(stale);
        }
    }
}

/// What a call came to that did not succeed.
pub(crate) enum Failed<E> {
    /// The call itself.
    Call(Error),
    /// Getting another key for it. The call had been refused.
    Key(E),
}

/// What makes a request stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stale {
    Nonce,
    Stamp,
    Key,
}

fn stale_part(error: &Error, cached_key: bool) -> Option<Stale> {
    match (error.kind, error.subject()) {
        (ErrorKind::Refused(Disposition::RefreshOnce), Subject::Nonce) => Some(Stale::Nonce),
        (ErrorKind::Refused(Disposition::RefreshOnce), Subject::Clock) => Some(Stale::Stamp),
        (ErrorKind::Refused(Disposition::RefreshOnce), Subject::Key) => Some(Stale::Key),
        // A kept key may be of a role that the instance no longer has, and its file may be damaged.
        (ErrorKind::Refused(_), Subject::Key) if cached_key => Some(Stale::Key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::rpc::codes;

    fn refused(code: &str, message: &str) -> Error {
        let row = codes::judge(code, message, 400);
        Error { kind: ErrorKind::Refused(row.disposition), row: Some(row), ..Error::not_sent("A", message) }
    }

    #[test]
    fn only_a_stale_request_is_sent_again() {
        for (code, message, cached, expected) in [
            ("SignatureNonceUsed", "", false, Some(Stale::Nonce)),
            ("InvalidTimeStamp.Expired", "", false, Some(Stale::Stamp)),
            ("InvalidSecurityToken.Expired", "", false, Some(Stale::Key)),
            ("InvalidParameter", "SecurityToken.Expired", false, Some(Stale::Key)),
            ("InvalidParameter", "", true, None),
            ("InvalidAccessKeyId.NotFound", "", true, Some(Stale::Key)),
            ("InvalidAccessKeyId.NotFound", "", false, None),
            ("InvalidAccessKeyId.Unheard", "", true, Some(Stale::Key)),
            ("InvalidSecurityToken.Unheard", "", true, Some(Stale::Key)),
            ("SignatureDoesNotMatch", "", true, Some(Stale::Key)),
            ("SignatureDoesNotMatch", "", false, None),
            ("Forbidden.RAM", "", true, None),
            ("Throttling", "", true, None),
            ("Operation.Conflict", "", true, None),
        ] {
            assert_eq!(stale_part(&refused(code, message), cached), expected, "{code}");
        }
        let unknown = Error { row: Some(codes::judge("InternalError", "", 500)), ..Error::unknown("A", "") };
        assert_eq!(stale_part(&unknown, true), None);
    }
}
