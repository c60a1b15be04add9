//! Whether NetworkManager configures the link of a secondary ENI: it gives a link without a connection one of its own, by DHCP.

use std::path::Path;

use crate::commands::doctor::report::Report;
use crate::commands::doctor::settings_file::{Setting, files, matches, settings, text_of};
use crate::commands::doctor::used_link::UsedLink;

/// Where its files are.
const MAIN: &str = "/etc/NetworkManager/NetworkManager.conf";
const DIRECTORIES: [&str; 3] =
    ["/etc/NetworkManager/conf.d", "/run/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d"];

/// Where it keeps what it knows of links while it runs.
const STATE: &str = "/run/NetworkManager/devices";

/// Checks the links of secondary ENIs, if it runs.
pub(super) fn check(name: &'static str, secondary: &[UsedLink], report: &mut Report) {
    if !Path::new(STATE).exists() {
        return;
    }
    let texts = files(&DIRECTORIES, "conf").into_values().map(|file| text_of(&file));
    let all: Vec<Setting> =
        texts.chain([text_of(Path::new(MAIN))]).flat_map(|text| settings(&text)).collect();
    for UsedLink { name: link, mac, .. } in
        secondary.iter().filter(|it| !is_unmanaged(&all, &it.name, &it.mac))
    {
        report.warn(
            name,
            format!(
                "NetworkManager may configure {link} by DHCP: write /etc/NetworkManager/conf.d/eni.conf with the lines [keyfile] and \
                 unmanaged-devices+=mac:{mac}, and run `nmcli general reload`"
            ),
        );
    }
}

/// Whether any file says that a link is to be left alone.
fn is_unmanaged(settings: &[Setting], link: &str, mac: &str) -> bool {
    let is_keyfiles = |it: &&Setting| {
        it.section == "keyfile" && ["unmanaged-devices", "unmanaged-devices+"].contains(&it.key.as_str())
    };
    if settings.iter().filter(is_keyfiles).any(|it| names(&it.value, link, mac)) {
        return true;
    }
    let is_off = |it: &&Setting| {
        it.section.starts_with("device")
            && it.key == "managed"
            && ["0", "no", "false"].contains(&it.value.as_str())
    };
    settings.iter().filter(is_off).any(|off| {
        let mut of_section =
            settings.iter().filter(|it| it.section == off.section && it.key == "match-device");
        of_section.next().is_none_or(|it| names(&it.value, link, mac))
    })
}

/// Whether a list of devices names a link: by its name, a pattern, its hardware address, or as one of all.
fn names(list: &str, link: &str, mac: &str) -> bool {
    let fits = |spec: &str| match spec.split_once(':') {
        Some(("interface-name", pattern)) => {
            pattern.strip_prefix('=').map_or_else(|| matches(pattern, link), |name| name == link)
        }
        Some(("mac", address)) => address.eq_ignore_ascii_case(mac),
        Some(("type", kind)) => kind == "ethernet",
        _ => spec == "*" || spec == link || spec.eq_ignore_ascii_case(mac),
    };
    let specs = || list.split([';', ',']).map(str::trim).filter(|spec| !spec.is_empty());
    specs().any(fits) && !specs().filter_map(|spec| spec.strip_prefix("except:")).any(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_left_alone_if_a_file_says_so() {
        for (text, expected) in [
            ("", false),
            ("[keyfile]\nunmanaged-devices=interface-name:eth1", true),
            ("[keyfile]\nunmanaged-devices=interface-name:eth0;interface-name:eth[1-9]", true),
            ("[keyfile]\nunmanaged-devices=interface-name:=eth*", false),
            ("[keyfile]\nunmanaged-devices+=mac:00:16:3E:00:00:02", true),
            ("[keyfile]\nunmanaged-devices=eth1", true),
            ("[keyfile]\nunmanaged-devices=*,except:interface-name:eth0", true),
            ("[keyfile]\nunmanaged-devices=*,except:interface-name:eth1", false),
            ("[keyfile]\nunmanaged-devices=type:ethernet", true),
            ("[main]\nunmanaged-devices=eth1", false),
            ("[device-eni]\nmatch-device=interface-name:eth1\nmanaged=0", true),
            ("[device-eni]\nmatch-device=interface-name:eth2\nmanaged=0", false),
            ("[device]\nmanaged=1", false),
        ] {
            assert_eq!(is_unmanaged(&settings(text), "eth1", "00:16:3e:00:00:02"), expected, "{text}");
        }
    }
}
