//! The roots that the system trusts, from where distributions keep them.
//!
//! Libraries that look for them look at `SSL_CERT_FILE` and `SSL_CERT_DIR` first. These come from the environment of a
//! container runtime, and no more than its proxy are they a decision of the node's owner: `caFile` is.

use std::fs;
use std::path::{Path, PathBuf};

use ureq::tls::Certificate;

use super::pem;

/// Files with all roots, in the order of Go's and OpenSSL's users.
const BUNDLES: &[&str] = &[
    // Debian, Ubuntu, Arch, Gentoo
    "/etc/ssl/certs/ca-certificates.crt",
    // Alibaba Cloud Linux, RHEL, Fedora
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    // the same, of old
    "/etc/pki/tls/certs/ca-bundle.crt",
    // openSUSE
    "/etc/ssl/ca-bundle.pem",
    // Alpine
    "/etc/ssl/cert.pem",
];

/// Directories with a file for each root.
const DIRECTORIES: &[&str] = &["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// The roots of the first bundle that has any; where there is none, those of the first directory that has. The two have
/// the same roots, and to read hundreds of files takes ten times as long.
pub(super) fn of_the_system() -> Vec<Certificate<'static>> {
    first_of(BUNDLES, DIRECTORIES)
}

fn first_of(bundles: &[impl AsRef<Path>], directories: &[impl AsRef<Path>]) -> Vec<Certificate<'static>> {
    let bundles = bundles.iter().map(|path| of_file(path.as_ref()));
    let directories = directories.iter().map(|path| of_directory(path.as_ref()));
    bundles.chain(directories).find(|roots| !roots.is_empty()).unwrap_or_default()
}

/// What cannot be read has no roots, as for every other program.
fn of_file(path: &Path) -> Vec<Certificate<'static>> {
    // Opening anything else could block.
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Vec::new();
    }
    pem::certificates(&fs::read(path).unwrap_or_default())
}

fn of_directory(path: &Path) -> Vec<Certificate<'static>> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let mut roots: Vec<_> = files.iter().flat_map(|file| of_file(file)).collect();
    // Most have several names there.
    roots.sort_by(|a, b| a.der().cmp(b.der()));
    roots.dedup_by(|a, b| a.der() == b.der());
    roots
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const PEM: &str = include_str!("../../../tests/ecs/certificates/authority.pem");
    const OTHER: &str = include_str!("../../../tests/ecs/certificates/self-signed.pem");

    #[test]
    fn a_bundle_is_read_or_else_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let roots = || {
            first_of(&[path("absent"), path("empty"), path("bundle")], &[path("none"), path("each")]).len()
        };
        assert_eq!(roots(), 0);

        fs::create_dir(path("each")).unwrap();
        fs::write(path("each/a.pem"), PEM).unwrap();
        fs::write(path("each/README"), "no certificate").unwrap();
        fs::create_dir(path("each/java")).unwrap();
        symlink("a.pem", path("each/01234567.0")).unwrap();
        symlink("dangling", path("each/89abcdef.0")).unwrap();
        fs::write(path("empty"), "").unwrap();
        assert_eq!(roots(), 1);

        let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        fs::write(path("bundle"), [PEM, broken, OTHER].concat()).unwrap();
        assert_eq!(roots(), 2);
    }
}
