//! The way through a proxy, and around it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use aliyun_eni_ipam::inside::cloud::ErrorKind;
use aliyun_eni_ipam::inside::cloud::Proxy;
use aliyun_eni_ipam::inside::cloud::Source;
use aliyun_eni_ipam::inside::cloud::{Client, Settings};

use crate::setup::{eni, region, settings, settings_for, simulator, soon};

/// A proxy that passes everything on, or refuses everything; and what it was asked, line by line.
pub(crate) fn proxy(refuse: bool) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:swordfish@{}", listener.local_addr().unwrap());
    let (heads, asked) = channel();
    // Ends with the test's process.
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, heads) = (client.unwrap(), heads.clone());
            thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|count| count == 1) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let _ = heads.send(head);
                if refuse {
                    let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
                    return;
                }
                let mut server = TcpStream::connect(target).unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut from, &mut to));
                let _ = std::io::copy(&mut server, &mut client);
            });
        }
    });
    (url, asked)
}

#[test]
fn the_api_is_called_through_the_proxy_and_metadata_is_not() {
    let simulator = simulator();
    let (url, asked) = proxy(false);
    let client = Client::new(Settings {
        proxy: Proxy::parse(&url).unwrap(),
        credentials: Source::EcsRamRole { role_name: None },
        ..settings(&simulator)
    });
    client.describe(&region(), &eni(), soon()).unwrap();
    let heads: Vec<_> = asked.try_iter().collect();
    assert_eq!(heads.len(), 1, "{heads:?}");
    let host = simulator.endpoint().replace("http://", "");
    assert!(heads[0].starts_with(&format!("CONNECT {host} HTTP/1.1\r\n")), "{heads:?}");
    assert!(heads[0].to_lowercase().contains("proxy-authorization: basic"), "{heads:?}");
    assert!(!simulator.metadata_requests().is_empty());
}

#[test]
fn what_a_proxy_refuses_was_not_sent() {
    let simulator = simulator();
    let (url, _asked) = proxy(true);
    let client = Client::new(Settings { proxy: Proxy::parse(&url).unwrap(), ..settings(&simulator) });
    let error = client.describe(&region(), &eni(), soon()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSent);
    let text = error.to_string();
    assert!(text.contains("the proxy refused") && !text.contains("swordfish"), "{text}");
    assert!(simulator.ledger().is_empty());
}

#[test]
fn a_proxy_that_is_down_sent_nothing() {
    let simulator = simulator();
    let proxy = Proxy::parse("http://user:swordfish@127.0.0.1:1").unwrap();
    let client = Client::new(Settings { proxy, ..settings(&simulator) });
    let error = client.describe(&region(), &eni(), soon()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSent);
    assert!(!error.to_string().contains("swordfish"), "{error}");
}

const CHILD: &str = "ECS_TEST_PROXY_CHILD";

/// What the processes of the next test do. By itself it is nothing.
#[test]
fn one_with_another_environment() {
    let Ok(arguments) = std::env::var(CHILD) else { return };
    let [endpoint, metadata, proxy] = arguments.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{arguments}")
    };
    let proxy = if proxy == "env" { Proxy::Environment } else { Proxy::None };
    let client = Client::new(Settings {
        proxy,
        credentials: Source::EcsRamRole { role_name: None },
        ..settings_for(endpoint, metadata)
    });
    client.describe(&region(), &eni(), soon()).unwrap();
}

#[test]
fn the_environments_proxy_is_taken_only_where_that_is_asked_for() {
    let simulator = simulator();
    let (url, asked) = proxy(false);
    for (setting, expected) in [("none", 0), ("env", 1)] {
        let arguments = format!("{} {} {setting}", simulator.endpoint(), simulator.metadata_endpoint());
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "proxy::one_with_another_environment"])
            .env(CHILD, arguments)
            .env("ALL_PROXY", &url)
            .env("HTTP_PROXY", &url)
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{setting}");
        assert_eq!(asked.try_iter().count(), expected, "{setting}");
    }
}
