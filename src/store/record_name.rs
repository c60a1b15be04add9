//! The names of files.

use std::net::IpAddr;
use std::path::Path;

use sha1::{Digest, Sha1};

use crate::base::attachment::Attachment;
use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::base::random;
use crate::store::error::{Error, Result};
use crate::store::record::{Allocation, AssignRequest};

/// How much of a container ID a name shows, for the person who looks into the directory.
const SHOWN_ID_CHARACTERS: usize = 24;

/// The file name that belongs to an owner: the start of the container ID and a digest of the whole pair. It is safe and of
/// bounded length whatever the ID, which has no length limit in CNI; the record inside has the ID in full.
pub(super) fn record_name(owner: &Attachment) -> String {
    let mut digest = Sha1::new();
    digest.update(&owner.container_id);
    // A container ID has no NUL: no two pairs run together into the same text.
    digest.update([0]);
    digest.update(&owner.ifname);
    let digest = digest.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let safe = |character: &char| character.is_ascii_alphanumeric() || "_-".contains(*character);
    let shown: String = owner.container_id.chars().filter(safe).take(SHOWN_ID_CHARACTERS).collect();
    format!("{shown}-{digest}")
}

/// `prefix`, a dot and something that no other name has.
pub(super) fn unique_name(prefix: &str) -> Result<String> {
    let unique = random::hex128().map_err(Error::io("read", Path::new("/dev/urandom")))?;
    Ok(format!("{prefix}.{}", &unique[..16]))
}

/// The longest name that a release gets: file systems allow 255 bytes, and a draft or the quarantine add some.
const MAX_NAME_BYTES: usize = 200;

/// The name of a release that begins now. It says since when, of which ENI and which addresses, so that nobody has to open
/// the files of releases that do not matter to him, and because a DEL only renames the record. The ENI and the addresses are
/// left out where they are too many for a name, or where a request in doubt may add to them.
pub(super) fn release_name(allocation: &Allocation, in_doubt: &[AssignRequest]) -> Result<String> {
    let began = Timestamp::now().to_seconds();
    let name = unique_name(&format!("{}.{began}", record_name(&allocation.owner)))?;
    let addresses = allocation.ips().map(|ip| ip.to_string()).collect::<Vec<_>>().join("_");
    let whole = format!("{name}.{}.{addresses}", allocation.eni);
    Ok(if in_doubt.is_empty() && whole.len() <= MAX_NAME_BYTES { whole } else { name })
}

/// What the name of a release tells without its file being opened.
pub(super) struct ReleaseName<'a> {
    name: &'a str,
}

impl<'a> ReleaseName<'a> {
    pub(super) fn of(name: &'a str) -> Self {
        Self { name }
    }

    /// The name of the record that was released.
    pub(super) fn record(&self) -> &'a str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// When the release began; `None` where the name does not say so, as those of older versions do not.
    pub(super) fn began(&self) -> Option<Timestamp> {
        humantime::parse_rfc3339(self.name.split('.').nth(1)?).ok().map(Timestamp::from)
    }

    /// The ENI, where the name has it.
    pub(super) fn eni(&self) -> Option<EniId> {
        EniId::try_from(self.whole()?.0.to_owned()).ok()
    }

    /// Whether this may be a release from `eni`.
    pub(super) fn may_be_of(&self, eni: &EniId) -> bool {
        self.whole().is_none_or(|(named, _)| named == eni.as_str())
    }

    /// Whether the release may name any of `addresses` of `eni`.
    pub(super) fn may_name(&self, eni: &EniId, addresses: &[IpAddr]) -> bool {
        self.whole().is_none_or(|(named, list)| {
            let mut listed = list.split('_').map(str::parse::<IpAddr>);
            named == eni.as_str() && listed.any(|it| it.is_ok_and(|it| addresses.contains(&it)))
        })
    }

    /// The addresses of `eni` that the name has.
    pub(super) fn addresses_of(&self, eni: &EniId) -> Vec<IpAddr> {
        let list = self.whole().filter(|(named, _)| *named == eni.as_str()).map_or("", |(_, list)| list);
        list.split('_').filter_map(|it| it.parse().ok()).collect()
    }

    /// The ENI and the addresses, where the name has them.
    fn whole(&self) -> Option<(&'a str, &'a str)> {
        let mut parts = self.name.splitn(5, '.').skip(3);
        Some((parts.next()?, parts.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::address::Address;
    use crate::base::region::RegionId;

    fn allocation(addresses: &[&str]) -> Allocation {
        Allocation {
            owner: owner("c1", "eth0"),
            network: "pods".into(),
            eni: EniId::try_from("eni-1".to_owned()).unwrap(),
            region: RegionId::try_from("cn-hangzhou".to_owned()).unwrap(),
            addresses: addresses.iter().map(|text| Address::alone(text.parse().unwrap())).collect(),
            pod: None,
            boot_id: String::new(),
            since: Timestamp::now(),
        }
    }

    #[test]
    fn the_name_of_a_release_says_when_it_began_and_what_it_is_about() {
        let before = Timestamp::now().to_seconds();
        let name = release_name(&allocation(&["192.168.0.7", "2001:db8::7"]), &[]).unwrap();
        let said = ReleaseName::of(&name);
        let began = said.began().unwrap().to_seconds();
        assert!((before..=Timestamp::now().to_seconds()).contains(&began), "{name}");
        assert_eq!(said.record(), record_name(&owner("c1", "eth0")));
        let [this, other] = ["eni-1", "eni-2"].map(|id| EniId::try_from(id.to_owned()).unwrap());
        assert!(said.may_be_of(&this) && !said.may_be_of(&other), "{name}");
        let ips = |text: &str| vec![text.parse().unwrap()];
        for named in ["192.168.0.7", "2001:db8::7"] {
            assert!(said.may_name(&this, &ips(named)) && !said.may_name(&other, &ips(named)), "{name}");
        }
        assert!(!said.may_name(&this, &ips("192.168.0.8")), "{name}");
    }

    #[test]
    fn a_name_that_does_not_say_what_a_release_is_about_may_be_about_anything() {
        let many: Vec<String> = (0..20).map(|number| format!("192.168.0.{number}")).collect();
        let many =
            release_name(&allocation(&many.iter().map(String::as_str).collect::<Vec<_>>()), &[]).unwrap();
        let unknown = release_name(&allocation(&["192.168.0.7"]), &[AssignRequest::example()]).unwrap();
        let old = ["c1-0123.4f1c4f1c4f1c4f1c", "c1-0123.2026-11-26T00:00:00Z.4f1c4f1c4f1c4f1c"];
        let eni = EniId::try_from("eni-9".to_owned()).unwrap();
        for name in [many.as_str(), unknown.as_str(), old[0], old[1]] {
            let said = ReleaseName::of(name);
            assert!(name.len() <= MAX_NAME_BYTES, "{name}");
            assert!(said.may_be_of(&eni) && said.may_name(&eni, &["10.0.0.1".parse().unwrap()]), "{name}");
        }
        for name in ["", "c1-0123", old[0], "c1-0123.2026-13-01T00:00:00Z.4f1c"] {
            assert_eq!(ReleaseName::of(name).began(), None, "{name}");
        }
    }

    fn owner(container_id: &str, ifname: &str) -> Attachment {
        Attachment { container_id: container_id.into(), ifname: ifname.into() }
    }

    #[test]
    fn a_key_is_a_safe_file_name_of_bounded_length() {
        for id in ["", ".", "..", "a/b", "../../etc/passwd", ".hidden", &"x".repeat(100_000), "é\n\0"] {
            let name = record_name(&owner(id, "eth0"));
            assert!(name.len() <= 65 && !name.starts_with('.'), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)), "{name}");
        }
    }

    #[test]
    fn owners_that_differ_in_either_part_have_different_keys() {
        let long = "f".repeat(64);
        assert_ne!(record_name(&owner(&long, "eth0")), record_name(&owner(&long, "eth1")));
        assert_ne!(
            record_name(&owner(&format!("{long}a"), "eth0")),
            record_name(&owner(&format!("{long}b"), "eth0"))
        );
        assert_ne!(record_name(&owner("ab", "c")), record_name(&owner("a", "bc")));
    }
}
