//! A TCP connection that delivers nothing late.
//!
//! What a process has written stays in its kernel until the other side has acknowledged it, for a quarter of an hour if the
//! network is broken, and longer than the process lives. A request to unassign an address that arrives so late takes it from
//! the pod that has it by then. So a connection is reset when its request is given up, and when the process is killed: the
//! kernel then forgets what it has not delivered.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use socket2::SockRef;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

/// How long the kernel tries to deliver what is not acknowledged, as long as it does so at all: for a process that is
/// stopped, or frozen, and neither gives up nor ends.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// No attempt to connect is shorter, however many addresses the server has.
const MIN_CONNECT: Duration = Duration::from_millis(10);

/// No call has a longer deadline.
const LONGEST_CALL: Duration = Duration::from_mins(10);

/// The connection of one exchange, for the time after it.
#[derive(Clone, Default)]
pub(super) struct Line(Arc<OnceLock<Arc<TcpStream>>>);

impl Line {
    /// The answer is there, so nothing is left to be delivered: the connection may end as others do.
    pub(super) fn end_well(&self) {
        if let Some(stream) = self.0.get() {
            // Otherwise it is reset, and no harm is done.
            let _ = SockRef::from(&**stream).set_linger(None);
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

/// The link of ureq's chain that dials. The tunnel through a proxy runs in the connection to the proxy.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) line: Line,
}

impl<In: Transport> Connector<In> for Dial {
    type Out = Either<In, Connection>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        let stream = Arc::new(dial(details)?);
        let socket = SockRef::from(&*stream);
        socket.set_tcp_user_timeout(Some(DELIVERY_TIMEOUT))?;
        socket.set_linger(Some(Duration::ZERO))?;
        stream.set_nodelay(true)?;
        let _ = self.line.0.set(Arc::clone(&stream));
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(Connection { stream, buffers })))
    }
}

/// Tries one of the server's addresses after the other. Each has half of the time that is left, so that a silent one leaves
/// some for the next.
fn dial(details: &ConnectionDetails<'_>) -> Result<TcpStream, Error> {
    let end = Instant::now() + limit(details.timeout)?;
    let mut failure = Error::HostNotFound;
    for (index, address) in details.addrs.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        let is_last = index + 1 == details.addrs.len();
        let patience = if is_last { left } else { left / 2 };
        failure = match TcpStream::connect_timeout(address, patience.max(MIN_CONNECT)) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Error::Timeout(details.timeout.reason),
            Err(error) => error.into(),
        };
    }
    Err(failure)
}

/// An open connection.
pub(super) struct Connection {
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.set_write_timeout(Some(limit(timeout)?))?;
        (&*self.stream).write_all(&self.buffers.output()[..amount]).map_err(or_timeout(timeout.reason))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let end = Instant::now() + limit(timeout)?;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Timeout(timeout.reason));
            }
            self.stream.set_read_timeout(Some(left))?;
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                // A process that was stopped goes on.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(or_timeout(timeout.reason)(error)),
                Ok(length) => {
                    self.buffers.input_appended(length);
                    return Ok(length > 0);
                }
            }
        }
    }

    /// Each exchange has a connection of its own.
    fn is_open(&mut self) -> bool {
        false
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

/// How long may be waited. ureq's "for ever" is longer than the clock goes.
fn limit(timeout: NextTimeout) -> Result<Duration, Error> {
    let after = (*timeout.after).min(LONGEST_CALL);
    if after.is_zero() { Err(Error::Timeout(timeout.reason)) } else { Ok(after) }
}

/// Tells the end of the caller's patience, which the kernel calls "would block", from a broken connection.
fn or_timeout(reason: Timeout) -> impl FnOnce(io::Error) -> Error {
    move |error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::Timeout(reason),
        _ => error.into(),
    }
}
