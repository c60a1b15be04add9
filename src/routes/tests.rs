//! What this room does to a real kernel, in network namespaces.

mod node;

use node::{Node, expected};

#[test]
fn a_first_pod_gets_all_that_it_needs() {
    let Some(node) = Node::new() else { return };
    println!("{:#?}", node.put(1, &["192.168.1.5", "fd00:1::5"]));
    println!("{}", node.everything());
    println!("{:#?}", node.put(1, &["192.168.1.5", "fd00:1::5"]));
    println!("{:#?}", node.differences(&expected(&[("192.168.1.5", 1), ("fd00:1::5", 1)])));
}
