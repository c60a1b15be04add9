//! TLS for the API's port, and certificates to use it with.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::http::Stream;

/// A certificate for `localhost`, `127.0.0.1` and `::1`, PEM. It is good for tests and nothing else: its key is public.
pub const LOOPBACK_CERTIFICATE: &str = include_str!("../tls/certificate.pem");
/// The private key of [`LOOPBACK_CERTIFICATE`], PEM.
pub const LOOPBACK_KEY: &str = include_str!("../tls/key.pem");
/// The authority that issued [`LOOPBACK_CERTIFICATE`], PEM: what a client has to trust. Nobody has its key any more.
pub const LOOPBACK_AUTHORITY: &str = include_str!("../tls/authority.pem");

/// A server's configuration from its certificate chain and private key.
pub(crate) fn config(cert_pem: &str, key_pem: &str) -> io::Result<Arc<ServerConfig>> {
    let invalid = |error: &dyn ToString| io::Error::new(io::ErrorKind::InvalidInput, error.to_string());
    let chain: Vec<_> = CertificateDer::pem_slice_iter(cert_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(&error))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|error| invalid(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| invalid(&error))?;
    Ok(Arc::new(config))
}

/// TLS on a connection that has just been accepted.
pub(crate) fn accept(config: &Arc<ServerConfig>, socket: TcpStream) -> io::Result<Box<dyn Stream>> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    Ok(Box::new(StreamOwned::new(connection, socket)))
}

impl Stream for StreamOwned<ServerConnection, TcpStream> {
    fn finish(&mut self) {
        self.conn.send_close_notify();
        // Nobody may be listening any more.
        let _ = self.conn.write_tls(&mut self.sock);
    }
}
