//! Writes that end short: the disk takes some of the bytes, and refuses the rest.
//!
//! What makes them short is a limit of a process's own, on the size of the files that it writes (`RLIMIT_FSIZE`), which
//! the kernel keeps to the byte: a write across it writes what fits, and the next one fails. A full disk and a quota do the
//! same, at places that a test cannot choose.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use harness::simulator::AddressPolicy;
use harness::{Calling, Need, Node, Running, World};

use crate::aftermath;
use crate::checks::guarded;
use crate::course::{ASSIGN, is_marked, wait_until};
use crate::moment::Moment;
use crate::scenario::{At, NEIGHBOUR, POD, plugin};
use crate::tracer::{self, SystemCall, Tracing, trace_of};

harness::tests! {
    needs []: of_an_add, of_a_dels_mark_in_a_living_adds_intent;
    needs [Need::Strace]: of_a_living_adds_request_before_its_dels_mark;
}

/// A node of whose pods each has an address of both families: their ADDs ask twice.
fn node() -> Node {
    let world = World::single_node().with_policy(AddressPolicy::LowestFree);
    let mut node = Node::in_world(plugin(), world);
    node.set("ipv6", true);
    let _ = node.add(NEIGHBOUR).address();
    node
}

/// Has a call write no file further than to this byte.
fn limited(call: Calling<'_>, bytes: usize) -> Calling<'_> {
    limitable(call.under("prlimit", &[format!("--fsize={bytes}")]))
}

/// Has a call learn of such a limit by its writes alone, and not by the signal that would kill it.
fn limitable(call: Calling<'_>) -> Calling<'_> {
    call.under("env", &["--ignore-signal=XFSZ".to_owned()])
}

/// The size of the only intent.
fn size_of_the_intent(node: &Node) -> usize {
    let intents = fs::read_dir(node.store().join("assigning")).expect("the directory").flatten();
    let sizes = intents.map(|intent| intent.metadata().expect("an intent").len());
    sizes.max().expect("an intent").try_into().expect("it is small")
}

/// An ADD that has asked for its first address, and waits.
fn asking<'a>(node: &'a Node, call: Calling<'a>) -> Running<'a> {
    let asked = node.cloud.count(ASSIGN);
    node.cloud.hold(ASSIGN);
    let running = call.start();
    wait_until("the ADD asks", || node.cloud.count(ASSIGN) > asked);
    running
}

/// Every address is recorded, and every record can be read, then and in the end.
fn recovers(node: &Node, states: &mut BTreeSet<String>) {
    assert_eq!(node.counts()[3], 0, "every record can be read\n{}", node.scene());
    if states.insert(Moment::of(node).digest(node)) {
        aftermath::all(node);
    }
}

/// Every file that an ADD writes ends at this byte or that.
fn of_an_add() {
    let node = node();
    let start = Moment::of(&node);
    let (mut refused, mut states) = (0, BTreeSet::new());
    // No file of an ADD is longer. A step is shorter than any member of what is written.
    let limits = tracer::chosen((0..1200).step_by(7).collect());
    for &limit in &limits {
        start.restore(&node);
        let _at = At(format!("no file longer than {limit} bytes"));
        let answer = guarded(&node, &[POD], || limited(node.call("ADD", POD), limit).run());
        if answer.status() != 0 {
            let _ = answer.any_error();
            refused += 1;
        }
        recovers(&node, &mut states);
    }
    println!(
        "ADD with short writes: {} of {} limits survived, {refused} of them with an error of the plugin's, \
         {} different states among them",
        limits.len(),
        limits.len(),
        states.len()
    );
    assert!(0 < refused && refused < limits.len(), "{refused} of {} were refused", limits.len());
}

/// A DEL's mark ends at every byte, in the intent of an ADD that lives and goes on to ask for its second address.
fn of_a_dels_mark_in_a_living_adds_intent() {
    const MARK: usize = "\u{1e}\"deleted\"\n".len();
    let node = node();
    let start = Moment::of(&node);
    let mut states = BTreeSet::new();
    for written in 0..MARK {
        start.restore(&node);
        let _at = At(format!("{written} of {MARK} bytes of a mark"));
        let _ = guarded(&node, &[POD], || {
            let add = asking(&node, node.call("ADD", POD));
            let limit = size_of_the_intent(&node) + written;
            let _ = limited(node.call("DEL", POD), limit).run().any_error();
            node.cloud.let_go();
            add.wait()
        });
        recovers(&node, &mut states);
    }
    println!(
        "DEL whose mark is cut short: {MARK} of {MARK} bytes survived, {} different states among them",
        states.len()
    );
}

/// The text of an ADD's second request ends at every byte, and its DEL comes before the ADD knows.
fn of_a_living_adds_request_before_its_dels_mark() {
    let mut node = node();
    // What is logged is written, too, and must not be counted.
    node.set("logLevel", "error");
    let (start, trace) = (Moment::of(&node), trace_of(&node));
    let _ = Tracing::Watch.apply(limitable(node.call("ADD", POD)), &trace).run().address();
    let calls = tracer::calls(&trace);
    let is_ask = |call: &&SystemCall| call.name == "write" && call.text.contains("{\\\"ask\\\"");
    let asks: Vec<_> = calls.iter().filter(is_ask).collect();
    let [_, second] = asks.as_slice() else { panic!("two requests among {calls:#?}") };
    let length: usize = second.text.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a length");
    let cuts = tracer::chosen((0..length).collect());
    let mut states = BTreeSet::new();
    for &written in &cuts {
        start.restore(&node);
        let _at = At(format!("{written} of {length} bytes of a request"));
        let stop = Tracing::stop(&second.name, second.nth);
        let _ = guarded(&node, &[POD], || {
            let add = asking(&node, stop.apply(limitable(node.call("ADD", POD)), &trace));
            let pid = tracer::process(&trace);
            run("prlimit", &["--pid", &pid, &format!("--fsize={}", size_of_the_intent(&node) + written)]);
            node.cloud.let_go();
            wait_until("the ADD has stopped", || tracer::has_stopped(&trace));
            node.del(POD).ok();
            assert!(is_marked(&node), "{}", node.scene());
            run("kill", &["-CONT", &pid]);
            add.wait()
        });
        recovers(&node, &mut states);
    }
    println!(
        "ADD whose request is cut short before its DEL's mark: {} of {} bytes survived, {} different states among them",
        cuts.len(),
        cuts.len(),
        states.len()
    );
}

pub(crate) fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    assert!(output.as_ref().is_ok_and(|it| it.status.success()), "{program} {arguments:?}: {output:?}");
}
