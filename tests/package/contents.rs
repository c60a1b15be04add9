//! What is in the package, and what Debian's own checks say of it.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use harness::Need;

use crate::debian::succeed;
use crate::package::package;

harness::tests! {
    needs [Need::DebianPackage]:
        it_has_these_files_and_no_others,
        debians_checks_have_nothing_to_say,
        its_changelog_begins_with_its_version;
}

/// Mode, owner and name of each file, as `dpkg-deb` lists them: without sizes and dates.
fn listed() -> String {
    let printed = succeed(Command::new("dpkg-deb").arg("--contents").arg(package()));
    let without_size_and_date = |line: &str| {
        let mut words = line.split_whitespace();
        let (mode, owner) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let name: Vec<_> = words.skip(3).collect();
        format!("{mode} {owner} {}\n", name.join(" "))
    };
    let mut lines: Vec<_> = printed.lines().map(without_size_and_date).collect();
    lines.sort_by(|one, other| one.split(' ').nth(2).cmp(&other.split(' ').nth(2)));
    lines.concat()
}

fn it_has_these_files_and_no_others() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/package/contents.txt");
    if env::var_os("UPDATE_CONTENTS").is_some() {
        fs::write(&file, listed()).expect("contents.txt can be written");
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(listed(), expected, "UPDATE_CONTENTS=1 cargo test --test package writes {}", file.display());
}

/// What is said on purpose is in `packaging/debian/lintian-overrides`, with the reason.
fn debians_checks_have_nothing_to_say() {
    let mut command = Command::new("lintian");
    command.args(["--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"]).arg(package());
    assert_eq!(succeed(&mut command), "");
}

fn its_changelog_begins_with_its_version() {
    let version = succeed(Command::new("dpkg-deb").arg("--field").arg(package()).arg("Version"));
    let changelog = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/debian/changelog");
    let changelog = fs::read_to_string(changelog).expect("the changelog");
    let begin = format!("aliyun-eni-ipam ({}) ", version.trim());
    assert!(changelog.starts_with(&begin), "{begin}: {changelog}");
}
