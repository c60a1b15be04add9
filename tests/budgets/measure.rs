//! The release binary against its budgets.

use std::fs;

use harness::{Need, SystemCalls, Trace, needs};

use crate::budget;
use crate::calls::{Call, WarmNode};
use crate::figure::Figure;

/// How often a call is measured. The thread that reads stdin may end before the process or with it, an answer of ECS may
/// arrive in two parts, and maps have a random order: the least of several runs repeats.
const RUNS: usize = 5;

harness::tests! {
    needs [Need::ReleaseBinary]: the_binary_is_no_larger_than_its_budget;
    needs [Need::ReleaseBinary, Need::Strace]:
        an_add_makes_no_more_system_calls_than_its_budget,
        a_del_makes_no_more_system_calls_than_its_budget,
        a_del_over_tls_makes_no_more_system_calls_than_its_budget,
        a_del_of_nobody_makes_no_more_system_calls_than_its_budget,
        a_version_makes_no_more_system_calls_than_its_budget;
    needs [Need::ReleaseBinary, Need::Valgrind]:
        an_add_takes_no_more_instructions_than_its_budget,
        a_del_takes_no_more_instructions_than_its_budget,
        a_del_over_tls_takes_no_more_instructions_than_its_budget,
        a_del_of_nobody_takes_no_more_instructions_than_its_budget,
        a_version_takes_no_more_instructions_than_its_budget;
}

fn the_binary_is_no_larger_than_its_budget() {
    let binary = needs::release_binary().unwrap();
    budget::expect(budget::BINARY, &[(Figure::Bytes, vec![fs::metadata(binary).unwrap().len()])]);
}

fn an_add_makes_no_more_system_calls_than_its_budget() {
    expect_system_calls(Call::Add);
}

fn a_del_makes_no_more_system_calls_than_its_budget() {
    expect_system_calls(Call::Del);
}

fn a_del_over_tls_makes_no_more_system_calls_than_its_budget() {
    expect_system_calls(Call::DelOverTls);
}

fn a_del_of_nobody_makes_no_more_system_calls_than_its_budget() {
    expect_system_calls(Call::DelOfNobody);
}

fn a_version_makes_no_more_system_calls_than_its_budget() {
    expect_system_calls(Call::Version);
}

fn an_add_takes_no_more_instructions_than_its_budget() {
    expect_instructions(Call::Add);
}

fn a_del_takes_no_more_instructions_than_its_budget() {
    expect_instructions(Call::Del);
}

fn a_del_over_tls_takes_no_more_instructions_than_its_budget() {
    expect_instructions(Call::DelOverTls);
}

fn a_del_of_nobody_takes_no_more_instructions_than_its_budget() {
    expect_instructions(Call::DelOfNobody);
}

fn a_version_takes_no_more_instructions_than_its_budget() {
    expect_instructions(Call::Version);
}

#[track_caller]
fn expect_system_calls(call: Call) {
    let node = WarmNode::new(call);
    let trace = Trace::to(node.report());
    let (strace, arguments) = trace.tracer();
    let runs = [(); RUNS].map(|()| {
        node.measure(call, |call| call.under(strace, &arguments));
        trace.counts().unwrap()
    });
    let counts = |count: fn(&SystemCalls) -> u64| runs.iter().map(count).collect();
    let spent = [
        (Figure::SystemCalls, counts(|run| run.all)),
        (Figure::Fsyncs, counts(|run| run.fsyncs)),
        (Figure::Opens, counts(|run| run.opens)),
    ];
    budget::expect(call.name(), &spent);
}

#[track_caller]
fn expect_instructions(call: Call) {
    let node = WarmNode::new(call);
    let report = format!("--log-file={}", node.report().display());
    let valgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null", &report].map(str::to_owned);
    let runs = [(); RUNS].map(|()| {
        node.measure(call, |call| call.under("valgrind", &valgrind));
        let report = fs::read_to_string(node.report()).unwrap();
        let collected =
            report.split_once("Collected : ").and_then(|(_, rest)| rest.split_whitespace().next());
        collected.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no figure in: {report}"))
    });
    budget::expect(call.name(), &[(Figure::Instructions, runs.into())]);
}
