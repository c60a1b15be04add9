//! The package under test, and others that are made of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::needs;

use crate::debian::succeed;

/// Unpacks `$1` into `$2`, changes the binary, so that it is another file that does the same, and the version, and packs that
/// into `$3`.
const NEWER: &str = r#"
set -e
dpkg-deb --raw-extract "$1" "$2"
echo newer >>"$2/opt/cni/bin/aliyun-eni-ipam"
sed -i 's/^Version: .*/&+test1/' "$2/DEBIAN/control"
dpkg-deb --build --root-owner-group -Zgzip "$2" "$3"
"#;

/// The package as `packaging/debian/build` has made it.
pub(crate) fn package() -> PathBuf {
    needs::debian_package().expect("the package has been made")
}

/// A package of a higher version, made in this directory.
pub(crate) fn newer(directory: &Path) -> PathBuf {
    let newer = directory.join("newer.deb");
    let mut command = Command::new("sh");
    command.args(["-c", NEWER, "sh"]).arg(package()).arg(directory.join("unpacked")).arg(&newer);
    succeed(&mut command);
    newer
}
