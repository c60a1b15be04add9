//! Whom the client trusts, and what it says of whom it does not.

use std::path::{Path, PathBuf};

use aliyun_eni_ipam::inside::cloud::{Client, Settings};
use aliyun_eni_ipam::inside::cloud::{Error, ErrorKind};
use ecs_simulator::{Simulator, World};

use crate::setup::{eni, region, settings, soon};

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ecs/certificates").join(name)
}

pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

/// What a call to a server with this certificate comes to.
fn call(certificate: &str, ca_file: Option<PathBuf>) -> Result<(), Error> {
    let simulator = Simulator::start_tls(World::single_node(), &text(certificate), &text("key.pem")).unwrap();
    let client = Client::new(Settings { ca_file, ..settings(&simulator) });
    client.describe(&region(), &eni(), soon()).map(|_| ())
}

#[test]
fn a_private_authority_is_trusted_when_it_is_named() {
    call("valid.pem", Some(file("authority.pem"))).unwrap();
}

#[test]
fn an_untrusted_or_wrong_certificate_is_refused_and_the_error_says_which_it_is() {
    let authority = || Some(file("authority.pem"));
    for (certificate, ca_file, words) in [
        ("valid.pem", None, "set `ipam.caFile`"),
        ("self-signed.pem", None, "set `ipam.caFile`"),
        ("self-signed.pem", authority(), "set `ipam.caFile`"),
        ("expired.pem", authority(), "has expired"),
        ("not-yet-valid.pem", authority(), "is not valid yet"),
        ("wrong-host.pem", authority(), "is for another host"),
    ] {
        let error = call(certificate, ca_file).unwrap_err();
        assert_eq!((error.kind, error.transient), (ErrorKind::NotSent, false), "{certificate}: {error}");
        let text = error.to_string();
        assert!(text.contains("127.0.0.1") && text.contains(words), "{certificate}: {text}");
    }
}

#[test]
fn a_ca_file_that_cannot_be_used_is_an_error_and_not_ignored() {
    for name in ["absent.pem", "make", "key.pem"] {
        let error = call("valid.pem", Some(file(name))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotSent);
        assert!(error.to_string().contains("CA file") && error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_ca_file_is_not_read_for_a_server_without_tls() {
    let simulator = Simulator::start(World::single_node()).unwrap();
    let client = Client::new(Settings { ca_file: Some(file("absent.pem")), ..settings(&simulator) });
    client.describe(&region(), &eni(), soon()).unwrap();
}
