//! The digest of a record: by it a reader notices that a byte has changed, even where the record can still be read. Without it, a
//! flipped bit could make another pod's address out of one.
//!
//! It is the last member of the JSON object and covers every byte before it, also what a later version has added. It is SHA-1,
//! which the names of records are made of too: the cause is a bad disk, not a forger, because who can write to the store can
//! write a digest. A record without one, as earlier versions and people write it, is read as ever.

use sha1::{Digest, Sha1};

/// What stands before the digest.
const BEFORE: &[u8] = b",\"digest\":\"";

/// What stands behind it.
const BEHIND: &[u8] = b"\"}\n";

/// As many characters as SHA-1 has in hexadecimal.
const LENGTH: usize = 40;

/// Adds the digest to a JSON object of one line.
pub(super) fn seal(mut document: Vec<u8>) -> Vec<u8> {
    if document.ends_with(b"}\n") {
        document.truncate(document.len() - 2);
        let digest = digest_of(&document);
        document.extend([BEFORE, digest.as_bytes(), BEHIND].concat());
    }
    document
}

/// Whether a content that ends with a digest is what the digest was made of; every other one passes.
pub(super) fn is_intact(content: &[u8]) -> bool {
    let Some((rest, digest)) =
        content.strip_suffix(BEHIND).and_then(|rest| rest.split_at_checked(rest.len().checked_sub(LENGTH)?))
    else {
        return true;
    };
    rest.strip_suffix(BEFORE).is_none_or(|document| digest_of(document).as_bytes() == digest)
}

/// In hexadecimal.
fn digest_of(document: &[u8]) -> String {
    use std::fmt::Write;
    Sha1::digest(document).iter().fold(String::with_capacity(LENGTH), |mut hex, byte| {
        // Writing to a text does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_bit_is_noticed_wherever_it_is() {
        let sealed = seal(b"{\"schema\":1,\"address\":\"192.168.0.7\"}\n".to_vec());
        assert!(is_intact(&sealed));
        let document = sealed.len() - BEHIND.len() - LENGTH - BEFORE.len();
        for (at, bit) in (0..document).flat_map(|at| (0..8).map(move |bit| (at, 1 << bit))) {
            let mut flipped = sealed.clone();
            flipped[at] ^= bit;
            assert!(!is_intact(&flipped), "{at}, {bit}");
        }
        let mut flipped = sealed.clone();
        flipped[document + BEFORE.len()] ^= 1;
        assert!(!is_intact(&flipped));
    }

    #[test]
    fn what_has_no_digest_at_its_end_passes() {
        for content in ["", "{}\n", "\"}\n", "{\"schema\":1}\n", "{\"digest\":\"00\",\"schema\":1}\n"] {
            assert!(is_intact(content.as_bytes()), "{content}");
        }
        // As a tool for JSON leaves it that sorts the keys: its digest would match only by chance.
        let sorted = format!("{{\"digest\":\"{}\",\"schema\":1}}\n", "0".repeat(LENGTH));
        assert!(is_intact(sorted.as_bytes()));
    }

    #[test]
    fn only_an_object_of_one_line_is_sealed() {
        assert_eq!(seal(b"[]\n".to_vec()), b"[]\n");
    }
}
