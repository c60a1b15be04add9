//! A server whose answers are bytes of the test's own, well-formed or not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

/// Bytes that are sent as they are, and what comes after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAnswer {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What comes after them.
    pub then: Then,
}

/// What a [`RawServer`] does when it has sent its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Closes the connection.
    Close,
    /// Sends nothing more until the client goes away.
    Hold,
    /// Sends these bytes again and again until the client goes away.
    Repeat(Vec<u8>),
}

/// A server on the loopback interface that reads a request and answers with [`RawAnswer`]s. One connection is served
/// after another.
#[derive(Debug)]
pub struct RawServer {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A client that neither goes on nor goes away is given up after this time, so that no test hangs here.
const PATIENCE: Duration = Duration::from_mins(1);

/// No client of ours sends a longer request.
const LONGEST: u64 = 1 << 20;

impl RawServer {
    /// Starts a server. `answer` is given the head of each request.
    ///
    /// # Errors
    /// When there is no port to listen on.
    pub fn start(mut answer: impl FnMut(&str) -> RawAnswer + Send + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            for connection in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                // That a client goes away in the middle is nothing special here.
                let _ = connection.and_then(|connection| serve(connection, &mut answer));
            }
        });
        Ok(Self { address, ended, thread: Some(thread) })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // It notices when the next connection is made.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

fn serve(mut connection: TcpStream, answer: &mut impl FnMut(&str) -> RawAnswer) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    connection.set_nodelay(true)?;
    let head = read_head(&mut connection)?;
    let RawAnswer { bytes, then } = answer(&head);
    connection.write_all(&bytes)?;
    match then {
        Then::Close => Ok(()),
        Then::Hold => io::copy(&mut connection, &mut io::sink()).map(drop),
        Then::Repeat(piece) => loop {
            connection.write_all(&piece)?;
        },
    }
}

/// Everything up to the empty line: requests with a body are not for this server.
fn read_head(connection: &mut TcpStream) -> io::Result<String> {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match connection.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => head.extend_from_slice(&piece[..length]),
        }
        if head.len() as u64 > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
