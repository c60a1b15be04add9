//! Answers that no API gives: what gateways, proxies and broken networks make of them.

use std::io;
use std::time::Duration;

use crate::end::End;
use crate::faults::Effect;
use crate::http::{Connection, Response};

const JSON: (&str, &str) = ("Content-Type", "application/json;charset=utf-8");

/// Writes the answer that an effect stands for. Effects that are not about the answer's form are the services' business
/// and do nothing here.
pub(crate) fn answer(connection: &mut Connection<'_>, effect: &Effect, end: &End) -> io::Result<()> {
    match effect {
        Effect::Html { status } => connection.respond(&html(*status)),
        Effect::Html502AfterActing => connection.respond(&html(502)),
        Effect::Empty { status } => {
            connection.respond(&Response { status: *status, headers: Vec::new(), body: Vec::new() })
        }
        Effect::Garbage => {
            connection.respond(&Response::new(200, JSON.1, &b"\x00\xff{\"RequestId\": oops"[..]))
        }
        Effect::TruncatedBody => {
            connection.make_last();
            let mut bytes =
                connection.head(200, &[(JSON.0, JSON.1.into()), ("Content-Length", "512".into())]);
            bytes.extend_from_slice(b"{\"RequestId\":\"04F0F334-1335-");
            connection.write(&bytes)?;
            connection.close();
            Ok(())
        }
        Effect::EndlessBody => {
            connection.make_last();
            endless(connection, end)
        }
        Effect::HugeHeaders => {
            connection.make_last();
            huge_headers(connection)
        }
        _ => Ok(()),
    }
}

/// The status of the answer that [`answer`] writes.
pub(crate) fn status(effect: &Effect) -> u16 {
    match effect {
        Effect::Html { status } | Effect::Empty { status } => *status,
        Effect::Html502AfterActing => 502,
        _ => 200,
    }
}

fn html(status: u16) -> Response {
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
         <hr><center>The page you requested was not found or is temporarily unavailable</center>\r\n\
         </body>\r\n</html>\r\n"
    );
    Response::new(status, "text/html", page)
}

fn endless(connection: &mut Connection<'_>, end: &End) -> io::Result<()> {
    const CHUNK: usize = 16 * 1024;
    let head = connection.head(200, &[(JSON.0, JSON.1.into()), ("Transfer-Encoding", "chunked".into())]);
    connection.write(&head)?;
    connection.write(b"e\r\n{\"RequestId\":\"\r\n")?;
    let chunk = [format!("{CHUNK:x}\r\n").as_bytes(), &[b'A'; CHUNK], b"\r\n"].concat();
    loop {
        connection.write(&chunk)?;
        // Fast enough for any limit of the client's, and slow enough not to fill its memory first.
        end.wait(Duration::from_millis(1))?;
    }
}

fn huge_headers(connection: &mut Connection<'_>) -> io::Result<()> {
    const LINES: usize = 4 * 1024;
    let line = format!("X-Padding: {}\r\n", "a".repeat(1011));
    connection.write(b"HTTP/1.1 200 OK\r\n")?;
    for _ in 0..LINES {
        connection.write(line.as_bytes())?;
    }
    connection.write(b"Content-Length: 2\r\n\r\n{}")
}
