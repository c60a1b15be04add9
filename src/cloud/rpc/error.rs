//! Why a call did not do what it should, and what is known about what it did.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::codes::{Disposition, Row, Subject};
use crate::base::eni::EniId;
use crate::base::text::clean;
use crate::cloud::http::Failure;

/// What is known about a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request has surely not been sent: no connection, no trust, no credentials, no time. ECS did nothing.
    NotSent,
    /// ECS answered that it did not do it.
    Refused(Disposition),
    /// ECS may have done it, or may yet: the connection was lost, the time ran out, the server had trouble of its own,
    /// or what came back is no answer. Look at the ENI before asking again.
    Unknown,
}

/// A call that failed. `Display` says what failed for which ENI, what the cloud said, its `RequestId`, and what to do;
/// never a secret, and never the words that make containerd forget a pod.
#[derive(Clone, Debug)]
pub struct Error {
    /// What is known about the outcome.
    pub kind: ErrorKind,
    /// The action, such as `UnassignPrivateIpAddresses`.
    pub action: &'static str,
    /// The ENI it was about.
    pub eni: Option<EniId>,
    /// The API's error code.
    pub code: Option<Box<str>>,
    /// What the code means.
    pub row: Option<&'static Row>,
    /// The API's message, or what happened instead of an answer.
    pub message: Box<str>,
    /// The id by which Alibaba Cloud's support finds the request.
    pub request_id: Option<Box<str>>,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// How long the server asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether the same request may succeed later without anybody changing anything.
    pub transient: bool,
}

impl Error {
    /// A call that never came to be sent, for a reason that stays until somebody changes something.
    pub(crate) fn not_sent(action: &'static str, message: &str) -> Self {
        Self {
            kind: ErrorKind::NotSent,
            action,
            eni: None,
            code: None,
            row: None,
            message: clean(message, 1000).into(),
            request_id: None,
            status: None,
            retry_after: None,
            transient: false,
        }
    }

    /// A call that was not sent now, and may be later without anybody changing anything.
    pub(crate) fn not_now(action: &'static str, message: &str) -> Self {
        Self { transient: true, ..Self::not_sent(action, message) }
    }

    /// Whether ECS refused the call because the account has made too many.
    pub(crate) fn is_throttled(&self) -> bool {
        self.kind == ErrorKind::Refused(Disposition::Throttled)
    }

    /// An answer that is none, or none that is understood.
    pub(crate) fn unknown(action: &'static str, message: &str) -> Self {
        Self { kind: ErrorKind::Unknown, transient: true, ..Self::not_sent(action, message) }
    }

    pub(crate) fn from_failure(action: &'static str, failure: &Failure) -> Self {
        let kind = if failure.sent { ErrorKind::Unknown } else { ErrorKind::NotSent };
        Self { kind, transient: failure.transient, ..Self::not_sent(action, &failure.message) }
    }

    pub(crate) fn about(self, eni: &EniId) -> Self {
        Self { eni: Some(eni.clone()), ..self }
    }

    /// Whether ECS has surely not been asked.
    #[must_use]
    pub fn was_not_sent(&self) -> bool {
        self.kind == ErrorKind::NotSent
    }

    /// What the refusal is about; the service, where there was none.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.row.map_or(Subject::Service, |row| row.subject)
    }

    /// Whether the request with this `ClientToken` has failed for good, so that another needs another.
    #[must_use]
    pub fn token_is_spent(&self) -> bool {
        self.subject() == Subject::ClientToken
    }

    /// Whether the request could have changed something; what only reads leaves nothing in doubt.
    fn may_change_the_eni(&self) -> bool {
        self.action.starts_with("Assign") || self.action.starts_with("Unassign")
    }

    /// What somebody could do about it, where the code tells.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        let remedy = self.row?.remedy;
        let eni = self.eni.as_ref().map_or("the ENI", EniId::as_str);
        let product = if self.action.starts_with("AssumeRole") { "sts" } else { "ecs" };
        let permission = format!("{product}:{}", self.action);
        Some(
            remedy
                .replace("{permission}", &permission)
                .replace("{action}", self.action)
                .replace("{eni}", eni),
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, true)
    }
}

/// An error for a line of the log, where the ENI and the id of the request are fields.
#[derive(Debug)]
pub(crate) struct WithoutIds<'a>(pub(crate) &'a Error);

impl fmt::Display for WithoutIds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, false)
    }
}

impl Error {
    fn write(&self, f: &mut fmt::Formatter<'_>, with_ids: bool) -> fmt::Result {
        f.write_str(self.action)?;
        if let Some(eni) = self.eni.as_ref().filter(|_| with_ids) {
            write!(f, " for {eni}")?;
        }
        match self.kind {
            ErrorKind::NotSent => f.write_str(" was not sent: ")?,
            ErrorKind::Refused(_) => f.write_str(" was refused: ")?,
            ErrorKind::Unknown if self.may_change_the_eni() => f.write_str(" is in doubt: ")?,
            ErrorKind::Unknown => f.write_str(" failed: ")?,
        }
        let status = self.status.map_or(Cow::default(), |status| Cow::from(format!(" (HTTP {status})")));
        match &self.code {
            Some(code) => write!(f, "{code}{status}: {}", self.message)?,
            None => write!(f, "{}", self.message)?,
        }
        if let Some(request_id) = self.request_id.as_ref().filter(|_| with_ids) {
            write!(f, "; RequestId {request_id}")?;
        }
        match self.remedy() {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::rpc::codes;

    #[test]
    fn an_error_says_what_failed_what_the_cloud_said_and_what_to_do() {
        let error = Error {
            kind: ErrorKind::Refused(Disposition::Permanent),
            code: Some("Forbidden.RAM".into()),
            row: Some(codes::judge("Forbidden.RAM", "", 403)),
            status: Some(403),
            request_id: Some("04F0F334".into()),
            ..Error::not_sent("UnassignPrivateIpAddresses", "User not authorized.")
                .about(&EniId::try_from("eni-1".to_owned()).unwrap())
        };
        assert_eq!(
            error.to_string(),
            "UnassignPrivateIpAddresses for eni-1 was refused: Forbidden.RAM (HTTP 403): User not authorized.; \
             RequestId 04F0F334; grant ecs:UnassignPrivateIpAddresses to the RAM user or role of the credentials"
        );
    }

    #[test]
    fn the_clouds_own_words_cannot_make_containerd_forget_a_pod() {
        let error = Error::unknown("A", "the ENI was Not Found, no such file or directory").to_string();
        assert_eq!(error, "A failed: the ENI was missing, no such path");
    }
}
