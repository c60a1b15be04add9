//! One HTTP exchange, bounded in time and size, whose failure says whether the request can have left.
//!
//! Each exchange has a connection of its own: on a reused one, which its server may be closing at that very moment, a
//! request that never arrived could not be told from one that did.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use ureq::config::Config;
use ureq::http::{self, HeaderMap, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, RustlsConnector, Transport,
};
use ureq::{Agent, Body};

use super::connection::{Dial, Line};
use super::date::parse_http_date;
use super::endpoint::Endpoint;
use super::explanation::{Circumstances, Route, explain};
use super::failure::{Failure, Patience};
use super::proxy::Proxy;
use super::tls;
use crate::base::deadline::Deadline;
use crate::base::text::clean;

/// The longest answer that is read. The largest that is expected, an ENI with all its addresses, has some 50 kB.
const MAX_BODY: u64 = 1 << 20;

/// The longest head of an answer, status line and headers together.
const MAX_HEAD: usize = 32 << 10;

const USER_AGENT: &str = concat!("aliyun-eni-ipam/", env!("CARGO_PKG_VERSION"));

/// How servers are dialled. The roots are loaded by the first exchange that needs them, for all that follow.
#[derive(Debug)]
pub(crate) struct Http {
    ca_file: Option<PathBuf>,
    proxy: Proxy,
    trust: OnceCell<(RootCerts, Tls)>,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) endpoint: &'a Endpoint,
    /// Path and query, encoded.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a [(&'static str, String)],
    pub(crate) body: &'a str,
    pub(crate) patience: Patience,
    /// What says where the server is, for people: a key, a variable. Empty where the caller says what to check.
    pub(crate) set_by: &'static str,
}

/// What came back.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// The server's time.
    pub(crate) date: Option<SystemTime>,
    /// How long the server asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl Http {
    pub(crate) fn new(ca_file: Option<PathBuf>, proxy: Proxy) -> Self {
        Self { ca_file, proxy, trust: OnceCell::new() }
    }

    /// Sends `request` once, follows nowhere, and reads the whole answer.
    pub(crate) fn exchange(&self, request: &Request<'_>, deadline: Deadline) -> Result<Response, Failure> {
        #[cfg(feature = "simulation")]
        if let Some(answered) = super::simulated::exchange(
            request.endpoint,
            (request.method, request.target, request.headers),
            request.patience,
            deadline,
        ) {
            let crate::base::simulation::Response { status, body, retry_after } = answered?;
            return Ok(Response { status, body, date: None, retry_after });
        }
        let uri: Uri = format!("{}{}", request.endpoint, request.target)
            .parse()
            .map_err(|_| Failure::before_sending("the request is too long to be sent".to_owned()))?;
        let mut head = http::Request::builder().method(request.method).uri(uri.clone());
        for (name, value) in request.headers {
            head = head.header(*name, value);
        }
        // The message must not repeat what it is about: the headers carry tokens.
        let message = head.body(request.body).map_err(|_| {
            Failure::before_sending(
                "a token or parameter has characters that an HTTP header cannot carry".to_owned(),
            )
        })?;

        let (config, tls) = self.config(request, deadline)?;
        // A connection attempt ends by whichever comes first, and the clock need not show which that was.
        let ends_connecting = deadline.remaining() <= request.patience.connect;
        let connected = Arc::new(AtomicBool::new(false));
        let mark = Mark { target: uri, connected: Arc::clone(&connected) };
        let line = Line::default();
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(Dial { line: line.clone() })
                .chain(tls)
                .chain(mark);
        let agent = Agent::with_parts(config, connector, DefaultResolver::default());
        let response = agent.run(message).and_then(read).map_err(|error| {
            let sent = connected.load(Ordering::Relaxed);
            let out_of_time = ends_connecting || deadline.has_passed();
            let route = self.route_to(request);
            explain(&error, &route, &Circumstances { patience: request.patience, out_of_time, sent })
        })?;
        line.end_well();
        Ok(response)
    }

    /// Who is dialled to reach a server, for people.
    fn route_to(&self, request: &Request<'_>) -> Route {
        let (host, set_by) = (request.endpoint.authority(), request.set_by);
        match self.proxy.resolve() {
            Ok(Some(proxy)) => {
                let dialled = clean(&format!("{}:{}", proxy.host(), proxy.port()), 200);
                Route { via: format!(" through the proxy {dialled}"), host, dialled, set_by }
            }
            _ => Route { via: String::new(), dialled: host.clone(), host, set_by },
        }
    }

    fn config(&self, request: &Request<'_>, deadline: Deadline) -> Result<(Config, Tls), Failure> {
        let (mut settings, mut tls) = (TlsConfig::builder(), Tls::default());
        if request.endpoint.scheme() == "https" {
            let (roots, shared) = self.trust().map_err(Failure::before_sending)?;
            settings = settings.root_certs(roots.clone());
            tls = shared.clone();
        }
        let patience = request.patience;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0)
            .max_response_header_size(MAX_HEAD)
            .user_agent(USER_AGENT)
            .accept("application/json")
            .proxy(self.proxy.resolve().map_err(Failure::before_sending)?)
            .tls_config(settings.build())
            .timeout_global(Some(deadline.remaining()))
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.answer));
        Ok((config.build(), tls))
    }

    fn trust(&self) -> Result<&(RootCerts, Tls), String> {
        if let Some(trust) = self.trust.get() {
            return Ok(trust);
        }
        let roots = tls::roots(self.ca_file.as_deref())?;
        Ok(self.trust.get_or_init(|| (roots, Tls::default())))
    }
}

fn read(response: http::Response<Body>) -> Result<Response, ureq::Error> {
    let (head, body) = response.into_parts();
    Ok(Response {
        status: head.status.as_u16(),
        date: text(&head.headers, "date").and_then(parse_http_date),
        retry_after: retry_after(&head.headers),
        body: body.into_with_config().limit(MAX_BODY).read_to_vec()?,
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `x-acs-retry-after` has milliseconds (the official SDKs honour it up to two minutes), `Retry-After` seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let own = text(headers, "x-acs-retry-after")
        .and_then(|value| value.trim().parse().ok())
        .map(Duration::from_millis);
    let standard =
        || text(headers, "retry-after").and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
    own.or_else(standard).map(|wait| wait.min(Duration::from_mins(2)))
}

/// The link of the chain that speaks TLS. Its clones share what the first handshake makes of the roots, so they are for
/// exchanges with the same ones.
#[derive(Clone, Debug, Default)]
struct Tls(Arc<RustlsConnector>);

impl<In: Transport> Connector<In> for Tls {
    type Out = <RustlsConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        self.0.connect(details, chained)
    }
}

/// The last link of the chain that makes a connection: it is reached when the connection stands, the TLS handshake
/// and a proxy's consent included. Whatever fails before has sent nothing.
#[derive(Debug)]
struct Mark {
    target: Uri,
    connected: Arc<AtomicBool>,
}

impl<In: Transport> Connector<In> for Mark {
    type Out = In;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<In>, ureq::Error> {
        // The connection to a proxy passes here as well, on its way to become the one to the target.
        if chained.is_some() && *details.uri == self.target {
            self.connected.store(true, Ordering::Relaxed);
        }
        Ok(chained)
    }
}
