//! Sending again at once what was refused as stale, with what it lacked: a nonce, a stamp or a key.
//!
//! Such a refusal comes before anything is done, so this is no second attempt at the deed.

use log::debug;

use super::api::{Action, Answer, Api};
use super::codes::Disposition;
use super::error::{Error, ErrorKind};
use crate::base::access_key::Credentials;
use crate::base::deadline::Deadline;
use crate::cloud::http::Endpoint;

/// A key to sign with.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) credentials: Credentials,
    /// Whether it was kept from an earlier process.
    pub(crate) cached: bool,
}

impl Api {
    /// Calls `action`; each of the three remedies is tried once. `renew` gets another key than the refused one, or the
    /// same where there is no other.
    pub(crate) fn call_fresh<E>(
        &self,
        endpoint: &Endpoint,
        action: &Action,
        mut key: Key,
        deadline: Deadline,
        mut renew: impl FnMut(&Credentials) -> Result<Key, E>,
    ) -> Result<Answer, Failed<E>> {
        let mut spent = Vec::new();
        loop {
            let error = match self.call(endpoint, action, &key.credentials, deadline) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(remedy) = remedy(&error, key.cached) else { return Err(Failed::Call(error)) };
            if spent.contains(&remedy) || deadline.has_passed() {
                return Err(Failed::Call(error));
            }
            let helps = match remedy {
                Remedy::Nonce => true,
                Remedy::Stamp => self.correct_clock(),
                Remedy::Key => {
                    let renewed = renew(&key.credentials).map_err(Failed::Key)?;
                    let differs = renewed.credentials != key.credentials;
                    key = renewed;
                    differs
                }
            };
            if !helps {
                return Err(Failed::Call(error));
            }
            debug!("{} is sent again with another {remedy:?}", action.name);
            spent.push(remedy);
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

/// What a stale request lacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    Nonce,
    Stamp,
    Key,
}

fn remedy(error: &Error, cached_key: bool) -> Option<Remedy> {
    let ErrorKind::Refused(class) = error.kind else { return None };
    match (class, error.code.as_deref()?) {
        (Disposition::RefreshOnce, "SignatureNonceUsed") => Some(Remedy::Nonce),
        (Disposition::RefreshOnce, "InvalidTimeStamp.Expired") => Some(Remedy::Stamp),
        (Disposition::RefreshOnce, _) => Some(Remedy::Key),
        // A kept key may be of a role that the instance no longer has, and its file may be damaged.
        (_, code) if cached_key && is_about_key(code) => Some(Remedy::Key),
        _ => None,
    }
}

fn is_about_key(code: &str) -> bool {
    code.starts_with("InvalidSecurityToken.")
        || code.starts_with("InvalidAccessKeyId.")
        || code == "SignatureDoesNotMatch"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, class: Disposition) -> Error {
        Error { kind: ErrorKind::Refused(class), code: Some(code.into()), ..Error::not_sent("A", "") }
    }

    #[test]
    fn only_a_stale_request_is_sent_again() {
        for (code, class, cached, expected) in [
            ("SignatureNonceUsed", Disposition::RefreshOnce, false, Some(Remedy::Nonce)),
            ("InvalidTimeStamp.Expired", Disposition::RefreshOnce, false, Some(Remedy::Stamp)),
            ("InvalidSecurityToken.Expired", Disposition::RefreshOnce, false, Some(Remedy::Key)),
            ("InvalidParameter", Disposition::RefreshOnce, false, Some(Remedy::Key)),
            ("InvalidAccessKeyId.NotFound", Disposition::Permanent, true, Some(Remedy::Key)),
            ("InvalidAccessKeyId.NotFound", Disposition::Permanent, false, None),
            ("SignatureDoesNotMatch", Disposition::Permanent, true, Some(Remedy::Key)),
            ("SignatureDoesNotMatch", Disposition::Permanent, false, None),
            ("Forbidden.RAM", Disposition::Permanent, true, None),
            ("Throttling", Disposition::Throttled, true, None),
            ("Operation.Conflict", Disposition::Retry, true, None),
        ] {
            assert_eq!(remedy(&refused(code, class), cached), expected, "{code}");
        }
        let unknown = Error { code: Some("InternalError".into()), ..Error::unknown("A", "") };
        assert_eq!(remedy(&unknown, true), None);
    }
}
