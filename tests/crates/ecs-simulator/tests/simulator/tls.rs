//! TLS at the API's port.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use ecs_simulator::{
    Effect, Fault, LOOPBACK_AUTHORITY, LOOPBACK_CERTIFICATE, LOOPBACK_KEY, Simulator, World,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::{Client, UNASSIGN, compose, parse};

/// A simulator with TLS, and a client's configuration that trusts it.
fn start() -> (Simulator, Arc<ClientConfig>) {
    let simulator = Simulator::start_tls(World::single_node(), LOOPBACK_CERTIFICATE, LOOPBACK_KEY).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(LOOPBACK_AUTHORITY.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (simulator, Arc::new(config))
}

fn connect(simulator: &Simulator, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let socket = TcpStream::connect(simulator.endpoint().strip_prefix("https://").unwrap()).unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), socket)
}

#[test]
fn the_api_answers_over_tls() {
    let (simulator, config) = start();
    let client = Client::new(&simulator);
    let query = client.sign("GET", &client.parameters("DescribeRegions", &[]));
    let mut stream = connect(&simulator, &config);
    stream.write_all(&compose("GET", &format!("/?{query}"), &[], "")).unwrap();
    let mut received = Vec::new();
    // An end without a farewell would be an error here.
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(parse(&received).unwrap().status, 200);
}

#[test]
fn a_connection_can_be_dropped_over_tls() {
    let (simulator, config) = start();
    simulator.inject(Fault::on(UNASSIGN).effect(Effect::DropBefore));
    let client = Client::new(&simulator);
    let mut stream = connect(&simulator, &config);
    stream.write_all(&client.bytes(UNASSIGN, &[])).unwrap();
    let mut received = Vec::new();
    assert!(stream.read_to_end(&mut received).is_err());
    assert!(received.is_empty());
}

#[test]
fn metadata_and_useless_certificates() {
    let (simulator, _) = start();
    assert!(simulator.metadata_endpoint().starts_with("http://"), "metadata has no TLS");
    assert!(Simulator::start_tls(World::single_node(), "no certificate", "no key").is_err());
}
