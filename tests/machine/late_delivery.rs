//! A request that a call has given up, or was killed with, stays in the kernel of the node while the network is broken. It
//! must not be delivered when the network is well again: by then its address can be a live pod's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use harness::{Need, Node, Running, eventually};

use crate::network::Network;
use crate::node;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces]:
        a_killed_calls_request_is_not_delivered_when_the_network_is_well_again,
        a_request_that_was_given_up_is_not_delivered_when_the_network_is_well_again,
        a_stopped_calls_request_is_dropped_by_the_kernel;
}

/// A call whose request was written and has not arrived.
struct Undelivered<'n> {
    call: Running<'n>,
    /// The server's end.
    connection: TcpStream,
}

/// A DEL whose network breaks after its connection stands, and before its request is on its way. A proxy is there to know that
/// moment: it consents when the client's packets are lost already.
fn undelivered<'n>(node: &'n Node, network: &Network, seconds: u64) -> Undelivered<'n> {
    let _ = node.add("c0").address();
    let proxy = network.listen();
    let address = proxy.local_addr().unwrap();
    let call = node.call("DEL", "c0").config(|config| {
        config["ipam"]["endpoint"] = "http://ecs.example.com".into();
        config["ipam"]["allowInsecureEndpoint"] = true.into();
        config["ipam"]["proxy"] = format!("http://{address}").into();
        config["ipam"]["timeoutSeconds"] = seconds.into();
    });
    let call = call.under("nsenter", &network.enter_client()).start();
    let (mut connection, _) = proxy.accept().unwrap();
    read_until_empty_line(&mut connection);
    network.cut();
    connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    eventually("the request is written", || network.unacknowledged(address).is_some_and(|bytes| bytes > 0));
    Undelivered { call, connection }
}

fn read_until_empty_line(connection: &mut TcpStream) {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        let length = connection.read(&mut piece).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&head));
        head.extend_from_slice(&piece[..length]);
    }
}

/// All that arrives until the connection ends, as it does when the client's kernel is asked for it and does not know it.
#[track_caller]
fn expect_nothing(mut connection: TcpStream) {
    let mut arrived = Vec::new();
    let _ = connection.read_to_end(&mut arrived);
    assert!(arrived.is_empty(), "the server got {}", String::from_utf8_lossy(&arrived));
}

fn a_killed_calls_request_is_not_delivered_when_the_network_is_well_again() {
    let (node, network) = (node(), Network::new());
    let Undelivered { call, connection } = undelivered(&node, &network, 30);
    call.kill();
    network.heal();
    expect_nothing(connection);
}

fn a_request_that_was_given_up_is_not_delivered_when_the_network_is_well_again() {
    let (node, network) = (node(), Network::new());
    let Undelivered { call, connection } = undelivered(&node, &network, 2);
    call.wait().ok();
    network.heal();
    expect_nothing(connection);
}

fn a_stopped_calls_request_is_dropped_by_the_kernel() {
    let (node, network) = (node(), Network::new());
    let Undelivered { call, connection } = undelivered(&node, &network, 30);
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &call.pid().to_string()]).status().unwrap().success());
    };
    signal("-STOP");
    let server = connection.local_addr().unwrap();
    eventually("the kernel gives up", || network.unacknowledged(server).is_none());
    network.heal();
    expect_nothing(connection);
    call.kill();
}
