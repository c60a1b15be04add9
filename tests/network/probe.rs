//! Trying ways, all side by side.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use harness::NameSpace;
use socket2::{Domain, Socket, Type};

/// How long a way is tried that may not arrive.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long a way is tried that does not arrive.
pub(crate) const HASTE: Duration = Duration::from_millis(500);

/// How long a way is tried that has to arrive: on the slowest machine, too.
const LONG_PATIENCE: Duration = Duration::from_secs(20);

/// How often a datagram is sent again.
const AGAIN: Duration = Duration::from_millis(250);

/// What carries the question and the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// A question of one place that is to be answered by another.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// What ways like this one are called.
    pub(crate) group: &'static str,
    /// The client, with its name.
    pub(crate) from: (String, Arc<NameSpace>),
    /// The address that the client takes, where it does not leave that to its kernel.
    pub(crate) source: Option<IpAddr>,
    pub(crate) to: SocketAddr,
    pub(crate) protocol: Protocol,
    /// The name of who has to answer.
    pub(crate) answered_by: String,
    /// The address that who answers has to see, where that matters.
    pub(crate) seen_as: Option<IpAddr>,
}

impl Way {
    fn ask(&self, patience: Duration) -> Result<(), String> {
        let answer = match self.protocol {
            Protocol::Tcp => self.ask_by_tcp(patience),
            Protocol::Udp => self.ask_by_udp(patience),
        };
        let answer = answer.map_err(|error| error.to_string())?;
        let (who, seen) = answer.trim().split_once(' ').unwrap_or((&answer, ""));
        if who != self.answered_by || self.seen_as.is_some_and(|expected| expected.to_string() != seen) {
            return Err(format!("{who} answered and saw {seen}"));
        }
        Ok(())
    }

    fn ask_by_tcp(&self, patience: Duration) -> io::Result<String> {
        let socket = Socket::new(Domain::for_address(self.to), Type::STREAM, None)?;
        if let Some(source) = self.source {
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        socket.connect_timeout(&self.to.into(), patience)?;
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(b"?\n")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer)
    }

    fn ask_by_udp(&self, patience: Duration) -> io::Result<String> {
        let any: IpAddr = if self.to.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let socket = UdpSocket::bind((self.source.unwrap_or(any), 0))?;
        socket.connect(self.to)?;
        socket.set_read_timeout(Some(AGAIN))?;
        let start = Instant::now();
        loop {
            let mut answer = [0; 256];
            let tried = socket.send(b"?").and_then(|_| socket.recv(&mut answer));
            match tried {
                Ok(length) => return Ok(String::from_utf8_lossy(&answer[..length]).into_owned()),
                Err(error) if start.elapsed() >= patience => return Err(error),
                // Refused at once, by a host on the way: it may be otherwise in a moment.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => thread::sleep(AGAIN),
                Err(_) => {}
            }
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, from, to, protocol, answered_by, .. } = self;
        write!(f, "{group}: {} to {to} ({answered_by}) by {protocol:?}", from.0)
    }
}

/// What became of each way.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ways: Vec<(Way, Result<(), String>)>,
}

impl Outcome {
    /// Tries all of them.
    pub(crate) fn of(ways: Vec<Way>) -> Self {
        Self::soon(ways, PATIENCE)
    }

    /// Tries all of them, but not for long.
    pub(crate) fn soon(ways: Vec<Way>, patience: Duration) -> Self {
        let results = try_all(&ways, patience);
        Self { ways: ways.into_iter().zip(results).collect() }
    }

    /// Tries those again that have not arrived, with much patience.
    pub(crate) fn insist(mut self) -> Self {
        let failed: Vec<_> = self.ways.iter_mut().filter(|(_, result)| result.is_err()).collect();
        let ways: Vec<_> = failed.iter().map(|(way, _)| way.clone()).collect();
        for ((_, result), again) in failed.into_iter().zip(try_all(&ways, LONG_PATIENCE)) {
            *result = again;
        }
        self
    }

    /// Those that have not arrived.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &(Way, Result<(), String>)> {
        self.ways.iter().filter(|(_, result)| result.is_err())
    }

    /// How many of how many have arrived, of each group.
    pub(crate) fn by_group(&self) -> BTreeMap<&'static str, (usize, usize)> {
        let mut groups = BTreeMap::new();
        for (way, result) in &self.ways {
            let (arrived, all) = groups.entry(way.group).or_default();
            *arrived += usize::from(result.is_ok());
            *all += 1;
        }
        groups
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (way, result) in self.failed() {
            writeln!(f, "{way}: {}", result.as_ref().unwrap_err())?;
        }
        Ok(())
    }
}

/// Tries all ways at the same time.
fn try_all(ways: &[Way], patience: Duration) -> Vec<Result<(), String>> {
    let mut by_place: BTreeMap<u32, Vec<(usize, &Way)>> = BTreeMap::new();
    for (index, way) in ways.iter().enumerate() {
        by_place.entry(way.from.1.pid()).or_default().push((index, way));
    }
    let mut results = vec![Ok(()); ways.len()];
    thread::scope(|scope| {
        let places: Vec<_> = by_place
            .into_values()
            .map(|ways| scope.spawn(move || ways[0].1.from.1.run(|| try_from_here(&ways, patience))))
            .collect();
        for (index, result) in places.into_iter().flat_map(|place| place.join().unwrap()) {
            results[index] = result;
        }
    });
    results
}

/// Each in a thread, which is in the namespace of the one that starts it.
fn try_from_here(ways: &[(usize, &Way)], patience: Duration) -> Vec<(usize, Result<(), String>)> {
    thread::scope(|scope| {
        let threads: Vec<_> =
            ways.iter().map(|(index, way)| scope.spawn(move || (*index, way.ask(patience)))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
