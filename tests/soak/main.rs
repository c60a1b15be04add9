//! Many ADDs and DELs for a while, against a cloud that fails at random, with processes that are killed at random. What
//! must hold, holds throughout, and an onlooker looks all the time: a living pod's address is on the ENI, is nobody else's, and
//! no release names it; each address on the ENI has its reason in the store. Whenever the faults stop, a few calls later the
//! ENI has what living pods have, and nothing else but what is in doubt, which goes when its time has passed.
//!
//! | variable | |
//! |---|---|
//! | `SOAK_SECONDS` | how long, 5 by default |
//! | `SOAK_OPERATIONS` | how many operations at least, none by default |
//! | `SOAK_NODES` | how many nodes, 4 by default: most of a call's time is spent waiting |
//! | `SOAK_SEED` | the choices of an earlier run, though not how its processes fell between each other |

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod books;
mod dice;
mod moments;
mod mutations;
mod pods;
mod repair;
mod report;
mod rest;
mod runtime;
mod soak;
mod watch;

use std::env;
use std::time::Duration;

use soak::{Outcome, Settings, soak};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";
const DESCRIBE: &str = "DescribeNetworkInterfaces";

/// How many nodes there are: together they keep two cores half busy.
const NODES: u64 = 4;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|value| value.parse().ok())
}

#[test]
fn nothing_is_lost_and_nobody_robbed_while_everything_fails() {
    let settings = Settings {
        plugin: harness::plugin!().to_owned(),
        length: Duration::from_secs(number("SOAK_SECONDS").unwrap_or(5)),
        operations: number("SOAK_OPERATIONS").unwrap_or(0),
        nodes: number("SOAK_NODES").unwrap_or(NODES).max(1),
        seed: number("SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id())),
    };
    println!("SOAK_SEED={}", settings.seed);
    let Outcome { tally, phases, broken, scene } = soak(&settings);
    if let Some((kind, what)) = broken {
        panic!("{kind} after {tally}: {what}\n{scene}");
    }
    println!("{tally} in {phases} phases: nothing lost, nobody robbed, nothing left undone");
}
