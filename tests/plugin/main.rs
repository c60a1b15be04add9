//! The plugin as runtimes and people meet it: the real binary, real files, real locks, and a cloud on real sockets.

mod add;
mod del;

use harness::{Node, World};

/// A node with the plugin under test.
fn node() -> Node {
    Node::new(env!("CARGO_BIN_EXE_aliyun-eni-ipam"))
}

/// The same in a world of the test's own.
fn node_in(world: World) -> Node {
    Node::in_world(env!("CARGO_BIN_EXE_aliyun-eni-ipam"), world)
}
