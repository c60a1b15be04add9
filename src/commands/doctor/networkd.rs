//! Whether systemd-networkd configures the link of a secondary ENI. Then it takes away addresses and routes that it has not set
//! itself, whenever it starts and whenever the link comes up.

use std::fs;
use std::path::{Path, PathBuf};

use crate::commands::doctor::report::Report;
use crate::commands::doctor::settings_file::{Setting, files, matches, settings, text_of};
use crate::commands::doctor::used_link::UsedLink;

/// Where its files are, the first to count first.
const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/network",
    "/run/systemd/network",
    "/usr/local/lib/systemd/network",
    "/usr/lib/systemd/network",
    "/lib/systemd/network",
];

/// What it writes while it runs.
const STATE: &str = "/run/systemd/netif/state";

/// Checks the links of secondary ENIs, if it runs.
pub(super) fn check(name: &'static str, secondary: &[UsedLink], report: &mut Report) {
    if !Path::new(STATE).exists() {
        return;
    }
    for UsedLink { name: link, mac, .. } in secondary {
        let Some(file) = configures(link, mac) else { continue };
        report.fail(
            name,
            format!(
                "systemd-networkd configures {link} by {}, and takes away what this plugin puts on it: write \
                 /etc/systemd/network/05-{link}.network with the lines [Match], Name={link}, [Link] and Unmanaged=yes, and run \
                 `networkctl reload`",
                file.display()
            ),
        );
    }
}

/// The file by which it configures a link: the first that matches, unless that leaves the link alone.
fn configures(link: &str, mac: &str) -> Option<PathBuf> {
    let of_link = files(&DIRECTORIES, "network").into_iter().find_map(|(name, path)| {
        // A link to /dev/null, like an empty file, hides the files of its name.
        let text = fs::read_to_string(&path).ok().filter(|text| !text.trim().is_empty())?;
        let mut all = settings(&text);
        let drop_ins = DIRECTORIES.map(|it| format!("{it}/{}.d", name.to_string_lossy()));
        let drop_ins = drop_ins.each_ref().map(String::as_str);
        all.extend(files(&drop_ins, "conf").values().flat_map(|file| settings(&text_of(file))));
        is_of(&all, link, mac).then_some((path, all))
    });
    let (path, all) = of_link?;
    (!is_unmanaged(&all)).then_some(path)
}

/// Whether the section `Match` fits the link. What it says of the machine is taken to fit.
fn is_of(settings: &[Setting], link: &str, mac: &str) -> bool {
    let criteria = settings.iter().filter(|it| it.section == "Match" && !it.value.is_empty());
    criteria.into_iter().all(|Setting { key, value, .. }| {
        // An exclamation mark inverts the whole list.
        let (list, expected) = match value.strip_prefix('!') {
            Some(list) => (list, false),
            None => (value.as_str(), true),
        };
        let any = |fits: &dyn Fn(&str) -> bool| list.split_whitespace().any(fits) == expected;
        match key.as_str() {
            "Name" => any(&|pattern| matches(pattern, link)),
            "MACAddress" | "PermanentMACAddress" => any(&|it| it.replace('-', ":").eq_ignore_ascii_case(mac)),
            "Type" => any(&|pattern| matches(pattern, "ether")),
            // An ENI's link is of no kind: it is nothing that software has made.
            "Kind" => !expected,
            _ => true,
        }
    })
}

fn is_unmanaged(settings: &[Setting]) -> bool {
    let mut said = settings.iter().filter(|it| it.section == "Link" && it.key == "Unmanaged");
    let is_yes =
        |value: &str| ["yes", "true", "on", "1", "y", "t"].contains(&value.to_ascii_lowercase().as_str());
    said.next_back().is_some_and(|it| is_yes(&it.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_of_the_links_that_all_its_criteria_fit() {
        for (text, expected) in [
            ("", true),
            ("[Match]\nName=eth1", true),
            ("[Match]\nName=eth0 eth1", true),
            ("[Match]\nName=eth*", true),
            ("[Match]\nName=!eth1 eth2", false),
            ("[Match]\nName=!eth0", true),
            ("[Match]\nName=en*", false),
            ("[Match]\nMACAddress=00:16:3E:00:00:02", true),
            ("[Match]\nMACAddress=00-16-3e-00-00-02", true),
            ("[Match]\nMACAddress=00:16:3e:00:00:03\nName=eth1", false),
            ("[Match]\nType=ether\nName=*", true),
            ("[Match]\nType=wlan", false),
            ("[Match]\nKind=bridge", false),
            ("[Match]\nKind=!bridge", true),
            ("[Match]\nDriver=virtio_net", true),
            ("[Match]\nName=", true),
        ] {
            assert_eq!(is_of(&settings(text), "eth1", "00:16:3e:00:00:02"), expected, "{text}");
        }
        assert!(is_unmanaged(&settings("[Link]\nUnmanaged=Yes")));
        assert!(!is_unmanaged(&settings("[Link]\nUnmanaged=yes\nUnmanaged=no")));
        assert!(!is_unmanaged(&settings("[Network]\nUnmanaged=yes")));
    }
}
