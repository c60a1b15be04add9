//! A conversation with one part of the kernel by netlink: a request and its answer, one after the other.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NetlinkBuffer, NetlinkHeader, NetlinkSerializable, NlasIterator,
};
use netlink_sys::Socket;
use socket2::SockRef;

use crate::base::deadline::Deadline;
use crate::base::text::{clean, reason};

/// More than any datagram of the kernel has: it fills at most 32 KiB of a list at a time.
const LARGEST_DATAGRAM: usize = 1 << 16;

/// How often a list is asked for again because it changed while the kernel wrote it.
const ATTEMPTS: u32 = 20;

/// The length of a message's header.
const HEADER: usize = 16;

/// The attribute of an error that has the kernel's words (`NLMSGERR_ATTR_MSG`).
const KERNELS_WORDS: u16 = 1;

/// A conversation with one part of the kernel.
#[derive(Debug)]
pub(super) struct Conversation {
    socket: Socket,
    deadline: Deadline,
    last_sequence: Cell<u32>,
}

/// Why the kernel did not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The system's number for it.
    errno: i32,
    /// The kernel's own words, where it has some.
    words: Option<String>,
}

/// A message of the kernel: its type, and what is behind its header.
pub(super) type Answer<'a> = (u16, &'a [u8]);

/// What ends the answer to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The first message is all there is.
    FirstMessage,
    /// The kernel confirms the request, or says that the list has ended.
    End,
}

impl Conversation {
    /// Opens a conversation with the part of the kernel that has this number.
    pub(super) fn open(protocol: isize, deadline: Deadline) -> Result<Self, Refusal> {
        let socket = Socket::new(protocol)?;
        // The kernel answers at once. This only keeps a call from waiting for ever.
        let patience = deadline.remaining().max(Duration::from_millis(1));
        SockRef::from(&socket).set_read_timeout(Some(patience))?;
        // Linux 4.12 and 4.20. Without them an error has no words, and a list has more than was asked for.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Self { socket, deadline, last_sequence: Cell::new(0) })
    }

    /// Asks for one thing. `read` is given the answer.
    pub(super) fn get<M: NetlinkSerializable, T>(
        &self,
        message: &M,
        read: impl FnOnce(Answer<'_>) -> T,
    ) -> Result<T, Refusal> {
        let sequence = self.send(message, NLM_F_REQUEST)?;
        let (mut read, mut answer) = (Some(read), None);
        self.receive(sequence, Until::FirstMessage, &mut |it| answer = read.take().map(|read| read(it)))?;
        answer.ok_or_else(Refusal::silence)
    }

    /// Asks for all things of a kind. `read` is given each, and keeps those that it returns.
    pub(super) fn list<M: NetlinkSerializable, T>(
        &self,
        message: &M,
        mut read: impl FnMut(Answer<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Refusal> {
        for _ in 0..ATTEMPTS {
            let mut all = Vec::new();
            let sequence = self.send(message, NLM_F_REQUEST | NLM_F_DUMP)?;
            match self.receive(sequence, Until::End, &mut |it| all.extend(read(it))) {
                Err(refusal) if refusal.is(libc::EINTR) || refusal.is(libc::ENOBUFS) => {
                    if self.deadline.has_passed() {
                        return Err(refusal);
                    }
                }
                answer => return answer.map(|()| all),
            }
        }
        Err(Refusal::of(libc::EINTR))
    }

    /// Has the kernel do something. `read` is given what it says about it before it confirms.
    pub(super) fn tell<M: NetlinkSerializable>(
        &self,
        message: &M,
        flags: u16,
        mut read: impl FnMut(Answer<'_>),
    ) -> Result<(), Refusal> {
        let sequence = self.send(message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        self.receive(sequence, Until::End, &mut read)
    }

    /// Has the kernel do all of these together or none. The kernel confirms the last but one: the very last ends the transaction.
    pub(super) fn transact<M: NetlinkSerializable>(&self, messages: &[(M, u16)]) -> Result<(), Refusal> {
        let (mut bytes, mut confirmed) = (Vec::new(), 0);
        for (index, (message, flags)) in messages.iter().enumerate() {
            let is_confirmed = index + 2 == messages.len();
            let confirm = if is_confirmed { NLM_F_ACK } else { 0 };
            let sequence = self.write(&mut bytes, message, NLM_F_REQUEST | flags | confirm);
            if is_confirmed {
                confirmed = sequence;
            }
        }
        let first = self.last_sequence.get().wrapping_sub(u32::try_from(messages.len()).unwrap_or(0));
        self.socket.send(&bytes, 0)?;
        let mut buffer = Vec::with_capacity(LARGEST_DATAGRAM);
        loop {
            let datagram = self.next_datagram(&mut buffer)?;
            for (header, body) in messages_of(datagram) {
                let is_ours = header.sequence_number.wrapping_sub(first) <= confirmed.wrapping_sub(first) + 1;
                if header.message_type != NLMSG_ERROR || !is_ours {
                    continue;
                }
                refusal_of(&header, body).map_or(Ok(()), Err)?;
                if header.sequence_number == confirmed {
                    return Ok(());
                }
            }
        }
    }

    fn send<M: NetlinkSerializable>(&self, message: &M, flags: u16) -> Result<u32, Refusal> {
        let mut bytes = Vec::new();
        let sequence = self.write(&mut bytes, message, flags);
        self.socket.send(&bytes, 0)?;
        Ok(sequence)
    }

    /// Appends a message to what is going to be sent.
    fn write<M: NetlinkSerializable>(&self, bytes: &mut Vec<u8>, message: &M, flags: u16) -> u32 {
        let sequence = self.last_sequence.get().wrapping_add(1);
        self.last_sequence.set(sequence);
        let (start, length) = (bytes.len(), HEADER + message.buffer_len());
        let mut header = NetlinkBuffer::new([0; HEADER]);
        header.set_length(u32::try_from(length).unwrap_or(u32::MAX));
        header.set_message_type(message.message_type());
        header.set_flags(flags);
        header.set_sequence_number(sequence);
        bytes.extend(header.into_inner());
        bytes.resize(start + length.next_multiple_of(4), 0);
        message.serialize(&mut bytes[start + HEADER..start + length]);
        sequence
    }

    fn receive(&self, sequence: u32, until: Until, read: &mut dyn FnMut(Answer<'_>)) -> Result<(), Refusal> {
        let mut was_interrupted = false;
        let mut buffer = Vec::with_capacity(LARGEST_DATAGRAM);
        loop {
            let datagram = self.next_datagram(&mut buffer)?;
            // What is left of an earlier conversation has another number.
            for (header, body) in messages_of(datagram).filter(|(it, _)| it.sequence_number == sequence) {
                was_interrupted |= header.flags & NLM_F_DUMP_INTR != 0;
                match header.message_type {
                    NLMSG_ERROR | NLMSG_DONE => {
                        refusal_of(&header, body).map_or(Ok(()), Err)?;
                        return if was_interrupted { Err(Refusal::of(libc::EINTR)) } else { Ok(()) };
                    }
                    kind => read((kind, body)),
                }
                if until == Until::FirstMessage {
                    return Ok(());
                }
            }
        }
    }

    fn next_datagram<'a>(&self, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], Refusal> {
        loop {
            buffer.clear();
            match self.socket.recv(buffer, libc::MSG_TRUNC) {
                Ok(length) if length <= buffer.len() => return Ok(buffer),
                Ok(_) => return Err(Refusal::of(libc::EMSGSIZE)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(Refusal::silence()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The messages of a datagram.
fn messages_of(mut datagram: &[u8]) -> impl Iterator<Item = (NetlinkHeader, &[u8])> {
    std::iter::from_fn(move || {
        let buffer = NetlinkBuffer::new_checked(datagram).ok()?;
        let mut header = NetlinkHeader::default();
        header.length = buffer.length();
        header.message_type = buffer.message_type();
        header.flags = buffer.flags();
        header.sequence_number = buffer.sequence_number();
        let length = usize::try_from(header.length).ok()?;
        let body = datagram.get(HEADER..length)?;
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((header, body))
    })
}

/// What a message that ends an answer says; `None` where all is well.
fn refusal_of(header: &NetlinkHeader, body: &[u8]) -> Option<Refusal> {
    let code = body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    if code == 0 {
        return None;
    }
    let of_request = if header.message_type == NLMSG_DONE {
        0
    } else if header.flags & NLM_F_CAPPED != 0 {
        HEADER
    } else {
        let length = body.get(4..8).and_then(|bytes| bytes.first_chunk());
        length.map_or(0, |bytes| u32::from_ne_bytes(*bytes)) as usize
    };
    let attributes = body.get(4 + of_request.next_multiple_of(4)..);
    let attributes = attributes.filter(|_| header.flags & NLM_F_ACK_TLVS != 0).unwrap_or_default();
    let words = NlasIterator::new(attributes).flatten().find(|it| it.kind() == KERNELS_WORDS);
    let words = words.map(|it| clean(String::from_utf8_lossy(it.value()).trim_end_matches('\0'), 200));
    Some(Refusal { errno: code.saturating_abs(), words })
}

impl Refusal {
    /// A refusal with one of the system's numbers.
    fn of(errno: i32) -> Self {
        Self { errno, words: None }
    }

    /// The kernel did not answer.
    fn silence() -> Self {
        Self { errno: libc::ETIMEDOUT, words: Some("the kernel did not answer in time".to_owned()) }
    }

    /// Whether it has this number of the system.
    pub(super) fn is(&self, errno: i32) -> bool {
        self.errno == errno
    }

    /// Whether it has one of these numbers.
    pub(super) fn is_one_of(&self, numbers: &[i32]) -> bool {
        numbers.contains(&self.errno)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::of(errno),
            None => Self { errno: 0, words: Some(clean(&error.to_string(), 200)) },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_number = (self.errno != 0).then(|| reason(&io::Error::from_raw_os_error(self.errno)));
        match (by_number, &self.words) {
            (Some(number), Some(words)) => write!(f, "{words} ({number})"),
            (Some(number), None) => f.write_str(&number),
            (None, Some(words)) => f.write_str(words),
            (None, None) => f.write_str("unknown error"),
        }
    }
}
