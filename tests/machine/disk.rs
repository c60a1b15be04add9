//! A disk that is so full that not even a name can be moved.

use harness::{Answer, Need, Node};

use crate::node;

harness::tests! {
    needs [Need::Strace]:
        a_del_removes_the_cache_to_make_room_for_its_move,
        a_del_that_cannot_record_its_release_fails,
        a_del_that_cannot_make_its_release_durable_fails,
        a_del_whose_entry_cannot_be_made_durable_releases_its_address,
        a_del_that_a_power_cut_could_undo_leaves_its_address_to_no_other_pod,
        a_del_pays_for_the_reserve_only_where_there_is_one;
}

/// A DEL of which these calls fail.
fn del_with(node: &Node, injection: &str) -> Answer {
    let trace = node.directory().join("trace").display().to_string();
    let arguments =
        ["-f", "-qq", "-o", &trace, "-e", "signal=none", "-e", "trace=rename,fsync", "-e", injection];
    node.call("DEL", "c1").under("strace", &arguments.map(str::to_owned)).run()
}

fn with_pod() -> Node {
    let node = node();
    let _ = node.add("c1").address();
    node
}

fn cached(node: &Node) -> usize {
    std::fs::read_dir(node.store().join("cache")).unwrap().count()
}

fn a_del_removes_the_cache_to_make_room_for_its_move() {
    let node = with_pod();
    assert!(cached(&node) > 0);
    // The first is the move.
    del_with(&node, "inject=rename:error=ENOSPC:when=1").ok();
    assert_eq!(cached(&node), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

fn a_del_that_cannot_record_its_release_fails() {
    for error in ["ENOSPC", "EROFS", "EIO"] {
        let node = with_pod();
        let _ = del_with(&node, &format!("inject=rename:error={error}")).error(100);
        assert_eq!((node.counts(), node.on_eni().len()), ([0, 1, 0, 0], 1), "{}", node.scene());
        node.del("c1").ok();
        assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
    }
}

fn a_del_that_cannot_make_its_release_durable_fails() {
    // Of the directory that the record goes to, and of the one that it comes from.
    for nth in [1, 2] {
        let node = with_pod();
        let _ = del_with(&node, &format!("inject=fsync:error=ENOSPC:when={nth}")).error(100);
        assert_eq!((node.counts(), node.on_eni().len()), ([0, 0, 1, 0], 1), "{}", node.scene());
        node.del("c1").ok();
        assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
    }
}

/// A pod beside one whose address is in the reserve already, so that the directory is there.
fn with_reserve() -> Node {
    let mut node = with_pod();
    let _ = node.add("c0").address();
    node.set("reserve", 5);
    node.del("c0").ok();
    node
}

fn a_del_whose_entry_cannot_be_made_durable_releases_its_address() {
    // Of the entry, and of the directory that it is in.
    for nth in [1, 2] {
        let node = with_reserve();
        del_with(&node, &format!("inject=fsync:error=ENOSPC:when={nth}")).ok();
        assert_eq!((node.counts(), node.on_eni().len()), ([0, 0, 0, 0], 1), "{}", node.scene());
        let log = node.log();
        assert!(
            log.contains("not kept in the reserve") && log.contains(": released addresses=192.168.0"),
            "{log}"
        );
    }
}

fn a_del_that_a_power_cut_could_undo_leaves_its_address_to_no_other_pod() {
    let node = with_reserve();
    let _ = del_with(&node, "inject=fsync:error=EIO:when=3").error(100);
    // It is releasing, and so it does not count.
    assert_eq!((node.counts()[..3].to_vec(), node.on_eni().len()), (vec![0, 0, 1], 2), "{}", node.scene());
    node.del("c1").ok();
    assert_eq!((node.counts()[2], node.on_eni().len()), (0, 1), "{}", node.scene());
}

/// How often a DEL of `c1` makes something durable.
fn fsyncs_of_a_del(node: &Node) -> usize {
    let trace = node.directory().join("trace").display().to_string();
    let arguments = ["-f", "-qq", "-o", &trace, "-e", "signal=none", "-e", "trace=fsync,fdatasync"];
    node.call("DEL", "c1").under("strace", &arguments.map(str::to_owned)).run().ok();
    std::fs::read_to_string(&trace).unwrap().lines().filter(|line| line.contains("sync(")).count()
}

fn a_del_pays_for_the_reserve_only_where_there_is_one() {
    assert_eq!(fsyncs_of_a_del(&with_pod()), 7);
    // The entry, the directory that it is in, and the one that the record goes from.
    let mut node = with_reserve();
    assert_eq!(fsyncs_of_a_del(&node), 3);
    // A release on an ENI with a reserve: it is made durable that no entry of the address comes back, once after each change.
    node.set("reserve", 0);
    let _ = node.call("ADD", "c1").config(|config| config["name"] = "others".into()).run().address();
    assert_eq!(fsyncs_of_a_del(&node), 8);
}
