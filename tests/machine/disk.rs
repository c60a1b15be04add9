//! A disk that is so full that not even a name can be moved.

use harness::{Answer, Need, Node};

use crate::node;

harness::tests! {
    needs [Need::Strace]:
        a_del_removes_the_cache_to_make_room_for_its_move,
        a_del_that_cannot_record_its_release_fails,
        a_del_that_cannot_make_its_release_durable_fails;
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
