//! One signed request to an RPC-style API of Alibaba Cloud, and its answer.

use std::cell::RefCell;
use std::time::Duration;

use log::{debug, warn};
use serde::Deserialize;

use super::asked::Asked;
use super::codes::{self, Disposition, Row};
use super::error::{Error, ErrorKind};
use super::reply::{self, Reply};
use super::server_clock::Clock;
use super::signature::{Call, SignatureMethod, percent_encode};
use crate::base::access_key::{AccessKey, Secret};
use crate::base::deadline::Deadline;
use crate::base::moment;
use crate::base::random;
use crate::base::text::clean;
use crate::cloud::http::{Endpoint, Http, Patience, Request, Response};

/// As the official SDKs have it: 5 s to connect, 10 s to answer.
pub(crate) const PATIENCE: Patience =
    Patience { connect: Duration::from_secs(5), answer: Duration::from_secs(10) };

/// The APIs of one account: how they are dialled, signed and timed.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) http: Http,
    pub(crate) signature: SignatureMethod,
    pub(crate) clock: Clock,
    /// What was asked so far.
    pub(crate) asked: RefCell<Vec<Asked>>,
}

/// An action and its parameters.
pub(crate) struct Action {
    pub(crate) name: &'static str,
    /// Of the product's API.
    pub(crate) version: &'static str,
    /// Whether it changes anything: what is not known to have failed may then have happened.
    pub(crate) mutates: bool,
    pub(crate) parameters: Vec<(String, String)>,
    /// What says where the product's server is, for people.
    pub(crate) set_by: &'static str,
}

/// What a successful call returned.
pub(crate) struct Answer {
    pub(crate) request_id: String,
    body: Vec<u8>,
}

impl Answer {
    /// An answer with this body.
    #[cfg(test)]
    pub(crate) fn new(request_id: &str, body: &str) -> Self {
        Self { request_id: request_id.to_owned(), body: body.into() }
    }

    /// The answer as `T`.
    ///
    /// # Errors
    /// Why it is no such thing; so is one that says something twice.
    pub(crate) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, String> {
        reply::object(&self.body)
    }
}

impl Api {
    /// Sends one request and reads its answer.
    pub(crate) fn call(
        &self,
        endpoint: &Endpoint,
        action: &Action,
        credentials: &AccessKey,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let nonce = random::hex128().map_err(|error| {
            Error::not_sent(action.name, &format!("cannot read random numbers for a nonce: {error}"))
        })?;
        let host = endpoint.authority();
        let call = Call {
            method: "POST",
            host: &host,
            action: action.name,
            version: action.version,
            parameters: &action.parameters,
            nonce: &nonce,
            timestamp: &self.clock.timestamp(),
        };
        let signed = self.signature.sign(&call, credentials);
        let request = Request {
            method: "POST",
            endpoint,
            target: &format!("/?{}", signed.query),
            headers: &signed.headers,
            body: "",
            patience: PATIENCE,
            set_by: action.set_by,
        };
        let started = moment::now();
        let result = self
            .http
            .exchange(&request, deadline)
            .map_err(|failure| Error::from_failure(action.name, &failure))
            .and_then(|response| self.judge(&host, action, response, credentials));
        let took = moment::since(started);
        self.asked.borrow_mut().push(Asked::new(action.name, &result, took));
        let took = took.as_millis();
        match &result {
            Ok(answer) => {
                debug!("{} at {host}: done in {took} ms, RequestId {}", action.name, answer.request_id);
            }
            Err(error) => debug!("{error} ({host}, {took} ms)"),
        }
        result
    }

    fn judge(
        &self,
        host: &str,
        action: &Action,
        response: Response,
        credentials: &AccessKey,
    ) -> Result<Answer, Error> {
        if let Some(date) = response.date {
            self.clock.observe(date);
        }
        let status = response.status;
        let (code, message, request_id) = match reply::read(host, status, &response.body) {
            Reply::Done { request_id } => return Ok(Answer { request_id, body: response.body }),
            Reply::Refused { code, message, request_id } => (Some(code), message, request_id),
            Reply::Other(message) => {
                let message = format!("{message}; check {} and any proxy between", action.set_by);
                (None, message, None)
            }
        };
        let row = match &code {
            Some(code) => codes::judge(code, &message, status),
            None => codes::by_status(status),
        };
        let kind = match (&code, row) {
            // "Done already" is what an unassignment wants to hear; others wanted the ENI to be there.
            (Some(_), Row { disposition: Disposition::Released, .. })
                if !action.name.starts_with("Unassign") =>
            {
                ErrorKind::Refused(Disposition::Permanent)
            }
            (_, Row { open: true, .. }) if action.mutates => ErrorKind::Unknown,
            (Some(_), Row { disposition, .. }) => ErrorKind::Refused(*disposition),
            // Who limits requests has not passed this one on.
            (None, Row { disposition: Disposition::Throttled, .. }) => {
                ErrorKind::Refused(Disposition::Throttled)
            }
            (None, _) => ErrorKind::Unknown,
        };
        let message = without_secrets(&message, credentials);
        Err(Error {
            kind,
            row: code.is_some().then_some(row),
            code: code.map(Into::into),
            request_id: request_id.map(Into::into),
            status: Some(status),
            retry_after: response.retry_after,
            transient: !matches!(kind, ErrorKind::Refused(Disposition::Permanent | Disposition::Released)),
            ..Error::not_sent(action.name, &message)
        })
    }

    /// Stamps requests with the server's time from now on; says whether that changes anything.
    pub(crate) fn correct_clock(&self) -> bool {
        let Some(skew) = self.clock.correct() else { return false };
        let (by, direction) = (skew.unsigned_abs(), if skew < 0 { "ahead of" } else { "behind" });
        warn!(
            "this node's clock is {by} s {direction} that of ECS: set it; until then requests carry the time of ECS"
        );
        true
    }
}

/// A refused signature is answered with the string that the server would have signed, which has the security token in
/// it, encoded once or twice. That string is for whoever writes a signer, not for a log.
fn without_secrets(message: &str, credentials: &AccessKey) -> String {
    const ECHO: &str = "string to sign is:";
    let message = match message.split_once(ECHO) {
        Some((before, _)) => format!("{before}{ECHO} (not shown)"),
        None => message.to_owned(),
    };
    let secrets = [Some(&credentials.access_key_secret), credentials.security_token.as_ref()];
    let message = secrets.into_iter().flatten().map(Secret::expose).filter(|secret| !secret.is_empty()).fold(
        message,
        |message, secret| {
            let once = percent_encode(secret);
            let twice = percent_encode(&once);
            [secret, &once, &twice]
                .into_iter()
                .fold(message, |message, form| message.replace(form, "(secret)"))
        },
    );
    clean(&message, 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_echoes_of_a_secret_is_not_passed_on() {
        let credentials = AccessKey::temporary("STS.id", "key", "tok/en+1", None);
        for message in ["bad tok/en+1", "bad tok%2Fen%2B1", "bad tok%252Fen%252B1", "bad key"] {
            assert_eq!(without_secrets(message, &credentials), "bad (secret)");
        }
        let echo = "the signature is wrong. server string to sign is:POST&%2F&SecurityToken%3Dtok";
        assert_eq!(
            without_secrets(echo, &credentials),
            "the signature is wrong. server string to sign is: (not shown)"
        );
    }
}
