//! What a call uses that does not depend on what else the machine does.

use harness::{Node, SystemCalls};

use super::peer::{CALLS, Peer, Tools, Usage, take_turns};
use super::with_reserve;
use crate::report::{Scale, table};
use crate::statistics::{median, number};

/// With few records, and with those of a full node.
const RECORDS: [usize; 2] = [10, 250];

/// An answer may arrive in two parts: the least of several counts repeats.
const COUNTED: usize = 3;

pub(super) fn text(tools: &Tools, scale: Scale) -> String {
    let [few, many] = RECORDS.map(|records| Costs::measure(tools, records, scale.pick(3, 31)));
    let mut rows = Vec::new();
    for (nth, call) in CALLS.iter().enumerate() {
        for (peer, name) in Costs::NAMES.iter().enumerate() {
            let (usage, few, many) = (&few.usage[peer][nth], few.calls[peer][nth], many.calls[peer][nth]);
            let middle = |of: fn(&Usage) -> f64| number(median(&usage.iter().map(of).collect::<Vec<_>>()));
            let both = |of: fn(&SystemCalls) -> u64| format!("{} / {}", of(&few), of(&many));
            rows.push(vec![
                call.name.to_owned(),
                (*name).to_owned(),
                middle(|it| it.memory),
                middle(|it| it.processor),
                both(|it| it.all),
                both(|it| it.fsyncs),
                both(|it| it.opens),
            ]);
        }
    }
    let headings = [
        "call",
        "program",
        "memory, MiB",
        "processor time, ms",
        "system calls, 10 / 250 records",
        "fsyncs",
        "opened files",
    ];
    format!(
        "### What a call uses\n\n\
         Memory is the most that was resident at any time, and processor time is that of the whole process, in user space and in the \
         kernel; both are medians among {} records. System calls, fsyncs and opened files are counted by `strace`, first among {0}, then \
         among {} records; a file counts as opened also where it is not there.\n\n{}",
        RECORDS[0],
        RECORDS[1],
        table(&headings, &rows)
    )
}

/// What each call of each peer uses.
struct Costs {
    usage: Vec<[Vec<Usage>; CALLS.len()]>,
    calls: Vec<[SystemCalls; CALLS.len()]>,
}

impl Costs {
    const NAMES: [&str; 4] = ["this plugin", "this plugin with a reserve", "host-local", "empty program"];

    fn measure(tools: &Tools, records: usize, runs: usize) -> Self {
        let peers = [
            Peer::ours(Self::NAMES[0], Node::new(harness::plugin!()), records),
            Peer::ours(Self::NAMES[1], with_reserve(), records),
            Peer::host_local(records),
            Peer::empty(tools),
        ];
        let usage = take_turns(runs, &peers, |peer, call| peer.usage(tools, call));
        let calls = take_turns(COUNTED, &peers, Peer::system_calls);
        let least = |counts: Vec<SystemCalls>| counts.into_iter().min_by_key(|it| it.all).unwrap();
        Self { usage, calls: calls.into_iter().map(|of_peer| of_peer.map(least)).collect() }
    }
}
