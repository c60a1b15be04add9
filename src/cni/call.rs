//! One call of a runtime. What its operation needs is checked; nothing else is looked at.

use std::io::Read;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::chained::{self, Chained};
use super::document::{self, Document};
use super::environment::{Request, unknown_command};
use super::operation::{Add, Check, Del, Gc, Network, Status};
use super::valid_attachments::valid_attachments;
use super::{Arguments, Code, Environment, Error, PrevResult, Version};
use crate::base::attachment::Attachment;

/// A call (SPEC section 2, "CNI operations").
#[derive(Debug, PartialEq)]
pub enum Call {
    /// Give an attachment an address.
    Add(Add),
    /// Release what an attachment has.
    Del(Del),
    /// Is what ADD gave still in place?
    Check(Check),
    /// Could an ADD succeed now?
    Status(Status),
    /// Release what belongs to no attachment.
    Gc(Gc),
    /// Any of these, of the plugin as one of a chain.
    Chained(Chained),
    /// Which versions does the plugin speak? To be answered in this one.
    Version(Version),
}

/// A call that cannot be made out, with the version to say so in where that much is known.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Refusal {
    /// What is wrong.
    pub error: Error,
    /// The version of the call.
    pub version: Option<Version>,
}

/// Reads one call: the environment first, then stdin to its end, then the network's name, then the operation, then the
/// version. That order decides which of several mistakes is reported, and is the one of the Go library.
///
/// For VERSION a stdin that stays silent is not waited for; a thread may go on reading it, which is why `stdin` has to
/// be sendable.
///
/// # Errors
/// Everything that makes the call impossible to serve; the runtime is to be told by [`Refusal::to_json`]. Keys of the
/// configuration and parameters that the operation does not use are no reason: above all a DEL must not fail for them.
pub fn read_call(environment: &Environment, stdin: impl Read + Send + 'static) -> Result<Call, Refusal> {
    if environment.asks_for_version() {
        return Ok(Call::Version(asked_version(stdin)));
    }
    let early = |error| Refusal { error, version: None };
    let request = environment.request().map_err(early)?;
    let document = Document::read(stdin).map_err(early)?;
    let version = document.version();
    assemble(environment, request, document).map_err(|error| Refusal { error, version })
}

fn assemble(environment: &Environment, request: Request, mut document: Document) -> Result<Call, Error> {
    let name = document.network_name()?.to_owned();
    let version = negotiate(&request, &document)?;
    if chained::is_chained(document.keys()) {
        return chained::assemble(request, name, version, document).map(Call::Chained);
    }
    let ipam = document.take_object("ipam")?;
    let ipam = match request {
        // These two have to work with the little that is left of a configuration.
        Request::Del { .. } | Request::Gc => ipam.unwrap_or_default(),
        _ => ipam.ok_or_else(missing_ipam)?,
    };
    let main_plugin = document.value("type").and_then(Value::as_str).map(str::to_owned);
    let network = Network { name, version, ipam, main_plugin };
    Ok(match request {
        Request::Add { attachment } => {
            let arguments = Arguments::read(environment.args()?, &document)?;
            Call::Add(Add { attachment, network, arguments })
        }
        Request::Del { attachment } => Call::Del(Del { attachment, network }),
        Request::Check { attachment } => {
            let prev_result = PrevResult::of(&document, COMPARES)?;
            Call::Check(Check { attachment, network, prev_result })
        }
        Request::Status => Call::Status(Status { network }),
        Request::Gc => Call::Gc(Gc { network, valid_attachments: valid_attachments(&document)? }),
        Request::Unknown { command } => return Err(unknown_command(&command)),
    })
}

/// What a person does who calls CHECK by hand.
const COMPARES: &str = "CHECK compares the attachment with the result of its ADD: put that result into the network \
                        configuration on stdin, as \"prevResult\"";

fn negotiate(request: &Request, document: &Document) -> Result<Version, Error> {
    let (since, operation) = match request {
        Request::Add { .. } | Request::Del { .. } => return Version::supported(document.version_text()?),
        Request::Check { .. } => (Version::V0_4_0, "CHECK"),
        Request::Status => (Version::V1_1_0, "STATUS"),
        Request::Gc => (Version::V1_1_0, "GC"),
        Request::Unknown { command } => return Err(unknown_command(command)),
    };
    Version::supported_since(since, operation, document.version_text()?)
}

/// How long VERSION waits for its input. Go plugins do not read it at all, so callers exist that leave stdin open.
const STDIN_TIMEOUT: Duration = Duration::from_millis(500);

/// The version that VERSION is called in, which the answer repeats; the newest where the input does not say, as Go
/// plugins always answer.
fn asked_version(stdin: impl Read + Send + 'static) -> Version {
    #[derive(Deserialize)]
    struct Input {
        #[serde(rename = "cniVersion")]
        version: String,
    }
    let (sender, receiver) = mpsc::channel();
    let reader = thread::Builder::new().spawn(move || {
        // Ends with the object, not with the input.
        let mut json = serde_json::Deserializer::from_reader(stdin.take(document::MAX_BYTES));
        // Nobody listens any more when it took too long.
        let _ = sender.send(Input::deserialize(&mut json));
    });
    let input = reader.ok().and_then(|_| receiver.recv_timeout(STDIN_TIMEOUT).ok());
    input.and_then(Result::ok).and_then(|input| input.version.parse().ok()).unwrap_or(Version::NEWEST)
}

fn missing_ipam() -> Error {
    Error::new(Code::INVALID_CONFIG, "missing ipam").with_details(
        "the network configuration needs an object \"ipam\" with the options of the IPAM plugin",
    )
}

impl Call {
    /// The operation, as `CNI_COMMAND` has it.
    #[must_use]
    pub fn command(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Del(_) => "DEL",
            Self::Check(_) => "CHECK",
            Self::Status(_) => "STATUS",
            Self::Gc(_) => "GC",
            Self::Chained(call) => call.command(),
            Self::Version(_) => "VERSION",
        }
    }

    /// The version to answer in.
    #[must_use]
    pub fn version(&self) -> Version {
        match self {
            Self::Add(add) => add.network.version,
            Self::Del(del) => del.network.version,
            Self::Check(check) => check.network.version,
            Self::Status(status) => status.network.version,
            Self::Gc(gc) => gc.network.version,
            Self::Chained(call) => call.network().version,
            Self::Version(version) => *version,
        }
    }

    /// The network, where the operation is about one.
    #[must_use]
    pub fn network(&self) -> Option<&Network> {
        match self {
            Self::Add(add) => Some(&add.network),
            Self::Del(del) => Some(&del.network),
            Self::Check(check) => Some(&check.network),
            Self::Status(status) => Some(&status.network),
            Self::Gc(gc) => Some(&gc.network),
            Self::Chained(call) => Some(call.network()),
            Self::Version(_) => None,
        }
    }

    /// The attachment, where the operation is about a single one.
    #[must_use]
    pub fn attachment(&self) -> Option<&Attachment> {
        match self {
            Self::Add(add) => Some(&add.attachment),
            Self::Del(del) => Some(&del.attachment),
            Self::Check(check) => Some(&check.attachment),
            Self::Chained(call) => call.attachment(),
            Self::Status(_) | Self::Gc(_) | Self::Version(_) => None,
        }
    }
}

impl Refusal {
    /// The document for stdout.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.error.to_json(self.version)
    }
}
