//! The names of files.

use std::path::Path;

use sha1::{Digest, Sha1};

use crate::base::attachment::Attachment;
use crate::base::clock::Timestamp;
use crate::base::random;
use crate::store::error::{Error, Result};

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

/// The name of a release of this record that begins now. The name says when, because a DEL only renames the record.
pub(super) fn release_name(record_name: &str) -> Result<String> {
    unique_name(&format!("{record_name}.{}", Timestamp::now().to_seconds()))
}

/// When the release with this name began; `None` where the name does not say so, as those of older versions do not.
pub(super) fn release_began(name: &str) -> Option<Timestamp> {
    humantime::parse_rfc3339(name.split('.').nth(1)?).ok().map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_release_says_when_it_began() {
        let before = Timestamp::now().to_seconds();
        let name = release_name("c1-0123").unwrap();
        let began = release_began(&name).unwrap().to_seconds();
        assert!((before..=Timestamp::now().to_seconds()).contains(&began), "{name}");
        assert_eq!(name.split_once('.').unwrap().0, "c1-0123");
        for other in ["", "c1-0123", "c1-0123.4f1c4f1c4f1c4f1c", "c1-0123.2026-13-01T00:00:00Z.4f1c"] {
            assert_eq!(release_began(other), None, "{other}");
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
