//! Listening: a thread for each connection, and all of them gone when the simulator ends.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::ServerConfig;

use crate::http::{Connection, ReadError, Request, Response, Stream};
use crate::shared::Shared;
use crate::tls;

/// Handles one request on its connection.
pub(crate) type Service = fn(&Shared, &Request, &mut Connection<'_>) -> io::Result<()>;

/// A port that is listened on. Dropping it waits for its threads, which needs the end to have come.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        shared: Arc<Shared>,
        service: Service,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let acceptor = thread::Builder::new()
            .name("simulator".to_owned())
            .spawn(move || accept(&listener, tls.as_ref(), &shared, service))?;
        Ok(Self { address, acceptor: Some(acceptor) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until every connection that was made before has been accepted.
    pub(crate) fn catch_up(&self) -> io::Result<()> {
        let mut last = TcpStream::connect(self.address)?;
        last.shutdown(Shutdown::Write)?;
        // They are accepted in the order in which they were made; this one is closed without an answer.
        last.read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only a connection wakes a thread that accepts. If none can be made, it is not accepting.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            // A panic has been reported by the thread that had it.
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, tls: Option<&Arc<ServerConfig>>, shared: &Shared, service: Service) {
    thread::scope(|scope| {
        for socket in listener.incoming() {
            if shared.end.has_come() {
                break;
            }
            let started = socket.and_then(|socket| {
                // Here and not in the thread, so that connections are known in the order in which they were made.
                let watched = shared.end.watch(&socket)?;
                thread::Builder::new().spawn_scoped(scope, move || {
                    // An error here is the client's going away, which is its right.
                    let _ = converse(socket, tls, shared, service);
                    drop(watched);
                })
            });
            if started.is_err() && shared.end.wait(Duration::from_millis(10)).is_err() {
                break;
            }
        }
    });
}

/// Answers the requests of one connection until it ends.
fn converse(
    socket: TcpStream,
    tls: Option<&Arc<ServerConfig>>,
    shared: &Shared,
    service: Service,
) -> io::Result<()> {
    // An answer is one write; waiting for more to send with it only costs time.
    socket.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match tls {
        Some(config) => tls::accept(config, socket.try_clone()?)?,
        None => Box::new(socket.try_clone()?),
    };
    let mut connection = Connection::new(stream, socket, &shared.clock);
    while connection.is_open() {
        match connection.read_request() {
            Ok(Some(request)) => service(shared, &request, &mut connection)?,
            Ok(None) => break,
            Err(ReadError::Io(error)) => return Err(error),
            Err(ReadError::Refused(status)) => {
                connection.make_last();
                connection.respond(&Response::text(status, ""))?;
            }
        }
    }
    Ok(())
}
