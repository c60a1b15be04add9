//! Files of settings as systemd and NetworkManager write them: `[Section]`, `Key=value`, and comments.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A setting, with the section that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
}

/// The settings of a text, in their order.
pub(super) fn settings(text: &str) -> Vec<Setting> {
    let (mut found, mut section) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            found.push(Setting { section: section.clone(), key, value });
        }
    }
    found
}

/// The text of a file; empty where it cannot be read.
pub(super) fn text_of(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// The files with this extension in these directories by their names. Of two files of one name, that of the earlier directory counts.
pub(super) fn files(directories: &[&str], extension: &str) -> BTreeMap<OsString, PathBuf> {
    let mut found = BTreeMap::new();
    for entry in directories.iter().filter_map(|it| fs::read_dir(it).ok()).flatten().flatten() {
        if Path::new(&entry.file_name()).extension().is_some_and(|it| it == extension) {
            found.entry(entry.file_name()).or_insert_with(|| entry.path());
        }
    }
    found
}

/// Whether `name` is one that the pattern of a shell describes: `*`, `?`, `[a-z]`, `[!a-z]`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    matches_from(&pattern, &name)
}

fn matches_from(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => (0..=name.len()).any(|skipped| matches_from(rest, &name[skipped..])),
        (Some(('?', rest)), Some((_, others))) => matches_from(rest, others),
        (Some(('[', rest)), Some((first, others))) => match rest.iter().position(|it| *it == ']') {
            Some(end) => is_one_of(&rest[..end], *first) && matches_from(&rest[end + 1..], others),
            None => false,
        },
        (Some((one, rest)), Some((first, others))) => one == first && matches_from(rest, others),
        _ => false,
    }
}

/// Whether a character is one of those between the brackets of a pattern.
fn is_one_of(set: &[char], it: char) -> bool {
    match set {
        ['!' | '^', rest @ ..] => !is_one_of(rest, it),
        [from, '-', to, rest @ ..] => (*from..=*to).contains(&it) || is_one_of(rest, it),
        [one, rest @ ..] => *one == it || is_one_of(rest, it),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_its_section_and_comments_have_none() {
        let text = "# a\n[Match]\nName = eth1 eth2\n\n;Name=no\n[Link]\nUnmanaged=yes\nno setting\n";
        let found: Vec<_> =
            settings(text).into_iter().map(|it| format!("{}.{}={}", it.section, it.key, it.value)).collect();
        assert_eq!(found, ["Match.Name=eth1 eth2", "Link.Unmanaged=yes"]);
    }

    #[test]
    fn a_name_is_compared_as_a_shell_does() {
        for (pattern, name, expected) in [
            ("eth1", "eth1", true),
            ("eth1", "eth10", false),
            ("eth*", "eth1", true),
            ("*", "eth1", true),
            ("e*1", "eth1", true),
            ("e*2", "eth1", false),
            ("eth?", "eth1", true),
            ("eth?", "eth", false),
            ("eth[1-9]", "eth1", true),
            ("eth[!0]", "eth1", true),
            ("eth[!0]", "eth0", false),
            ("eth[", "eth[", false),
            ("", "eth1", false),
            ("******************", "eth1", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
