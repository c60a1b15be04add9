//! Fleets of nodes on one account's quota, in simulated time: benches/fleet runs the plugin's own code for them.

use std::fmt::Write;
use std::fs;
use std::num::NonZero;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use serde_json::Value;

use crate::plot::{Axes, Series, bars};
use crate::report::{Scale, Section, table};

/// What is simulated in one process: nodes, pods on each, addresses that each keeps, the most addresses in a request, the scenario.
type Run = (Scale, [usize; 4], &'static str);

const RUNS: &[Run] = &[
    (Scale::Quick, [FEW, 10, 0, 32], "outage"),
    (Scale::Quick, [FEW, 10, 0, 32], "drain"),
    (Scale::Full, [50, 110, 0, 32], "drain"),
    (Scale::Full, [50, 110, 0, 10], "drain"),
    (Scale::Full, [50, 30, 0, 32], "drain"),
    (Scale::Full, [MANY, 30, 0, 32], "drain"),
    (Scale::Full, [MANY, 30, 10, 32], "drain"),
    (Scale::Full, [5_000, 30, 0, 32], "drain"),
    (Scale::Full, [50, 30, 0, 32], "slow drain"),
    (Scale::Full, [MANY, 30, 0, 32], "slow drain"),
    (Scale::Full, [50, 30, 0, 32], "pods come and go"),
    (Scale::Full, [50, 30, 10, 32], "pods come and go"),
    (Scale::Full, [MANY, 30, 0, 32], "pods come and go"),
    (Scale::Full, [MANY, 30, 10, 32], "pods come and go"),
    (Scale::Full, [50, 30, 0, 32], "rolling update"),
    (Scale::Full, [50, 30, 10, 32], "rolling update"),
    (Scale::Full, [MANY, 30, 0, 32], "rolling update"),
    (Scale::Full, [MANY, 30, 10, 32], "rolling update"),
    (Scale::Full, [50, 30, 0, 32], "outage"),
    (Scale::Full, [50, 30, 10, 32], "outage"),
    (Scale::Full, [MANY, 30, 0, 32], "outage"),
    (Scale::Full, [MANY, 30, 10, 32], "outage"),
];

/// A quick run's nodes.
const FEW: usize = 20;

/// Fleets with more nodes need more areas of memory than Linux allows a process by default.
const MANY: usize = 500;
const MAPS: usize = 1 << 20;

const ABOUT: &str = "\
Nodes share one account, of which ECS takes 400 calls of each action a minute and refuses more until the minute ends. Every call of the \
plugin is its own code, with its store on a disk and its locks; simulated are time, chance, and ECS, which takes 0.2 to 0.4 s. A kubelet \
tries a pod that got no address again after 10 to 20 s, each pod gets a second DEL, and the timer of `conf-examples/systemd` runs `flush`.

*Pods come and go*: in half an hour a fifth of the pods ends and as many others start. *Rolling update*: within a quarter of an hour every \
pod is replaced. *Outage*: ECS answers nothing for ten minutes, in which a third of the pods ends and as many others start. *Drain*: all \
pods end within a tenth of a second; *slow drain*: within half a minute.

Calls a pod are all calls of ECS for each pod that started or ended. *Refused* is the share of them beyond the quota. *Recovered* is the time \
from the last of these events, or from the end of the outage, until every pod had its address and every other address was back; *quota* is \
how long the quota makes that take at least. The same seed gives the same figures.\n\n";

pub(crate) fn section(scale: Scale) -> Section {
    let runs: Vec<_> = RUNS.iter().filter(|(of, ..)| *of == scale).collect();
    let is_possible = |(_, [nodes, ..], _): &&Run| *nodes <= MANY || maps_allowed() >= MAPS;
    let (runs, left_out): (Vec<&Run>, Vec<&Run>) = runs.into_iter().partition(is_possible);
    let outcomes = simulate_all(&runs);
    let mut text = ABOUT.to_owned() + &rows(&outcomes);
    if !left_out.is_empty() {
        let _ = write!(text, "\nLarger fleets were left out: they need `sysctl vm.max_map_count={MAPS}`.\n");
    }
    let size = scale.pick("20 nodes of 10 pods", "500 nodes of 30 pods");
    let plots = vec![
        ("fleet-calls.svg", calls_plot(size, &outcomes)),
        ("fleet-recovery.svg", recovery_plot(size, &outcomes)),
    ];
    Section { title: "A fleet on one account", text, plots }
}

/// How many areas of memory a process may have: each call that waits takes two.
fn maps_allowed() -> usize {
    let allowed = fs::read_to_string("/proc/sys/vm/max_map_count");
    allowed.ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

/// As many at a time as there are processors: what is simulated does not depend on how long that takes. Those that take longest begin
/// first.
fn simulate_all(runs: &[&Run]) -> Vec<Value> {
    let mut queue: Vec<_> = runs.iter().enumerate().collect();
    queue.sort_by_key(|(_, (_, [nodes, ..], _))| *nodes);
    let queue = Mutex::new(queue);
    let work = || {
        let mut done = Vec::new();
        // The queue is let go of before the simulation.
        while let Some((nth, (_, size, scenario))) = { queue.lock().unwrap().pop() } {
            done.push((nth, simulate(*size, scenario)));
        }
        done
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let mut outcomes: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    outcomes.sort_by_key(|(nth, _)| *nth);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// One process.
fn simulate(size: [usize; 4], scenario: &str) -> Value {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--release", "--quiet", "--package", "fleet", "--"]);
    command.args(size.map(|number| number.to_string())).arg(scenario);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output();
    let output = output.expect("cargo runs");
    assert!(output.status.success(), "the simulation failed: {command:?}");
    serde_json::from_slice(&output.stdout).expect("the outcome is a document")
}

fn number(outcome: &Value, key: &str) -> f64 {
    outcome[key].as_f64().unwrap_or(f64::NAN)
}

fn calls(outcome: &Value) -> f64 {
    ["assign", "unassign", "describe"].map(|key| number(outcome, key)).iter().sum()
}

fn calls_a_pod(outcome: &Value) -> f64 {
    calls(outcome) / (number(outcome, "started") + number(outcome, "ended"))
}

/// The share of the calls that were refused for the quota.
fn refused(outcome: &Value) -> f64 {
    number(outcome, "throttled") / calls(outcome)
}

fn rows(outcomes: &[Value]) -> String {
    let headings = [
        "scenario",
        "nodes × pods",
        "reserve",
        "a request",
        "calls",
        "calls a pod",
        "refused",
        "overlaps",
        "recovered",
        "quota",
        "ADD, 99 %",
    ];
    let row = |it: &Value| {
        let seconds =
            |key| it[key].as_f64().map_or("not in 6 h".to_owned(), |seconds| format!("{seconds:.0} s"));
        vec![
            it["scenario"].as_str().unwrap_or_default().to_owned(),
            format!("{} × {}", it["nodes"], it["pods"]),
            it["reserve"].to_string(),
            it["mostPerRequest"].to_string(),
            format!("{:.0}", calls(it)),
            format!("{:.3}", calls_a_pod(it)),
            format!("{:.0} %", 100.0 * refused(it)),
            it["overlaps"].to_string(),
            seconds("recoveredSeconds"),
            seconds("necessarySeconds"),
            if number(it, "started") > 0.0 {
                format!("{:.1} s", it["addSeconds"][1].as_f64().unwrap_or(f64::NAN))
            } else {
                "–".to_owned()
            },
        ]
    };
    table(&headings, &outcomes.iter().map(row).collect::<Vec<_>>())
}

/// The runs that a plot compares, each under a name that is short enough.
fn groups(outcomes: &[Value]) -> Vec<String> {
    let name = |it: &Value| {
        let scenario = it["scenario"].as_str().unwrap_or_default();
        let scenario = scenario.replace("pods come and go", "come, go").replace("rolling update", "update");
        format!("{scenario}{}", if it["reserve"] == 0 { "" } else { " +r" })
    };
    outcomes.iter().map(name).collect()
}

fn series(name: &str, outcomes: &[Value], of: impl Fn(&Value) -> f64) -> Series {
    Series { name: name.to_owned(), points: (0_u32..).map(f64::from).zip(outcomes.iter().map(of)).collect() }
}

fn calls_plot(size: &'static str, outcomes: &[Value]) -> String {
    let shown = of_one_size(outcomes, &["drain", "slow drain", "pods come and go", "rolling update"]);
    let axes = Axes {
        title: "Calls of ECS for each pod that starts or ends (+r: 10 addresses in reserve)",
        x: size,
        y: "calls a pod",
        log_x: false,
        log_y: false,
    };
    let all = series("calls", &shown, calls_a_pod);
    let refused = series("refused of them", &shown, |it| calls_a_pod(it) * refused(it));
    bars(&axes, &groups(&shown), &[all, refused])
}

fn recovery_plot(size: &'static str, outcomes: &[Value]) -> String {
    let shown = of_one_size(outcomes, &["drain", "slow drain", "outage"]);
    let axes = Axes {
        title: "Until the last address is back (+r: 10 addresses in reserve)",
        x: size,
        y: "seconds",
        log_x: false,
        log_y: false,
    };
    let recovered = series("recovered", &shown, |it| number(it, "recoveredSeconds"));
    let necessary = series("what the quota needs", &shown, |it| number(it, "necessarySeconds"));
    bars(&axes, &groups(&shown), &[recovered, necessary])
}

/// Those of `scenarios` that can be compared.
fn of_one_size(outcomes: &[Value], scenarios: &[&str]) -> Vec<Value> {
    let is_shown = |it: &&Value| {
        (it["nodes"] == MANY || it["nodes"] == FEW) && scenarios.iter().any(|name| it["scenario"] == *name)
    };
    outcomes.iter().filter(is_shown).cloned().collect()
}
