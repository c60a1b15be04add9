//! What settings change about an ADD and a DEL, each paired with the same call without it.

use harness::Node;

use super::peer::{ADD_AND_DEL, CALLS, Peer, Tools, take_turns};
use super::with_reserve;
use crate::report::{Scale, table};
use crate::statistics::{Spread, median, number};

/// How many records there are.
const RECORDS: usize = 10;

pub(super) fn text(tools: &Tools, scale: Scale) -> String {
    let plugin = harness::plugin!();
    let with_metrics = Node::new(plugin);
    let metrics = with_metrics.directory().join("aliyun-eni-ipam.prom").display().to_string();
    let peers = [
        Peer::ours("none of these", Node::new(plugin), RECORDS),
        Peer::ours("ECS over TLS", Node::over_tls(plugin), RECORDS),
        Peer::ours("`metricsFile`", with_metrics.with("metricsFile", metrics), RECORDS),
        Peer::ours("`reserve`", with_reserve(), RECORDS),
    ];
    let runs = scale.pick(5, 101);
    let times = take_turns(runs, &peers, Peer::time);
    let processor = take_turns(runs, &peers, |peer, call| peer.usage(tools, call).processor);
    let mut rows = Vec::new();
    for nth in ADD_AND_DEL {
        for (peer, setting) in peers.iter().enumerate() {
            let pair = |of: &[[Vec<f64>; CALLS.len()]]| {
                [number(median(&of[peer][nth])), Spread::of_ratios(&of[peer][nth], &of[0][nth]).to_string()]
            };
            let mut row = vec![CALLS[nth].name.to_owned(), setting.name.to_owned()];
            row.extend([pair(&times), pair(&processor)].concat());
            row.push(runs.to_string());
            rows.push(row);
        }
    }
    let headings = ["call", "setting", "time, ms", "ratio", "processor time, ms", "ratio", "runs"];
    format!(
        "### What settings change\n\n\
         Each setting by itself, beside a node that has none of these, in turns; ratios are to that one. *Over TLS* the one \
         request of the call goes to the same simulator by `https`, and the authorities that the system trusts are read, and one \
         that `caFile` names: {} on this machine.\n\n{}",
        authorities(),
        table(&headings, &rows)
    )
}

/// What the system trusts here, as Debian's `ca-certificates` installs it.
fn authorities() -> String {
    let bundle = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    format!("{} of the system's", bundle.matches("BEGIN CERTIFICATE").count())
}
