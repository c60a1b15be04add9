//! The instance metadata service: what a node is told about itself, without credentials.
//!
//! Source: "Instance metadata items" and "Hardened mode" in the documents of ECS, and how Alibaba Cloud's SDKs and
//! Terway ask. In hardened mode a `PUT` first gets a token; it is always tried first. Where it is refused the service is
//! asked without, unless `ALIBABA_CLOUD_IMDSV1_DISABLED` is `true`.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use log::debug;

use crate::base::access_key::Secret;
use crate::base::deadline::Deadline;
use crate::base::environment::Environment;
use crate::base::text::clean;
use crate::base::{moment, random};
use crate::cloud::http::{Endpoint, Failure, Http, Patience, Proxy, Request, Response};

/// The service is a hop away: one that has not connected by then is not there.
const MAX_CONNECT: Duration = Duration::from_secs(1);

/// How long an answer is waited for: a small part of the call's time, because the call may do without it.
const ANSWER: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3);
const PART_OF_CALL: u32 = 16;

/// How long a service that did not answer is not asked again: other facts would only cost the same time once more.
const SILENCE: Duration = Duration::from_secs(10);

/// How long a token is good for, in seconds. It lives in this process alone, and a new one costs one request.
const TOKEN_SECONDS: &str = "300";

/// How often a request is made that meets trouble of the service's own.
const ATTEMPTS: u32 = 3;

/// The service at one endpoint.
#[derive(Debug)]
pub struct Metadata {
    endpoint: Endpoint,
    http: Http,
    token_required: bool,
    mode: RefCell<Mode>,
    /// Since when the service is not asked, and why.
    silent: RefCell<Option<(Instant, Error)>>,
    last_error: RefCell<Option<Error>>,
}

/// How the service is asked.
#[derive(Clone, Debug)]
enum Mode {
    /// Not tried yet, or the last token was refused.
    Unknown,
    Hardened(Secret),
    /// It gives no tokens.
    Normal,
}

/// A fact that the service did not tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Error {
    problem: String,
    /// Whether the service itself could be reached and is one.
    pub reachable: bool,
}

/// Where the service is on every instance, unless it is disabled.
pub(crate) fn default_endpoint() -> Endpoint {
    Endpoint::http("100.100.100.200")
}

impl Metadata {
    pub(crate) fn new(endpoint: Endpoint, environment: &Environment) -> Self {
        Self {
            endpoint,
            // Its address is link-local in meaning: no proxy can reach it for us.
            http: Http::new(None, Proxy::None),
            token_required: environment.is_true("ALIBABA_CLOUD_IMDSV1_DISABLED"),
            mode: RefCell::new(Mode::Unknown),
            silent: RefCell::new(None),
            last_error: RefCell::new(None),
        }
    }

    /// Where the service is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether the service gives out tokens, which is its hardened mode, and is asked with one.
    ///
    /// # Errors
    /// When it does not answer, or must not be asked without a token and gives none.
    pub fn is_hardened(&self, deadline: Deadline) -> Result<bool, Error> {
        self.mode(deadline).map(|mode| matches!(mode, Mode::Hardened(_)))
    }

    /// Why the service did not tell something, if it ever did not.
    #[must_use]
    pub fn last_error(&self) -> Option<Error> {
        self.last_error.borrow().clone()
    }

    /// The text at `path` below `/latest/`; nothing where the service has none.
    pub(crate) fn get(&self, path: &str, deadline: Deadline) -> Result<Option<String>, Error> {
        self.get_unless_silent(path, deadline).inspect_err(|error| {
            self.last_error.replace(Some(error.clone()));
        })
    }

    fn get_unless_silent(&self, path: &str, deadline: Deadline) -> Result<Option<String>, Error> {
        let path = format!("/latest/{path}");
        if let Some((since, error)) = &*self.silent.borrow()
            && moment::since(*since) < SILENCE
        {
            return Err(error.clone());
        }
        let mut mode = self.mode(deadline)?;
        let mut renewed = false;
        loop {
            let response = self.ask(&path, &mode, deadline)?;
            match (response.status, &mode) {
                (200, _) => {
                    let text = String::from_utf8(response.body)
                        .map_err(|_| self.error(&path, "the answer is not text"))?;
                    return Ok(Some(text.trim().to_owned()));
                }
                (404, _) => return Ok(None),
                // The token ended, or the mode was changed while this process ran.
                (401 | 403, _) if !renewed => {
                    renewed = true;
                    self.remember(Mode::Unknown);
                    mode = self.mode(deadline)?;
                }
                (status @ (401 | 403), Mode::Normal) => {
                    let problem = format!(
                        "it answers HTTP {status} without a token and gives none: it may be switched off, or something \
                         between drops requests for a token"
                    );
                    return Err(self.error(&path, &problem));
                }
                (status, _) => {
                    let start = clean(&String::from_utf8_lossy(&response.body), 100);
                    return Err(self.error(&path, &format!("it answered HTTP {status}: {start}")));
                }
            }
        }
    }

    /// How to ask; gets a token where there is none yet.
    fn mode(&self, deadline: Deadline) -> Result<Mode, Error> {
        const PATH: &str = "/latest/api/token";
        let known = self.mode.borrow().clone();
        if !matches!(known, Mode::Unknown) {
            return Ok(known);
        }
        let headers = [("x-aliyun-ecs-metadata-token-ttl-seconds", TOKEN_SECONDS.to_owned())];
        let refusal = match self.patiently(&self.request("PUT", PATH, &headers, deadline), deadline) {
            Ok(response) if response.status == 200 => match String::from_utf8(response.body) {
                Ok(token) if is_header_value(token.trim()) => {
                    return Ok(self.remember(Mode::Hardened(Secret::new(token.trim()))));
                }
                _ => "the token is not text".to_owned(),
            },
            Ok(response) => format!("it answered the request for a token with HTTP {}", response.status),
            // Something drops this request alone, perhaps for its method.
            Err(failure) if failure.sent => failure.message,
            Err(failure) => return Err(self.unreachable(PATH, &failure)),
        };
        if self.token_required {
            let problem =
                format!("{refusal}, and ALIBABA_CLOUD_IMDSV1_DISABLED forbids requests without a token");
            return Err(self.error(PATH, &problem));
        }
        debug!("reading instance metadata without a token: {refusal}");
        Ok(self.remember(Mode::Normal))
    }

    fn remember(&self, mode: Mode) -> Mode {
        self.mode.replace(mode.clone());
        mode
    }

    fn ask(&self, path: &str, mode: &Mode, deadline: Deadline) -> Result<Response, Error> {
        let headers = match mode {
            Mode::Hardened(token) => vec![("x-aliyun-ecs-metadata-token", token.expose().to_owned())],
            Mode::Normal | Mode::Unknown => Vec::new(),
        };
        self.patiently(&self.request("GET", path, &headers, deadline), deadline)
            .map_err(|failure| self.unreachable(path, &failure))
    }

    fn request<'a>(
        &'a self,
        method: &'a str,
        target: &'a str,
        headers: &'a [(&'static str, String)],
        deadline: Deadline,
    ) -> Request<'a> {
        let part = (deadline.remaining() / PART_OF_CALL).clamp(*ANSWER.start(), *ANSWER.end());
        // In tenths of a second, for people.
        let answer = Duration::from_millis(u64::try_from(part.as_millis() / 100).unwrap_or(10) * 100);
        let patience = Patience { connect: MAX_CONNECT, answer };
        Request { method, endpoint: &self.endpoint, target, headers, body: "", patience, set_by: "" }
    }

    /// Repeats what met trouble of the service's own: it is limited, and restarted, like any other. Where nobody
    /// listens, or nobody answers, waiting again would only take time from the call.
    fn patiently(&self, request: &Request<'_>, deadline: Deadline) -> Result<Response, Failure> {
        let mut attempt = 1;
        loop {
            let result = self.http.exchange(request, deadline);
            let transient = match &result {
                Ok(response) => response.status == 429 || response.status >= 500,
                Err(failure) => failure.sent && !failure.timed_out,
            };
            if !transient || attempt == ATTEMPTS || deadline.has_passed() {
                return result;
            }
            attempt += 1;
            deadline.sleep(random::jitter(Duration::from_millis(400)));
        }
    }

    pub(super) fn error(&self, path: &str, problem: &str) -> Error {
        let problem = format!("reading {path} from instance metadata at {}: {problem}", self.endpoint);
        Error { problem, reachable: true }
    }

    fn unreachable(&self, path: &str, failure: &Failure) -> Error {
        let mut error = Error { reachable: false, ..self.error(path, &failure.message) };
        if !failure.sent {
            error.problem = format!(
                "instance metadata does not answer at {} ({}): if this is an ECS instance, check whether its metadata is \
                 switched off, or a firewall or network policy blocks it",
                self.endpoint, failure.message
            );
        }
        if !failure.sent || failure.timed_out {
            self.silent.replace(Some((moment::now(), error.clone())));
        }
        error
    }
}

/// What may be sent back as a header without changing the request.
fn is_header_value(token: &str) -> bool {
    !token.is_empty() && token.len() <= 4096 && token.bytes().all(|byte| byte.is_ascii_graphic())
}
