//! A small client of the simulator: it signs, sends over a socket, and reads what comes.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use ecs_simulator::signature::{Acs3Request, canonical_query, rpc_signature, rpc_string_to_sign, sha256_hex};
use ecs_simulator::{Simulator, World};
use serde_json::Value;

pub(crate) const ENI: &str = World::SECONDARY_ENI;
pub(crate) const UNASSIGN: &str = "UnassignPrivateIpAddresses";
pub(crate) const ASSIGN: &str = "AssignPrivateIpAddresses";
pub(crate) const DESCRIBE: &str = "DescribeNetworkInterfaces";

/// A simulator of one node.
pub(crate) fn single_node() -> Simulator {
    Simulator::start(World::single_node()).unwrap()
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The error code, empty for a success.
    pub(crate) fn code(&self) -> String {
        self.json()["Code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends bytes and reads until the server closes the connection.
pub(crate) fn exchange(endpoint: &str, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut socket = connect(endpoint)?;
    socket.write_all(request)?;
    let mut received = Vec::new();
    socket.read_to_end(&mut received)?;
    Ok(received)
}

/// Sends bytes, then goes away, and reads what the server had to say before it noticed.
pub(crate) fn send_and_leave(endpoint: &str, request: &[u8]) -> Vec<u8> {
    let mut socket = connect(endpoint).unwrap();
    socket.write_all(request).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    socket.read_to_end(&mut received).unwrap();
    received
}

pub(crate) fn connect(endpoint: &str) -> io::Result<TcpStream> {
    TcpStream::connect(endpoint.strip_prefix("http://").unwrap())
}

/// Parses one answer with nothing behind it.
pub(crate) fn parse(received: &[u8]) -> Option<Answer> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(received[..end].to_vec()).ok()?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: received[end + 4..].to_vec() })
}

/// A plain request with an answer.
pub(crate) fn request(
    endpoint: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    parse(&exchange(endpoint, &compose(method, target, headers, body)).unwrap()).unwrap()
}

pub(crate) fn compose(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: simulated\r\nConnection: close\r\nContent-Length: {length}\r\n{}\r\n{body}",
        headers.concat()
    )
    .into_bytes()
}

/// Somebody with an access key.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) endpoint: String,
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    /// The client's idea of now.
    pub(crate) now: SystemTime,
}

impl Client {
    pub(crate) fn new(simulator: &Simulator) -> Self {
        Self::at(&simulator.endpoint())
    }

    /// The same, with a simulator that is known by its URL alone.
    pub(crate) fn at(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            id: World::ACCESS_KEY_ID.to_owned(),
            secret: World::ACCESS_KEY_SECRET.to_owned(),
            token: None,
            now: SystemTime::now(),
        }
    }

    /// The same with the credentials of a document, as STS and metadata write it.
    pub(crate) fn with_credentials(&self, document: &Value) -> Self {
        let text = |name: &str| document[name].as_str().unwrap().to_owned();
        Self {
            id: text("AccessKeyId"),
            secret: text("AccessKeySecret"),
            token: Some(text("SecurityToken")),
            ..self.clone()
        }
    }

    fn timestamp(&self) -> String {
        humantime::format_rfc3339_seconds(self.now).to_string()
    }

    /// All parameters of a call but the signature.
    pub(crate) fn parameters(&self, action: &str, own: &[(&str, &str)]) -> Vec<(String, String)> {
        let timestamp = self.timestamp();
        let nonce = nonce();
        let mut all = vec![
            ("Action", action),
            ("Format", "JSON"),
            ("RegionId", World::REGION_ID),
            ("AccessKeyId", &self.id),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureVersion", "1.0"),
            ("SignatureNonce", &nonce),
            ("Timestamp", &timestamp),
            (
                "Version",
                if action.contains("Role") || action.contains("Caller") {
                    "2015-04-01"
                } else {
                    "2014-05-26"
                },
            ),
        ];
        if let Some(token) = &self.token {
            all.push(("SecurityToken", token));
        }
        // What a test sets itself counts more.
        all.retain(|(name, _)| own.iter().all(|(key, _)| key != name));
        all.extend(own);
        all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Signs parameters and writes them as a query string.
    pub(crate) fn sign(&self, method: &str, parameters: &[(String, String)]) -> String {
        let pairs: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let signature = rpc_signature(&self.secret, &rpc_string_to_sign(method, pairs.iter().copied()));
        canonical_query(pairs.into_iter().chain([("Signature", signature.as_str())]))
    }

    /// The bytes of a call that is signed with HMAC-SHA1, everything in the query.
    pub(crate) fn bytes(&self, action: &str, own: &[(&str, &str)]) -> Vec<u8> {
        let query = self.sign("POST", &self.parameters(action, own));
        compose("POST", &format!("/?{query}"), &[], "")
    }

    pub(crate) fn try_call(&self, action: &str, own: &[(&str, &str)]) -> Option<Answer> {
        parse(&exchange(&self.endpoint, &self.bytes(action, own)).ok()?)
    }

    pub(crate) fn call(&self, action: &str, own: &[(&str, &str)]) -> Answer {
        self.try_call(action, own).unwrap()
    }

    /// Unassigns addresses from the secondary ENI.
    pub(crate) fn unassign(&self, addresses: &[&str]) -> Answer {
        let names: Vec<_> = (1..=addresses.len()).map(|n| format!("PrivateIpAddress.{n}")).collect();
        let mut own = vec![("NetworkInterfaceId", ENI)];
        own.extend(names.iter().map(String::as_str).zip(addresses.iter().copied()));
        self.call(UNASSIGN, &own)
    }

    /// Assigns a number of addresses to the secondary ENI, and answers them.
    pub(crate) fn assign(&self, count: usize) -> Vec<String> {
        let count = count.to_string();
        let answer =
            self.call(ASSIGN, &[("NetworkInterfaceId", ENI), ("SecondaryPrivateIpAddressCount", &count)]);
        assigned(&answer)
    }

    /// The headers of a call that is signed with ACS3.
    pub(crate) fn acs3_headers(
        &self,
        action: &str,
        query: &[(&str, &str)],
        body: &str,
    ) -> Vec<(String, String)> {
        let (timestamp, nonce, hash) = (self.timestamp(), nonce(), sha256_hex(body.as_bytes()));
        let mut headers = vec![
            ("host", "simulated"),
            ("x-acs-action", action),
            ("x-acs-content-sha256", &hash),
            ("x-acs-date", &timestamp),
        ];
        if let Some(token) = &self.token {
            headers.push(("x-acs-security-token", token));
        }
        headers.push(("x-acs-signature-nonce", &nonce));
        headers.push(("x-acs-version", "2014-05-26"));
        let to_sign = Acs3Request { method: "POST", query: query.to_vec(), headers, content_sha256: &hash };
        let authorization = format!(
            "ACS3-HMAC-SHA256 Credential={},SignedHeaders={},Signature={}",
            self.id,
            to_sign.signed_headers(),
            to_sign.signature(&self.secret)
        );
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut all: Vec<_> = to_sign.headers.iter().skip(1).map(own).collect();
        all.push(("authorization".to_owned(), authorization));
        all.push(("accept".to_owned(), "application/json".to_owned()));
        all
    }

    /// A call that is signed with ACS3.
    pub(crate) fn acs3(&self, action: &str, query: &[(&str, &str)]) -> Answer {
        self.send_acs3(query, &self.acs3_headers(action, query, ""), "")
    }

    pub(crate) fn send_acs3(
        &self,
        query: &[(&str, &str)],
        headers: &[(String, String)],
        body: &str,
    ) -> Answer {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let target = format!("/?{}", canonical_query(query.iter().copied()));
        request(&self.endpoint, "POST", &target, &headers, body)
    }
}

/// The IPv4 addresses that an Assign answered.
pub(crate) fn assigned(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let set = &answer.json()["AssignedPrivateIpAddressesSet"]["PrivateIpSet"]["PrivateIpAddress"];
    set.as_array().unwrap().iter().map(|address| address.as_str().unwrap().to_owned()).collect()
}

fn nonce() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("nonce-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}
