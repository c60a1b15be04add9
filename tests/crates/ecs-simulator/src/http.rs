//! HTTP/1.1 as far as a test's clients speak it: one connection, its requests and answers.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use percent_encoding::percent_decode_str;

use crate::clock::{Clock, http_date};

const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 1024 * 1024;
const MAX_HEADERS: usize = 100;

/// A request, read completely.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path and the query, as they were sent.
    pub(crate) target: String,
    /// The path, decoded, without the query.
    pub(crate) path: String,
    /// The query's parameters, decoded.
    pub(crate) query: Vec<(String, String)>,
    /// The headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the client may send another request.
    pub(crate) keep_alive: bool,
}

impl Request {
    /// A request for this, with headers whose names are in lower case.
    pub(crate) fn new(method: &str, target: &str, headers: Vec<(String, String)>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            path: percent_decode_str(path).decode_utf8_lossy().into_owned(),
            query: decode_pairs(query),
            headers,
            ..Self::default()
        }
    }

    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The parameters of a form in the body, none if the body is something else.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        match self.header("content-type") {
            Some(kind) if kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") => {
                decode_pairs(&String::from_utf8_lossy(&self.body))
            }
            _ => Vec::new(),
        }
    }
}

/// An answer. `Content-Length`, `Date` and `Connection` are added when it is written.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type", content_type.to_owned())], body: body.into() }
    }

    pub(crate) fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "text/plain", body)
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, "application/json;charset=utf-8", body.to_string())
    }

    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Why no request could be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The connection failed.
    Io(io::Error),
    /// The client sent something that is answered with this status.
    Refused(u16),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<httparse::Error> for ReadError {
    fn from(error: httparse::Error) -> Self {
        Self::Refused(if error == httparse::Error::TooManyHeaders { 431 } else { 400 })
    }
}

/// What a connection's bytes go through: the socket itself, or TLS on top of it.
pub(crate) trait Stream: Read + Write + Send {
    /// Says goodbye where the protocol has a way to.
    fn finish(&mut self) {}
}

impl Stream for TcpStream {}

/// A client's connection.
pub(crate) struct Connection<'a> {
    stream: Box<dyn Stream>,
    /// The same connection below TLS.
    socket: TcpStream,
    clock: &'a Clock,
    /// What has been received and not used.
    received: Vec<u8>,
    open: bool,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(stream: Box<dyn Stream>, socket: TcpStream, clock: &'a Clock) -> Self {
        Self { stream, socket, clock, received: Vec::new(), open: true }
    }

    /// Whether another request can follow.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Reads the next request; `None` once the client has closed the connection.
    pub(crate) fn read_request(&mut self) -> Result<Option<Request>, ReadError> {
        let Some((mut request, framing)) = self.read_head()? else { return Ok(None) };
        if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = match framing {
            Framing::Length(length) if length > MAX_BODY => return Err(ReadError::Refused(413)),
            Framing::Length(length) => self.take(length)?,
            Framing::Chunked => self.read_chunks()?,
        };
        let Some(body) = body else { return Ok(None) };
        request.body = body;
        self.open = request.keep_alive;
        Ok(Some(request))
    }

    fn read_head(&mut self) -> Result<Option<(Request, Framing)>, ReadError> {
        loop {
            if let Some((length, request, framing)) = parse_head(&self.received)? {
                self.received.drain(..length);
                return Ok(Some((request, framing)));
            }
            if self.received.len() > MAX_HEAD {
                return Err(ReadError::Refused(431));
            }
            if self.receive()? == 0 {
                return Ok(None);
            }
        }
    }

    fn read_chunks(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let mut body = Vec::new();
        loop {
            let (start, size) = loop {
                match httparse::parse_chunk_size(&self.received).map_err(|_| ReadError::Refused(400))? {
                    httparse::Status::Complete(chunk) => break chunk,
                    httparse::Status::Partial if self.received.len() > MAX_HEAD => {
                        return Err(ReadError::Refused(400));
                    }
                    httparse::Status::Partial if self.receive()? == 0 => return Ok(None),
                    httparse::Status::Partial => {}
                }
            };
            self.received.drain(..start);
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size == 0 {
                return Ok(self.skip_trailers()?.then_some(body));
            }
            if size > MAX_BODY - body.len() {
                return Err(ReadError::Refused(413));
            }
            let Some(chunk) = self.take(size)? else { return Ok(None) };
            body.extend_from_slice(&chunk);
            if self.take(2)?.is_none() {
                return Ok(None);
            }
        }
    }

    /// Reads up to the empty line that ends a chunked body; false if the connection ends before.
    fn skip_trailers(&mut self) -> Result<bool, ReadError> {
        loop {
            while let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                self.received.drain(..end + 2);
                if end == 0 {
                    return Ok(true);
                }
            }
            if self.received.len() > MAX_HEAD {
                return Err(ReadError::Refused(431));
            }
            if self.receive()? == 0 {
                return Ok(false);
            }
        }
    }

    /// Takes a number of bytes off the connection; `None` if it ends before.
    fn take(&mut self, length: usize) -> Result<Option<Vec<u8>>, ReadError> {
        while self.received.len() < length {
            if self.receive()? == 0 {
                return Ok(None);
            }
        }
        Ok(Some(self.received.drain(..length).collect()))
    }

    fn receive(&mut self) -> io::Result<usize> {
        let mut block = [0; 8 * 1024];
        let length = self.stream.read(&mut block)?;
        self.received.extend_from_slice(&block[..length]);
        Ok(length)
    }

    /// Writes an answer.
    pub(crate) fn respond(&mut self, response: &Response) -> io::Result<()> {
        let mut headers = response.headers.clone();
        headers.push(("Content-Length", response.body.len().to_string()));
        let mut bytes = self.head(response.status, &headers);
        bytes.extend_from_slice(&response.body);
        self.write(&bytes)
    }

    /// The beginning of an answer, up to its body.
    pub(crate) fn head(&self, status: u16, headers: &[(&'static str, String)]) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        let date = ("Date", http_date(self.clock.now()));
        let connection = ("Connection", if self.open { "keep-alive" } else { "close" }.to_owned());
        for (name, value) in headers.iter().chain([&date, &connection]) {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Announces that no request will follow. The next answer's head says so.
    pub(crate) fn make_last(&mut self) {
        self.open = false;
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Ends the connection in the middle of whatever the client expects.
    pub(crate) fn close(&mut self) {
        self.open = false;
        // The client may have gone first.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Keeps silent until the client goes away.
    pub(crate) fn hang(&mut self) {
        let mut ignored = [0; 1024];
        while matches!(self.socket.read(&mut ignored), Ok(length) if length > 0) {}
        self.close();
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.stream.finish();
    }
}

/// How a request's body ends.
enum Framing {
    Length(usize),
    Chunked,
}

/// Parses a request's head, if all of it is there, and answers its length too.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, Request, Framing)>, ReadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = parsed.parse(bytes)? else { return Ok(None) };
    let target = parsed.path.unwrap_or("/");
    let headers = parsed.headers.iter().map(|header| {
        (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).trim().to_owned())
    });
    let mut request = Request::new(parsed.method.unwrap_or_default(), target, headers.collect());
    let connection = request.header("connection").unwrap_or_default().to_ascii_lowercase();
    request.keep_alive = match parsed.version {
        Some(1) => !connection.contains("close"),
        _ => connection.contains("keep-alive"),
    };
    let encoding = request.header("transfer-encoding").map(str::to_ascii_lowercase);
    let framing = match (encoding.as_deref(), request.header("content-length")) {
        (Some("chunked"), _) => Framing::Chunked,
        (Some(_), _) => return Err(ReadError::Refused(501)),
        (None, Some(length)) => Framing::Length(length.parse().map_err(|_| ReadError::Refused(400))?),
        (None, None) => Framing::Length(0),
    };
    Ok(Some((length, request, framing)))
}

/// Decodes `a=1&b=2`. A plus sign is a space, in a query as in a form: that is how the real service reads both, and
/// what makes a signature fail whose plus signs were not encoded.
fn decode_pairs(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Request {
        parse_head(text.as_bytes()).unwrap().unwrap().1
    }

    #[test]
    fn a_query_is_decoded() {
        let request = parse("GET /a%20b?x=1%2B1&y=a+b&z&=&Signature=a%3D HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(request.path, "/a b");
        let pairs: Vec<_> =
            request.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("x", "1+1"), ("y", "a b"), ("z", ""), ("", ""), ("Signature", "a=")]);
    }

    #[test]
    fn header_names_do_not_depend_on_case() {
        let request = parse("GET / HTTP/1.1\r\nX-ACS-Action:  DescribeRegions \r\n\r\n");
        assert_eq!(request.header("x-acs-action"), Some("DescribeRegions"));
    }

    #[test]
    fn connections_stay_open_by_version_and_header() {
        assert!(parse("GET / HTTP/1.1\r\n\r\n").keep_alive);
        assert!(!parse("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").keep_alive);
        assert!(!parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
    }

    #[test]
    fn a_head_that_is_not_complete_is_waited_for() {
        assert!(parse_head(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap().is_none());
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(matches!(parse_head(b"\x16\x03\x01\x02\x00"), Err(ReadError::Refused(400))));
        assert!(matches!(
            parse_head(b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
            Err(ReadError::Refused(400))
        ));
        assert!(matches!(
            parse_head(b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"),
            Err(ReadError::Refused(501))
        ));
    }

    #[test]
    fn only_a_form_has_form_parameters() {
        let mut request = parse("POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n");
        request.body = b"a=1&b=%2F".to_vec();
        assert_eq!(request.form().len(), 2);
        request.headers.clear();
        assert!(request.form().is_empty());
    }
}
