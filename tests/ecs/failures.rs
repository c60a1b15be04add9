//! What goes wrong on the way: what is then known of the outcome, and that nothing outlasts the deadline.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use aliyun_eni_ipam::inside::base::Deadline;
use aliyun_eni_ipam::inside::base::Family;
use aliyun_eni_ipam::inside::cloud::Client;
use aliyun_eni_ipam::inside::cloud::{Error, ErrorKind};
use ecs_simulator::{Effect, Fault, Simulator, World};
use harness::ends;

use crate::setup::{address, assign_one, client, eni, region, settings_for, simulator, soon};

/// Assigns an address, has its unassignment fail with `effect`, and says whether ECS still has the address.
fn failing_unassignment(simulator: &Simulator, effect: Effect, deadline: Deadline) -> (Error, bool) {
    let client = client(simulator);
    let address = assign_one(&client, Family::V4);
    simulator.clear_faults();
    simulator.inject(Fault::on("UnassignPrivateIpAddresses").effect(effect));
    let error = client.unassign(&region(), &eni(), &[address], deadline).unwrap_err();
    (error, simulator.addresses(World::SECONDARY_ENI).contains(&address))
}

#[test]
fn a_request_that_may_have_arrived_has_an_unknown_outcome() {
    let simulator = simulator();
    for (effect, remains, words) in [
        (Effect::DropBefore, true, "was lost"),
        (Effect::DropAfter, false, "was lost"),
        (Effect::Html { status: 500 }, true, "answered HTTP 500 with something that is not an ECS answer"),
        (Effect::Html { status: 502 }, true, "answered HTTP 502 with something that is not an ECS answer"),
        (Effect::Html { status: 200 }, true, "answered HTTP 200 with something that is not an ECS answer"),
        (Effect::Html { status: 403 }, true, "answered HTTP 403 with something that is not an ECS answer"),
        (Effect::Html502AfterActing, false, "answered HTTP 502"),
        (Effect::Empty { status: 200 }, true, "answered HTTP 200 with an empty body"),
        (Effect::Empty { status: 503 }, true, "answered HTTP 503 with an empty body"),
        (Effect::Empty { status: 302 }, true, "redirect"),
        (Effect::Garbage, true, "something that is not an ECS answer"),
        (Effect::TruncatedBody, true, ""),
        (Effect::HugeHeaders, true, "is too long"),
        (Effect::EndlessBody, true, "is too long"),
    ] {
        let (error, still_there) = failing_unassignment(&simulator, effect.clone(), soon());
        assert_eq!((error.kind, error.transient), (ErrorKind::Unknown, true), "{effect:?}: {error}");
        assert_eq!(still_there, remains, "{effect:?}");
        let text = error.to_string();
        assert!(text.contains(words) && text.contains("127.0.0.1"), "{effect:?}: {text}");
    }
}

#[test]
fn a_limiter_in_front_of_ecs_has_surely_not_passed_the_request_on() {
    use aliyun_eni_ipam::inside::cloud::Disposition;
    let simulator = simulator();
    let (error, _) = failing_unassignment(&simulator, Effect::Html { status: 429 }, soon());
    assert_eq!(error.kind, ErrorKind::Refused(Disposition::Throttled));
}

/// Expects that the call ended because its time ran out, and for no other reason. Nothing here measures the time: a server
/// that never answers and a client that is not bound by the deadline hang, and any other bound has words of its own.
#[track_caller]
fn expect_out_of_time(error: &Error) {
    assert!(error.to_string().contains("the time of this call ran out before"), "{error}");
}

#[test]
fn a_server_that_does_not_answer_costs_no_more_than_the_deadline() {
    for (effect, remains) in [(Effect::Stall, true), (Effect::StallAfter, false)] {
        let deadline = Deadline::after(Duration::from_millis(600));
        let (error, still_there) = ends(move || failing_unassignment(&simulator(), effect, deadline));
        assert_eq!((error.kind, still_there), (ErrorKind::Unknown, remains), "{error}");
        assert!(deadline.has_passed());
        expect_out_of_time(&error);
    }
}

#[test]
fn a_deadline_that_has_passed_sends_nothing() {
    let simulator = simulator();
    let client = client(&simulator);
    let error = client
        .unassign(&region(), &eni(), &[address("192.168.0.77")], Deadline::after(Duration::ZERO))
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSent, "{error}");
    assert!(simulator.ledger().is_empty());
}

/// The error of a call to `endpoint`.
fn call(endpoint: &str, deadline: Duration) -> Error {
    let settings = settings_for(endpoint, "http://127.0.0.1:1");
    let target = [address("192.168.0.77")];
    ends(move || {
        let client = Client::new(settings);
        client.unassign(&region(), &eni(), &target, Deadline::after(deadline)).unwrap_err()
    })
}

#[test]
fn where_no_connection_is_made_nothing_was_sent() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (endpoint, words) in [
        (format!("http://{free}"), "cannot connect to 127.0.0.1"),
        (format!("https://{free}"), "cannot connect to 127.0.0.1"),
        ("http://[::1]:1".to_owned(), "cannot connect to [::1]:1"),
        ("https://ecs.invalid".to_owned(), "ecs.invalid"),
    ] {
        let error = call(&endpoint, Duration::from_secs(5));
        assert_eq!((error.kind, error.transient), (ErrorKind::NotSent, true), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_server_is_reached_at_whichever_of_its_addresses_listens() {
    // The name stands for ::1, too, on most machines, and nothing listens there.
    let simulator = simulator();
    let endpoint = simulator.endpoint().replace("127.0.0.1", "localhost");
    let client = Client::new(settings_for(&endpoint, "http://127.0.0.1:1"));
    assert!(client.describe(&region(), &eni(), soon()).unwrap().is_some());
}

#[test]
fn a_connection_ends_without_a_reset_once_its_request_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut piece = [0; 4096];
        while !head.ends_with(b"\r\n\r\n") {
            let length = connection.read(&mut piece).unwrap();
            head.extend_from_slice(&piece[..length]);
        }
        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"RequestId\":\"1\"}").unwrap();
        connection.read(&mut piece).unwrap()
    });
    let client = Client::new(settings_for(&endpoint, "http://127.0.0.1:1"));
    client.unassign(&region(), &eni(), &[address("192.168.0.77")], soon()).unwrap();
    assert_eq!(ends(|| server.join().unwrap()), 0);
}

#[test]
fn a_connection_that_is_never_made_costs_no_more_than_the_deadline() {
    // A full backlog: the kernel drops what asks for a connection.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let filling: Vec<_> = (0..200)
        .map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok())
        .collect();
    let error = call(&format!("http://{address}"), Duration::from_secs(1));
    assert!(!filling.is_empty());
    assert_eq!(error.kind, ErrorKind::NotSent, "{error}");
    expect_out_of_time(&error);
}

#[test]
fn a_tls_handshake_that_stalls_or_fails_sent_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = call(&format!("https://{}", silent.local_addr().unwrap()), Duration::from_secs(1));
    assert_eq!(error.kind, ErrorKind::NotSent, "{error}");
    expect_out_of_time(&error);

    // A server that does not speak TLS.
    let simulator = simulator();
    let endpoint = simulator.endpoint().replace("http:", "https:");
    let error = call(&endpoint, Duration::from_secs(5));
    assert_eq!(error.kind, ErrorKind::NotSent, "{error}");
}

#[test]
fn answers_that_are_not_http_or_nearly_json_are_survived() {
    use std::io::{Read, Write};
    let bodies: &[&[u8]] = &[
        b"",
        b"\0\0\0\0",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"RequestId\":1",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\xff\xfe\xfd\xfc",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ndate: yesterday\r\nx-acs-retry-after: soon\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for body in bodies {
                let (mut connection, _) = listener.accept().unwrap();
                let _ = connection.read(&mut [0; 4096]);
                let _ = connection.write_all(body);
            }
        });
        for body in bodies {
            // The server closes the connection after its bytes, so that nothing is left to wait for.
            let error = call(&endpoint, Duration::from_secs(60));
            let shown = String::from_utf8_lossy(body);
            assert_eq!(error.kind, ErrorKind::Unknown, "{shown:?}: {error}");
            assert!(!error.to_string().contains("time ran out"), "{shown:?}: {error}");
            assert!(!error.to_string().contains("no answer from"), "{shown:?}: {error}");
        }
    });
}
