//! HTTP answers, sound and broken, each with what may be read out of it at the most.

use std::fmt;

use harness::{RawAnswer, Then};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::mutated::{Damage, bytes, damage};

/// An answer. `Debug` shows it as it is sent.
#[derive(Clone)]
pub(crate) struct Http {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    framing: Framing,
    /// What has been done to the head.
    damage: Option<Damage>,
}

/// How the end of the body is told.
#[derive(Clone, Debug)]
enum Framing {
    /// By its length.
    Length,
    /// By the end of the connection.
    End,
    /// By chunks, of these sizes.
    Chunks(Vec<u8>),
    /// Wrongly: the connection ends this many bytes before the length that was told.
    LengthTooLong(usize),
    /// Wrongly: more comes than was told.
    LengthTooShort(Index),
    /// By chunks and by a length that is another.
    ChunksAndLength(usize),
    /// By two lengths.
    TwoLengths(usize),
    /// By chunks of which the last is missing.
    ChunksCut,
    /// By chunks whose sizes are none.
    ChunksOf(String),
    /// Not at all: after a part of the body nothing comes.
    Held(Index),
    /// Not at all: these bytes are repeated for ever, after the head or in it.
    Endless(&'static str, Place),
}

/// Where something endless begins.
#[derive(Clone, Copy, Debug)]
enum Place {
    Status,
    Headers,
    Body,
}

/// What may be read out of an answer, at the most.
#[derive(Debug)]
pub(crate) struct Readable {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

fn status() -> impl Strategy<Value = u16> {
    let known = [201, 202, 204, 206, 300, 302, 304, 400, 403, 404, 409, 429, 500, 502, 503, 504];
    prop_oneof![16 => Just(200), 3 => select(known.to_vec()), 1 => 100_u16..1000]
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let known = select(vec![
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Date", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("Retry-After", "99999999999999999999"),
        ("Retry-After", "-1"),
        ("x-acs-retry-after", "18446744073709551615"),
        ("Location", "/"),
        ("Location", "http://127.0.0.1:1/"),
        ("Content-Type", "application/json"),
        ("Content-Encoding", "gzip"),
        ("Connection", "upgrade"),
        ("Trailer", "Content-Length"),
        ("Set-Cookie", "a=b"),
    ]);
    let known = known.prop_map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let any = ("[!-9;-~]{1,20}", bytes(40));
    let long = ("[a-z]{1,9}", (1000_usize..40_000).prop_map(|length| vec![b'x'; length]));
    let few = vec(prop_oneof![4 => known, 2 => any, 1 => long], 0..3);
    let many = (50_usize..3000).prop_map(|count| vec![("X-Many".to_owned(), b"1".to_vec()); count]);
    prop_oneof![12 => few, 1 => many]
}

fn framing() -> impl Strategy<Value = Framing> {
    let endless = ["{\"a\":", " ", "X-A: b\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "0", "\r\n", "1\r\nx\r\n"];
    let place = select(vec![Place::Status, Place::Headers, Place::Body]);
    prop_oneof![
        24 => Just(Framing::Length),
        6 => Just(Framing::End),
        6 => vec(1_u8.., 0..6).prop_map(Framing::Chunks),
        2 => (1_usize..100).prop_map(Framing::LengthTooLong),
        2 => any::<Index>().prop_map(Framing::LengthTooShort),
        2 => (0_usize..200).prop_map(Framing::ChunksAndLength),
        2 => (0_usize..200).prop_map(Framing::TwoLengths),
        2 => Just(Framing::ChunksCut),
        2 => "[0-9a-fA-FxX;= -]{0,20}".prop_map(Framing::ChunksOf),
        1 => any::<Index>().prop_map(Framing::Held),
        2 => (select(endless.to_vec()), place).prop_map(|(piece, place)| Framing::Endless(piece, place)),
    ]
}

/// Any answer with one of these bodies. About each second one is sound but for its body.
pub(crate) fn http(body: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Http> {
    let whole = (status(), headers(), framing(), option::weighted(0.15, damage()));
    (body, option::of(whole)).prop_map(|(body, whole)| {
        let (status, headers, framing, damage) = whole.unwrap_or((200, Vec::new(), Framing::Length, None));
        Http { status, headers, body, framing, damage }
    })
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RawAnswer { bytes, then } = self.raw();
        let text: String = String::from_utf8_lossy(&bytes).chars().take(4000).collect();
        let end = if then == Then::Close { "" } else { " and does not end" };
        write!(f, "{} bytes{end}: {text:?}", bytes.len())
    }
}

impl Http {
    /// The status line and the headers, without the empty line.
    fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Whatever\r\n", self.status).into_bytes();
        let length = self.body.len();
        let told = match &self.framing {
            Framing::Length | Framing::Held(_) => format!("Content-Length: {length}\r\n"),
            Framing::LengthTooLong(more) => format!("Content-Length: {}\r\n", length + more),
            Framing::LengthTooShort(at) => format!("Content-Length: {}\r\n", at.index(length.max(1))),
            Framing::TwoLengths(other) => format!("Content-Length: {length}\r\nContent-Length: {other}\r\n"),
            Framing::ChunksAndLength(other) => {
                format!("Content-Length: {other}\r\nTransfer-Encoding: chunked\r\n")
            }
            Framing::Chunks(_) | Framing::ChunksCut | Framing::ChunksOf(_) => {
                "Transfer-Encoding: chunked\r\n".to_owned()
            }
            Framing::End | Framing::Endless(..) => String::new(),
        };
        for (name, value) in &self.headers {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        head.extend(told.as_bytes());
        self.damage.iter().fold(head, |head, damage| damage.to(&head))
    }

    /// The bytes, and how the connection ends.
    pub(crate) fn raw(&self) -> RawAnswer {
        let head = [self.head().as_slice(), b"\r\n"].concat();
        let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        let body = match &self.framing {
            Framing::Chunks(sizes) => {
                let (mut rest, mut body) = (self.body.as_slice(), Vec::new());
                for size in sizes {
                    let (first, others) = rest.split_at(rest.len().min(usize::from(*size)));
                    if !first.is_empty() {
                        body.extend(chunk(first));
                    }
                    rest = others;
                }
                if !rest.is_empty() {
                    body.extend(chunk(rest));
                }
                [body, b"0\r\n\r\n".to_vec()].concat()
            }
            Framing::ChunksAndLength(_) => [chunk(&self.body).as_slice(), b"0\r\n\r\n"].concat(),
            Framing::ChunksCut => chunk(&self.body),
            Framing::ChunksOf(size) => [size.as_bytes(), b"\r\n", &self.body, b"\r\n0\r\n\r\n"].concat(),
            Framing::Held(at) => self.body[..at.index(self.body.len().max(1))].to_vec(),
            Framing::Endless(piece, place) => {
                let before = match place {
                    Place::Status => b"HTTP/1.1 200 ".to_vec(),
                    Place::Headers => self.head(),
                    Place::Body => head,
                };
                return RawAnswer { bytes: before, then: Then::Repeat(piece.repeat(2000).into_bytes()) };
            }
            _ => self.body.clone(),
        };
        let then = if matches!(self.framing, Framing::Held(_)) { Then::Hold } else { Then::Close };
        RawAnswer { bytes: [head, body].concat(), then }
    }

    /// Whether an answer never comes, so that nothing but the caller's deadline ends the call.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self.framing, Framing::Held(_))
    }

    /// Whether a reader may take a part of the body, from its beginning, for all of it.
    pub(crate) fn may_be_cut(&self) -> bool {
        self.damage.is_some() || matches!(self.framing, Framing::LengthTooShort(_) | Framing::TwoLengths(_))
    }

    /// What a reader may take it for, or for nothing: the body that was meant, with any status that stands in the first
    /// line.
    pub(crate) fn readable(&self) -> Vec<Readable> {
        let body = match self.framing {
            Framing::Held(_) | Framing::Endless(..) => return Vec::new(),
            // Unless the head tells it no more, the end of the body is missed.
            Framing::LengthTooLong(_) | Framing::ChunksCut if self.damage.is_none() => return Vec::new(),
            // Of an object, nothing but blanks behind it can be left out.
            _ if self.may_be_cut() => self.body.trim_ascii_end(),
            _ => &self.body,
        };
        let head = self.head();
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let status = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u16>().ok();
        line.windows(3).filter_map(status).map(|status| Readable { status, body: body.to_vec() }).collect()
    }
}
