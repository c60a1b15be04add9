//! What else configures the links of secondary ENIs: network managers, firewalld, and what images do at boot.

use std::fs;
use std::path::{Path, PathBuf};

use crate::commands::doctor::report::Report;
use crate::commands::doctor::settings_file::text_of;
use crate::commands::doctor::used_link::UsedLink;
use crate::commands::doctor::{network_manager, networkd};

const NAME: &str = "managers";

/// Where cloud-init and installers write that a link is to be configured, as directories and as files.
const AT_BOOT: [&str; 5] = [
    "/etc/netplan",
    "/etc/network/interfaces",
    "/etc/network/interfaces.d",
    "/etc/sysconfig/network-scripts",
    "/etc/sysconfig/network",
];

/// Alibaba Cloud's service that configures every ENI by DHCP, where it is enabled.
const ENI_SERVICE: &str = "/etc/systemd/system/multi-user.target.wants/eni.service";

/// firewalld's process, and its settings.
const FIREWALLD: &str = "/run/firewalld.pid";
const FIREWALLD_SETTINGS: &str = "/etc/firewalld/firewalld.conf";

/// Checks what is on this node for the ENIs that pods use.
pub(super) fn check(links: &[UsedLink], report: &mut Report) {
    let secondary: Vec<UsedLink> = links.iter().filter(|it| !it.is_primary).cloned().collect();
    if secondary.is_empty() {
        return;
    }
    networkd::check(NAME, &secondary, report);
    network_manager::check(NAME, &secondary, report);
    at_boot(&secondary, report);
    firewalld(&secondary, report);
}

fn at_boot(secondary: &[UsedLink], report: &mut Report) {
    for link in secondary {
        if let Some(file) = AT_BOOT.iter().flat_map(|it| files(Path::new(it))).find(|file| names(file, link))
        {
            let file = file.display();
            report.warn(
                NAME,
                format!(
                    "{file} configures {}, a secondary ENI: take it out there, or keep cloud-init from writing it with \
                     `apply_full_imds_network_config: false` below `datasource: AliYun:` in /etc/cloud/cloud.cfg.d",
                    link.name
                ),
            );
        }
    }
    if Path::new(ENI_SERVICE).exists() {
        report.warn(
            NAME,
            "eni.service configures secondary ENIs by DHCP at boot: run `systemctl disable --now eni.service`",
        );
    }
}

/// The file, or the files of the directory.
fn files(path: &Path) -> Vec<PathBuf> {
    match fs::read_dir(path) {
        Ok(entries) => {
            let mut files: Vec<_> =
                entries.flatten().map(|entry| entry.path()).filter(|it| it.is_file()).collect();
            files.sort();
            files
        }
        Err(_) => vec![path.to_owned()],
    }
}

/// Whether a file, in its name or its text, names a link or its hardware address.
fn names(file: &Path, link: &UsedLink) -> bool {
    let is_named_after =
        file.file_name().is_some_and(|it| it.to_string_lossy() == format!("ifcfg-{}", link.name));
    is_named_after || text_of(file).lines().any(|line| mentions(line, link))
}

fn mentions(line: &str, link: &UsedLink) -> bool {
    let line = line.split('#').next().unwrap_or_default().to_ascii_lowercase();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    line.contains(&link.mac) || line.split(|c| !is_part(c)).any(|word| word == link.name.to_ascii_lowercase())
}

/// With its default it drops what comes in by another link than the answer to the sender would leave by, and asks neither the mark nor
/// the sender's rules.
fn firewalld(secondary: &[UsedLink], report: &mut Report) {
    let Some(link) = secondary.iter().find(|it| it.has_ipv6).filter(|_| Path::new(FIREWALLD).exists()) else {
        return;
    };
    let text = text_of(Path::new(FIREWALLD_SETTINGS));
    let mut said = text.lines().filter_map(|line| line.trim().strip_prefix("IPv6_rpfilter="));
    let value = said.next_back().unwrap_or("yes").trim().to_ascii_lowercase();
    if !["no", "false", "loose", "loose-forward"].contains(&value.as_str()) {
        report.fail(
            NAME,
            format!(
                "firewalld drops IPv6 packets of pods on {} (IPv6_rpfilter={value}): set IPv6_rpfilter=no in {FIREWALLD_SETTINGS} and run \
                 `firewall-cmd --complete-reload`, then `aliyun-eni-ipam routes --repair`",
                link.name
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_a_link_by_the_whole_of_its_name_or_by_its_hardware_address() {
        let eni = "eni-1".to_owned().try_into().unwrap();
        let mac = "00:16:3e:00:00:02".to_owned();
        let link = UsedLink { eni, name: "eth1".to_owned(), mac, is_primary: false, has_ipv6: false };
        for (line, expected) in [
            ("    eth1:", true),
            ("auto eth1", true),
            ("DEVICE=\"eth1\"", true),
            ("  macaddress: 00:16:3E:00:00:02", true),
            ("auto eth10", false),
            ("iface eth1.100 inet dhcp", false),
            ("# auto eth1", false),
            ("", false),
        ] {
            assert_eq!(mentions(line, &link), expected, "{line}");
        }
    }
}
