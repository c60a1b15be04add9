//! The certificates of a PEM file.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ureq::tls::{Certificate, PemItem, parse_pem};

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// All that can be read; what is damaged or something else is passed over.
pub(super) fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    of_a_bundle(pem).unwrap_or_else(|| by_the_library(pem))
}

fn by_the_library(pem: &[u8]) -> Vec<Certificate<'static>> {
    let certificate = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    };
    parse_pem(pem).filter_map(certificate).collect()
}

/// The certificates of a file that is written as the bundles of distributions are, comments included. For the 140 or so of
/// a bundle the library takes twice as many instructions, more than half of what a call over TLS takes. `None` for every other
/// file, so that the library alone decides about what is unusual.
fn of_a_bundle(pem: &[u8]) -> Option<Vec<Certificate<'static>>> {
    let mut found = Vec::new();
    let mut text: Option<Vec<u8>> = None;
    for line in pem.split(|byte| *byte == b'\n') {
        match &mut text {
            None if line == BEGIN => text = Some(Vec::with_capacity(4096)),
            Some(body) if line == END => {
                let der = BASE64_STANDARD.decode(body).ok()?;
                found.push(Certificate::from_der(&der).to_owned());
                text = None;
            }
            _ if line.starts_with(b"-----") => return None,
            // The library takes what follows a carriage return for a line.
            _ if line.contains(&b'\r') => return None,
            Some(body) => body.extend_from_slice(line),
            None => {}
        }
    }
    text.is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    const ONE: &str = include_str!("../../../tests/ecs/certificates/authority.pem");
    const OTHER: &str = include_str!("../../../tests/ecs/certificates/self-signed.pem");

    fn ders(certificates: &[Certificate<'_>]) -> Vec<Vec<u8>> {
        certificates.iter().map(|certificate| certificate.der().to_vec()).collect()
    }

    #[test]
    fn a_bundle_with_comments_is_read_without_the_library() {
        let bundle = ["# One\n", ONE, "\n# Other\n", OTHER, "\nthe end"].concat();
        let found = of_a_bundle(bundle.as_bytes()).unwrap();
        assert_eq!(ders(&found), ders(&by_the_library(bundle.as_bytes())));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_file_that_is_not_written_as_a_bundle_loses_no_certificate() {
        let windows = ONE.replace('\n', "\r\n");
        let trailing = ONE.replace("BEGIN CERTIFICATE-----", "BEGIN CERTIFICATE----- ");
        let after_return = format!("comment\r{ONE}");
        let cut = &OTHER[..OTHER.len() / 2];
        let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        let of_another_kind = ONE.replace("CERTIFICATE", "X509 CRL");
        for (text, expected) in [
            (windows.clone(), 1),
            (trailing, 1),
            (after_return, 1),
            (format!("\r-----BEGIN CERTIFICATE-----\n# a comment\n{ONE}"), 0),
            ([ONE, cut].concat(), 1),
            ([broken, ONE, OTHER].concat(), 2),
            ([&of_another_kind, ONE].concat(), 1),
            ([&windows, OTHER].concat(), 2),
        ] {
            assert!(of_a_bundle(text.as_bytes()).is_none(), "{text}");
            assert_eq!(certificates(text.as_bytes()).len(), expected, "{text}");
        }
    }

    proptest! {
        /// Pieces of files in any order, with bytes changed, inserted and removed.
        #[test]
        fn whatever_the_file_the_certificates_are_those_that_the_library_finds(
            pieces in prop::collection::vec(prop::sample::select(vec![
                ONE, OTHER, "\n", "\r", " ", "# a comment\n", "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n",
                "-----BEGIN X509 CRL-----\n", "-----END X509 CRL-----\n", "AAAA\n", "AA==", "=",
            ]), 0..8),
            changes in prop::collection::vec((any::<Index>(), 0_usize..3, prop::sample::select(&b"\n\r -=A+\t\xff"[..])), 0..4),
        ) {
            let mut file = pieces.concat().into_bytes();
            for (at, change, byte) in changes {
                let at = at.index(file.len() + 1);
                match change {
                    0 => file.insert(at, byte),
                    1 if at < file.len() => file[at] = byte,
                    2 if at < file.len() => drop(file.remove(at)),
                    _ => {}
                }
            }
            prop_assert_eq!(ders(&certificates(&file)), ders(&by_the_library(&file)));
        }
    }
}
