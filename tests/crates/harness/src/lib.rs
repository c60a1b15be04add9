//! The harness of all tests: a [`Node`] on which the real plugin is called as a container runtime calls it, as a child
//! process with an environment and stdin, against a simulated cloud on real sockets and a store in real files.
//!
//! ```no_run
//! # let plugin = std::path::Path::new("aliyun-eni-ipam");
//! use harness::Node;
//!
//! let node = Node::new(plugin);
//! let address = node.add("c1").address();
//! assert!(node.cloud.addresses(Node::ENI).contains(&address));
//! node.del("c1").ok();
//! assert!(node.cloud.addresses(Node::ENI).is_empty());
//! ```
//! A failed expectation prints the call, its answer, the log and what is in the store.

mod answer;
mod at_once;
mod books;
mod boot;
mod call;
mod cni_cache;
mod conversation;
mod crowd;
mod memory;
mod name_space;
mod node;
mod patience;
mod plugin;
mod progress;
mod raw;
mod reserve;
mod routed;
mod suite;
mod terminal;
mod time;
mod trace;

pub mod needs;
pub mod schema;

pub use answer::Answer;
pub use at_once::{Ready, Timed, all_ok, at_once, at_once_while, last_of};
pub use boot::{EARLIER_BOOT, of_earlier_boot};
pub use call::{Calling, Running};
pub use conversation::Conversation;
pub use ecs_simulator::{self as simulator, Effect, Fault, Saved, World};
pub use memory::keep_files_in_memory;
pub use name_space::{NameSpace, Within};
pub use needs::Need;
pub use node::{Node, Record, Scene};
pub use patience::{HANGS, ends, eventually};
pub use plugin::plugin_or;
pub use raw::{RawAnswer, RawServer, Then};
pub use routed::{Added, Kernel, PRIMARY_TABLE, RoutedNode, TABLE, addresses_of};
pub use suite::{Test, run_suite};
pub use terminal::OnTerminal;
pub use trace::{SystemCalls, Trace};
