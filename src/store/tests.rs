//! Whatever stands in a file of the store, its readers return.

use std::path::Path;

use proptest::prelude::*;

use super::Store;
use super::eni_state::EniState;
use super::intent::Content;
use super::record::{Active, Release};
use super::schema::{Misread, parse};

const RECORD: &str = r#"{"schema":1,"allocation":{"owner":{"containerId":"c","ifname":"eth0"},"network":"pods",
    "networkInterfaceId":"eni-1","regionId":"cn-hangzhou","addresses":[{"address":"192.168.0.9/24"}],
    "since":"2026-11-22T09:12:44.250Z"},"release":{"attempts":1,"lastError":null,"unanswered":[]}}"#;

fn read_all(content: &[u8]) {
    let _ = (Active::parse(content), Release::parse("name", content), Content::parse(content));
    let _ = parse::<EniState>(content);
}

#[test]
fn a_record_reads_as_active_and_as_releasing() {
    let active = Active::parse(RECORD.as_bytes()).unwrap_or_else(|_| panic!("it is a record"));
    let releasing = Release::parse("name", RECORD.as_bytes()).unwrap_or_else(|_| panic!("it is a record"));
    assert_eq!(active.0, releasing.allocation);
    assert_eq!(releasing.progress.attempts, 1);
}

#[test]
fn a_record_whose_region_cannot_be_one_is_damaged() {
    let content = RECORD.replace("cn-hangzhou", "CN/hangzhou");
    assert!(matches!(Active::parse(content.as_bytes()), Err(Misread::Damaged(_))));
    assert!(matches!(Release::parse("name", content.as_bytes()), Err(Misread::Damaged(_))));
}

proptest! {
    #[test]
    fn no_content_of_a_file_makes_a_reader_panic(content in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(&content);
    }

    #[test]
    fn no_damage_to_a_record_makes_a_reader_panic(at in 0..RECORD.len(), with in any::<u8>(), cut in 0..RECORD.len()) {
        let mut content = RECORD.as_bytes().to_vec();
        content[at] = with;
        read_all(&content);
        read_all(&content[..cut]);
    }
}

#[test]
fn a_directory_that_cannot_be_looked_at_is_no_missing_one() {
    let is_there = |name: &str| Store { directory: Path::new("/").join(name) }.is_there();
    assert!(is_there("usr").unwrap());
    assert!(!is_there("no-such-directory").unwrap());
    let _ = is_there(&"x".repeat(300)).unwrap_err();
}
