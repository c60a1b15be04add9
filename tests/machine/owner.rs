//! What belongs to another user: a file of the store, a directory or link on the way to it, the log.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

use harness::Need;

use crate::node;

/// Somebody who is neither root nor the user that runs the tests.
const SOMEBODY: Option<u32> = Some(12345);

harness::tests! {
    needs [Need::Root]:
        a_record_of_another_user_is_refused,
        a_store_below_a_directory_or_link_of_another_user_is_refused,
        a_log_of_another_user_is_not_written_and_no_call_fails_for_it;
}

fn a_record_of_another_user_is_refused() {
    let node = node();
    let _ = node.add("c0").address();
    let active = fs::read_dir(node.store().join("active")).unwrap();
    let [record] = active.map(|entry| entry.unwrap().path()).collect::<Vec<_>>().try_into().unwrap();
    chown(&record, SOMEBODY, None).unwrap();
    assert!(node.del("c0").error(101).contains("12345"));
    assert_eq!(node.on_eni().len(), 1);
}

fn a_store_below_a_directory_or_link_of_another_user_is_refused() {
    let mut node = node();
    let way = node.directory().join("way");
    fs::create_dir_all(way.join("in")).unwrap();
    node.set("dataDir", way.join("in/store").to_str().unwrap());
    let _ = node.add("c0").address();
    chown(&way, SOMEBODY, None).unwrap();
    let text = node.del("c0").error(101);
    assert!(text.contains("12345") && text.contains("make root its owner"), "{text}");
    chown(&way, Some(0), None).unwrap();
    // In a sticky directory everybody may make links, and whoever made one may make it anew.
    fs::set_permissions(&way, Permissions::from_mode(0o1777)).unwrap();
    fs::rename(way.join("in"), way.join("real")).unwrap();
    symlink("real", way.join("in")).unwrap();
    lchown(way.join("in"), SOMEBODY, None).unwrap();
    let text = node.del("c0").error(101);
    assert!(text.contains("the link") && text.contains("12345"), "{text}");
    assert_eq!(node.on_eni().len(), 1);
}

fn a_log_of_another_user_is_not_written_and_no_call_fails_for_it() {
    let node = node();
    let log = node.directory().join("log");
    fs::write(&log, "").unwrap();
    chown(&log, SOMEBODY, None).unwrap();
    let _ = node.add("c0").address();
    node.del("c0").ok();
    assert_eq!(node.log(), "");
    fs::remove_file(&log).unwrap();
    let _ = node.add("c0").address();
    assert_ne!(node.log(), "");
}
