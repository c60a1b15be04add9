//! Somebody who asks and is asked: a namespace with addresses, and a server in it that says who it is and whom it sees.

use std::io::{BufRead, BufReader, Write};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use harness::NameSpace;
use socket2::SockRef;

/// The port at which everybody listens.
pub(crate) const PORT: u16 = 7000;

/// A place in the network.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) name_space: Arc<NameSpace>,
    pub(crate) ipv4: Ipv4Addr,
    pub(crate) ipv6: Ipv6Addr,
    _server: Server,
}

/// A server for TCP and UDP. It ends when it is dropped.
#[derive(Debug)]
struct Server {
    tcp: TcpListener,
    udp: UdpSocket,
    threads: Vec<JoinHandle<()>>,
}

impl Place {
    pub(crate) fn new(name: &str, name_space: Arc<NameSpace>, ipv4: Ipv4Addr, ipv6: Ipv6Addr) -> Self {
        let server = name_space.run(|| Server::start(name));
        Self { name: name.to_owned(), name_space, ipv4, ipv6, _server: server }
    }

    /// Its address in one of the families.
    pub(crate) fn address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.ipv4.into(),
            Family::V6 => self.ipv6.into(),
        }
    }

    /// Its server.
    pub(crate) fn socket(&self, family: Family) -> SocketAddr {
        (self.address(family), PORT).into()
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];
}

impl Server {
    fn start(name: &str) -> Self {
        let every = SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT));
        let (tcp, udp) = (TcpListener::bind(every).unwrap(), UdpSocket::bind(every).unwrap());
        let threads = vec![
            thread::spawn({
                let (tcp, name) = (tcp.try_clone().unwrap(), name.to_owned());
                move || serve_tcp(&tcp, &name)
            }),
            thread::spawn({
                let (udp, name) = (udp.try_clone().unwrap(), name.to_owned());
                move || serve_udp(&udp, &name)
            }),
        ];
        Self { tcp, udp, threads }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Linux wakes who waits there, also where it answers that there is no connection to be shut down.
        let _ = SockRef::from(&self.tcp).shutdown(Shutdown::Both);
        let _ = SockRef::from(&self.udp).shutdown(Shutdown::Both);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve_tcp(listener: &TcpListener, name: &str) {
    while let Ok((client, from)) = listener.accept() {
        let name = name.to_owned();
        // A client may be gone; it is its own loss.
        thread::spawn(move || drop(answer(&client, &name, from)));
    }
}

fn answer(mut client: &TcpStream, name: &str, from: SocketAddr) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(10)))?;
    BufReader::new(client).read_line(&mut String::new())?;
    writeln!(client, "{name} {}", from.ip().to_canonical())
}

fn serve_udp(socket: &UdpSocket, name: &str) {
    let mut asked = [MaybeUninit::uninit(); 64];
    // Nobody sends an empty datagram: that is the end, which has no sender.
    while let Ok((1.., from)) = SockRef::from(socket).recv_from(&mut asked) {
        let Some(from) = from.as_socket() else { continue };
        let _ = socket.send_to(format!("{name} {}\n", from.ip().to_canonical()).as_bytes(), from);
    }
}
