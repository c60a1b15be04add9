//! Whom TLS trusts, and what its refusals mean.

use std::fs;
use std::path::Path;

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use super::roots;
use crate::base::text::{clean, reason};

/// The roots to trust: the system's, and those of `ca_file` beside them. Reads files, so it is for a call that dials.
///
/// # Errors
/// When `ca_file` cannot be read or holds no certificate, or when there are no roots at all, in words.
pub(crate) fn roots(ca_file: Option<&Path>) -> Result<RootCerts, String> {
    // A system without any is no error where the file suffices.
    let mut trusted = ca_file.map(own_roots).transpose()?.unwrap_or_default();
    trusted.extend(roots::of_the_system());
    if trusted.is_empty() {
        return Err(
            "this node trusts no certificate authority; install the package ca-certificates or set `ipam.caFile`"
                .to_owned()
        );
    }
    Ok(RootCerts::from(trusted))
}

fn own_roots(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let shown = path.display();
    let pem =
        fs::read(path).map_err(|error| format!("cannot read the CA file {shown}: {}", reason(&error)))?;
    let mut roots = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
            Ok(_) => {}
            Err(_) => return Err(format!("the CA file {shown} is not a PEM file")),
        }
    }
    if roots.is_empty() {
        return Err(format!("the CA file {shown} contains no certificate"));
    }
    Ok(roots)
}

/// What a failed handshake means, where its text tells. The text is rustls's; the integration tests with real
/// certificates notice when it changes.
pub(crate) fn explain(host: &str, error: &str, set_by: &str) -> Option<String> {
    let has = |words: &str| error.contains(words);
    let problem = if has("Expired") || has("certificate expired") {
        "has expired; if it has not, the node's clock is wrong"
    } else if has("NotValidYet") || has("certificate not valid yet") {
        "is not valid yet; if it should be, the node's clock is wrong"
    } else if has("NotValidForName") || has("certificate not valid for name") {
        &format!("is for another host; check {}", if set_by.is_empty() { "its URL" } else { set_by })
    } else if has("UnknownIssuer") {
        "is signed by an authority that this node does not trust; to trust it, set `ipam.caFile`; if a proxy has replaced \
         the certificate, this is the proxy's authority"
    } else if has("CaUsedAsEndEntity") {
        "belongs to a certificate authority, so a server cannot use it"
    } else if has("invalid peer certificate") {
        "cannot be accepted"
    } else {
        return None;
    };
    Some(format!("the TLS certificate of {host} {problem} ({})", clean(error, 200)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_that_cannot_serve_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let error = roots(Some(&path)).unwrap_err();
        assert!(error.contains("ca.pem") && error.contains("does not exist"), "{error}");
        for text in ["", "nonsense", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
            fs::write(&path, text).unwrap();
            let error = roots(Some(&path)).unwrap_err();
            assert!(error.contains("ca.pem"), "{error}");
        }
    }

    #[test]
    fn each_refusal_of_a_certificate_says_which_it_is() {
        for (error, words) in [
            ("invalid peer certificate: Expired", "has expired"),
            ("invalid peer certificate: certificate expired: verification time 1 (UNIX), but", "has expired"),
            ("invalid peer certificate: NotValidForName", "another host"),
            (
                "invalid peer certificate: certificate not valid for name \"a\"; certificate is",
                "another host",
            ),
            ("invalid peer certificate: UnknownIssuer", "caFile"),
            ("invalid peer certificate: BadSignature", "cannot be accepted"),
        ] {
            let explained = explain("ecs.example.com", error, "`ipam.endpoint`").unwrap();
            assert!(explained.contains(words) && explained.contains("ecs.example.com"), "{explained}");
        }
        assert_eq!(explain("ecs.example.com", "peer is incompatible", ""), None);
    }
}
