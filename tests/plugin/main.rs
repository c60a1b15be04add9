//! The plugin as runtimes and people meet it: the real binary, real files, real locks, and a cloud on real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "figures are printed")]

mod add;
mod another_node;
mod behind_its_back;
mod chained;
mod citations;
mod clock;
mod command_line;
mod commands;
mod damaged;
mod del;
mod demo;
mod doctor;
mod documentation;
mod earlier_boot;
mod examples;
mod figures;
mod flush_time;
mod foreign;
mod gateway;
mod gc;
mod golden;
mod interfaces;
mod layers;
mod list;
mod log;
mod lost_store;
mod main_plugin;
mod messages;
mod metrics;
mod on_call;
mod plain;
mod progress;
mod prometheus;
mod protocol;
mod race;
mod readme;
mod reconcile;
mod request_size;
mod reserve;
mod reserve_del;
mod reserve_shown;
mod reserve_surplus;
mod restore;
mod schemas;
mod session;
mod several_enis;
mod shared_release;
mod sharing;
mod start_together;
mod status;
mod terminal;
mod trust;
mod turns;
mod unfit_answers;
mod wait_for_address;
mod without_metadata;

use harness::{Node, World, eventually};

/// A node with the plugin under test.
fn node() -> Node {
    Node::new(harness::plugin!())
}

/// The same in a world of the test's own.
fn node_in(world: World) -> Node {
    Node::in_world(harness::plugin!(), world)
}
