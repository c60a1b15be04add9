//! A store that somebody else has been at, and answers that no honest server gives.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::simulator::Simulator;
use harness::{Effect, Fault, Node, World};

use crate::node;

/// The only file in one of the store's directories.
fn only_file(node: &Node, directory: &str) -> PathBuf {
    let mut entries = fs::read_dir(node.store().join(directory)).unwrap();
    let path = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    path
}

#[test]
fn the_store_is_readable_by_its_owner_alone() {
    let node = node();
    let _ = node.add("c0").address();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(node.store()), 0o700);
    for directory in ["active", "address", "assigning", "releasing", "eni", "cache"] {
        assert_eq!(mode(node.store().join(directory)), 0o700, "{directory}");
    }
    assert_eq!(mode(only_file(&node, "active")), 0o600);
    assert_eq!(mode(node.directory().join("log")), 0o600);
}

#[test]
fn a_symbolic_link_in_place_of_a_record_is_not_followed() {
    let node = node();
    let _ = node.add("c0").address();
    let record = only_file(&node, "active");
    let elsewhere = node.directory().join("elsewhere");
    fs::rename(&record, &elsewhere).unwrap();
    symlink(&elsewhere, &record).unwrap();
    let text = node.del("c0").error(101);
    assert!(text.contains("symbolic link") && text.contains(record.to_str().unwrap()), "{text}");
    assert_eq!(node.on_eni().len(), 1);
    assert!(elsewhere.exists());
}

#[test]
fn a_fifo_in_place_of_a_record_is_refused_and_not_waited_for() {
    let node = node();
    let _ = node.add("c0").address();
    let record = only_file(&node, "active");
    fs::remove_file(&record).unwrap();
    assert!(Command::new("mkfifo").arg(&record).status().unwrap().success());
    assert!(node.del("c0").error(101).contains("plain file"));
}

#[test]
fn a_store_that_others_can_write_to_is_refused_by_every_verb() {
    let node = node();
    let _ = node.add("c0").address();
    fs::set_permissions(node.store(), Permissions::from_mode(0o770)).unwrap();
    for answer in [node.add("c1"), node.del("c0")] {
        assert!(answer.error(101).contains("set it to 700"));
    }
    assert_eq!(node.on_eni().len(), 1);
}

#[test]
fn a_store_behind_a_symbolic_link_is_refused() {
    let node = node();
    fs::create_dir(node.directory().join("elsewhere")).unwrap();
    symlink(node.directory().join("elsewhere"), node.store()).unwrap();
    let _ = node.add("c0").error(101);
    assert!(node.on_eni().is_empty());
}

/// A node whose store is two directories down, in `way/in`, and the first of these.
fn with_store_below() -> (Node, PathBuf) {
    let mut node = node();
    let way = node.directory().join("way");
    fs::create_dir_all(way.join("in")).unwrap();
    node.set("dataDir", way.join("in/store").to_str().unwrap());
    (node, way)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_store_that_others_could_move_away_is_refused_and_a_del_does_not_succeed_without_it() {
    for mode in [0o777, 0o775, 0o757] {
        let (node, way) = with_store_below();
        let _ = node.add("c0").address();
        set_mode(&way, mode);
        fs::rename(way.join("in"), way.join("taken")).unwrap();
        let status = ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"]
            .into_iter()
            .fold(node.call("STATUS", ""), harness::Calling::without);
        for text in [node.del("c0").error(101), node.add("c1").error(101), status.run().any_error()] {
            let way = way.to_str().unwrap();
            assert!(text.contains(&format!("{way}/in/store")), "{text}");
            assert!(text.contains(&format!("(mode {mode:o})")), "{text}");
            assert!(text.contains(&format!("`chmod go-w {way}`")), "{text}");
        }
        for command in ["list", "flush", "doctor"] {
            let answer = node.operator(&[command]);
            assert!(answer.status() == 1 && format!("{answer:?}").contains("chmod go-w"), "{answer:?}");
        }
        assert_eq!(node.on_eni().len(), 1);

        fs::rename(way.join("taken"), way.join("in")).unwrap();
        set_mode(&way, 0o755);
        node.del("c0").ok();
        assert!(node.on_eni().is_empty(), "{}", node.scene());
    }
}

#[test]
fn a_store_that_is_not_there_yet_is_not_made_where_others_could_move_it_away() {
    let (node, way) = with_store_below();
    fs::remove_dir(way.join("in")).unwrap();
    set_mode(&way, 0o777);
    let _ = node.del("c0").error(101);
    let _ = node.add("c0").error(101);
    assert!(node.on_eni().is_empty() && !way.join("in").exists());
}

#[test]
fn a_store_below_a_sticky_directory_and_behind_links_that_nobody_else_can_change_is_used() {
    let (node, way) = with_store_below();
    set_mode(&way, 0o1777);
    let _ = node.add("c0").address();
    // One link in place of a directory on the way, to another one, which leads up and down again.
    fs::rename(way.join("in"), way.join("real")).unwrap();
    symlink("second", way.join("in")).unwrap();
    symlink(way.join("real/../real/."), way.join("second")).unwrap();
    node.del("c0").ok();
    assert!(node.on_eni().is_empty(), "{}", node.scene());
}

#[test]
fn the_way_that_links_lead_is_looked_at_as_well() {
    let (node, way) = with_store_below();
    let _ = node.add("c0").address();
    let (open, closed) = (node.directory().join("open"), node.directory().join("closed"));
    fs::create_dir(&open).unwrap();
    set_mode(&open, 0o777);
    // To a directory that is safe itself, by a link that is not.
    fs::rename(way.join("in"), &closed).unwrap();
    symlink(&closed, open.join("link")).unwrap();
    symlink(open.join("link"), way.join("in")).unwrap();
    assert!(node.del("c0").error(101).contains(open.to_str().unwrap()));
    // To one that is safe, in one that is not.
    fs::remove_file(way.join("in")).unwrap();
    fs::rename(&closed, open.join("closed")).unwrap();
    symlink(open.join("closed"), way.join("in")).unwrap();
    assert!(node.del("c0").error(101).contains(open.to_str().unwrap()));
    // Nowhere, for ever.
    fs::remove_file(way.join("in")).unwrap();
    symlink("in", way.join("in")).unwrap();
    assert!(node.del("c0").error(101).contains("circle"));
    assert_eq!(node.on_eni().len(), 1);
}

#[test]
fn a_log_that_is_a_link_is_not_written_and_no_call_fails_for_it() {
    let node = node();
    let (log, elsewhere) = (node.directory().join("log"), node.directory().join("elsewhere"));
    fs::write(&elsewhere, "").unwrap();
    symlink(&elsewhere, &log).unwrap();
    let _ = node.add("c0").address();
    node.del("c0").ok();
    assert_eq!(fs::read(&elsewhere).unwrap(), b"");
}

#[test]
fn a_damaged_record_is_set_aside_and_the_error_says_where_it_is() {
    for damage in ["", "{", "[]", "null", "{\"schema\":1}", "\u{0}\u{0}\u{0}"] {
        let node = node();
        let _ = node.add("c0").address();
        fs::write(only_file(&node, "active"), damage).unwrap();
        let text = node.add("c0").error(102);
        let quarantined = only_file(&node, "quarantine");
        assert!(text.contains(quarantined.to_str().unwrap()), "{text}");
        assert_eq!(node.counts(), [0, 0, 0, 1]);
        // One damaged record keeps nobody else from anything.
        let _ = node.add("c1").address();
        node.del("c1").ok();
    }
}

#[test]
fn a_damaged_release_keeps_no_other_one_from_being_made() {
    let node = node().with("timeoutSeconds", 1);
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("ServiceUnavailable")));
    let _ = node.add("c0").address();
    node.del("c0").ok();
    fs::write(only_file(&node, "releasing"), "garbage").unwrap();
    let _ = node.add("c1").address();
    node.cloud.clear_faults();
    node.del("c1").ok();
    let _ = node.operator(&["flush"]);
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_record_that_is_larger_than_any_is_set_aside_like_every_damaged_one() {
    let node = node();
    let _ = node.add("c0").address();
    let record = only_file(&node, "active");
    let swollen = [fs::read(&record).unwrap(), vec![b' '; 1 << 20]].concat();
    fs::write(&record, &swollen).unwrap();
    assert!(node.add("c0").error(102).contains("larger"));
    assert!(fs::read(only_file(&node, "quarantine")).unwrap() == swollen);
    assert_eq!((node.on_eni().len(), node.counts()), (1, [0, 0, 0, 1]));
}

#[test]
fn roots_that_the_environment_of_the_runtime_names_are_not_trusted() {
    let certificates = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ecs/certificates");
    let text = |name: &str| fs::read_to_string(certificates.join(name)).unwrap();
    let cloud = Simulator::start_tls(World::single_node(), &text("valid.pem"), &text("key.pem")).unwrap();
    let mut node =
        node().with("endpoint", cloud.endpoint()).with("metadataEndpoint", cloud.metadata_endpoint());
    let authority = certificates.join("authority.pem");
    // By this name libraries look for it in a directory.
    let directory = node.directory().join("roots");
    fs::create_dir(&directory).unwrap();
    symlink(&authority, directory.join("00000000.0")).unwrap();
    fs::copy(&authority, directory.join("authority.pem")).unwrap();
    for (name, value) in [("SSL_CERT_FILE", &authority), ("SSL_CERT_DIR", &directory)] {
        let text = node.call("ADD", "c0").env(name, value).run().error(110);
        assert!(text.contains("set `ipam.caFile`"), "{name}: {text}");
    }
    assert!(cloud.ledger().is_empty());
    // What the configuration names is, whatever the environment says.
    node.set("caFile", authority.to_str().unwrap());
    let _ = node.call("ADD", "c0").env("SSL_CERT_FILE", "/dev/null").run().address();
    node.call("DEL", "c0").env("SSL_CERT_DIR", "/nowhere").run().ok();
    assert!(cloud.with_world(|world| world.enis[Node::ENI].addresses.is_empty()));
}

#[test]
fn answers_that_are_none_neither_hang_nor_lose_anything() {
    for effect in [
        Effect::Garbage,
        Effect::TruncatedBody,
        Effect::EndlessBody,
        Effect::HugeHeaders,
        Effect::Html { status: 200 },
        Effect::Html { status: 403 },
        Effect::Empty { status: 200 },
        Effect::Stall,
    ] {
        let node = node().with("timeoutSeconds", 2);
        let _ = node.add("c0").address();
        node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(effect.clone()));
        node.del("c0").ok();
        assert_eq!(node.on_eni(), node.recorded(), "{effect:?}");
        node.cloud.clear_faults();
        assert_eq!(node.operator(&["flush"]).status(), 0, "{effect:?}\n{}", node.scene());
        assert!(node.on_eni().is_empty(), "{effect:?}");
    }
}

#[test]
fn metadata_that_is_none_fails_an_add_clearly() {
    for effect in
        [Effect::Garbage, Effect::EndlessBody, Effect::Empty { status: 500 }, Effect::Html { status: 200 }]
    {
        let mut node = node().with("timeoutSeconds", 3);
        node.ipam.remove("networkInterfaceId");
        node.cloud.inject_metadata("/latest", effect.clone(), None);
        let text = node.add("c0").any_error();
        assert!(text.contains("metadata"), "{effect:?}: {text}");
        assert!(node.on_eni().is_empty() && node.records().is_empty());
    }
}
