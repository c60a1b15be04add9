//! Pods that start and end together: requests and wall time, against plugins that make one request for each pod.

mod cloud;
mod one_a_pod;
mod plugin;
mod size;

use std::collections::BTreeMap;
use std::time::Duration;

use one_a_pod::{Case, Manner};
use plugin::Kind;
use size::{ENIS, Outcome, Size, Verb, latencies, pods, sizes};

use super::plot::{Axes, Series, lines};
use super::report::{Scale, Section, table};
use super::statistics::median;

/// How many runs of the plugin a figure is the median of.
const RUNS: usize = 3;
/// What stands for the others in tables and plots.
const OURS: &str = "this plugin";
const IN_TURN: &str = "one request a pod, in turn";
const AT_ONCE: &str = "one request a pod, all at once";
const WAYS: [(&str, Option<Manner>); 3] =
    [(OURS, None), (IN_TURN, Some(Manner::InTurn)), (AT_ONCE, Some(Manner::AtOnce))];

/// Everything that was measured.
struct Measured {
    /// The plugin's runs.
    plugin: BTreeMap<(Size, Verb), Outcome>,
    others: BTreeMap<Case, Outcome>,
}

pub(crate) fn section(scale: Scale) -> Section {
    let sizes = sizes(scale);
    let mut plugin = BTreeMap::new();
    for &size in &sizes {
        let [start, drain] = runs(scale, Kind { size, limit: 32, dual: false });
        plugin.extend([((size, Verb::Add), start), ((size, Verb::Del), drain)]);
    }
    let measured = Measured { plugin, others: one_a_pod::measure(&sizes) };
    let mut text = about(scale);
    text += "\n### Start\n\nAll ADDs at once, until the last one has its address.\n\n";
    text += &measured.table(scale, Verb::Add);
    text += "\n### Drain\n\nAll DELs at once, until the last address is back.\n\n";
    text += &measured.table(scale, Verb::Del);
    text += &limits(scale);
    text += &both_ways(scale);
    text += &one_by_one(scale);
    let plots = vec![
        ("together-drain-wall.svg", measured.wall_plot(scale)),
        ("together-drain-requests.svg", measured.requests_plot(scale)),
    ];
    Section { title: "Pods that start and end together", text, plots }
}

/// The medians of start and drain.
fn runs(scale: Scale, kind: Kind) -> [Outcome; 2] {
    let runs: Vec<_> = (0..scale.pick(1, RUNS)).map(|_| plugin::start_and_drain(kind)).collect();
    [0, 1].map(|nth| Outcome::median(runs.iter().map(|run| run[nth]).collect()))
}

fn about(scale: Scale) -> String {
    format!(
        "The plugin is called as a container runtime calls it: a process for each pod. All processes are started first, and read their \
         stdin at the same moment, so that what is measured is the plugin and not how fast this machine starts processes. ECS is \
         simulated. It takes 32 addresses in a request, works on one request of an ENI at a time, and answers it after the time at the \
         head of the column; a second request of the ENI meanwhile is refused with `Operation.Conflict`, as ECS does. No quota of \
         requests is applied here. With three ENIs, each has room for a third of the pods: for a start that is the worst case, because \
         only a refusal tells the plugin what room an ENI has, while those with one request a pod are told here.\n\n\
         A cell has the number of requests that ECS got, the wall time, and in brackets how many times as long that is as the requests \
         take one after the other: 1.00 is a plugin that takes no time by itself, and with three ENIs 0.33. The figures of this plugin \
         are those of the run with the median wall time of {}, and the worst overlap of all. What follows the brackets for the others is \
         their wall time divided by this plugin's; they did not take turns, because most of that time is waiting. *Overlap* is the \
         largest number of requests about one ENI that ECS had at once. More than 1 means that ECS refused something.\n\n\
         *{IN_TURN}*: each pod's request alone, and the next one of the ENI when it is answered. *{AT_ONCE}*: nobody waits for \
         anybody, and what ECS refuses is repeated after 0.5 s, then after twice as long each time and after 8 s at most, each time at \
         random down to half of it. Both are a few lines that use this plugin's own client, without a process and a record for each \
         pod, so they leave out what a plugin of their kind would take beside its requests. Each was measured once, all of \
         them side by side, because they do nothing but wait.\n",
        scale.pick(1, RUNS)
    )
}

impl Measured {
    fn table(&self, scale: Scale, verb: Verb) -> String {
        let latencies = latencies(scale);
        let columns: Vec<_> = latencies.iter().map(|it| format!("{} ms", it.as_millis())).collect();
        let mut headings = vec!["pods", "ENIs", ""];
        headings.extend(columns.iter().map(String::as_str));
        headings.push("overlap");
        let mut rows = Vec::new();
        for &pods in pods(scale) {
            for enis in ENIS {
                let sizes = latencies.iter().map(|&latency| Size { pods, enis, latency });
                let sizes: Vec<_> = sizes.collect();
                let ours = self.of(&sizes, verb, None);
                for (name, manner) in WAYS {
                    let outcomes = self.of(&sizes, verb, manner);
                    let mut row = vec![pods.to_string(), enis.to_string(), name.to_owned()];
                    row.extend(outcomes.iter().zip(&ours).zip(&latencies).map(
                        |((outcome, ours), latency)| {
                            cell(outcome, *latency, manner.is_some().then_some(ours))
                        },
                    ));
                    row.push(outcomes.iter().map(|it| it.overlap).max().unwrap_or_default().to_string());
                    rows.push(row);
                }
            }
        }
        table(&headings, &rows)
    }

    fn of(&self, sizes: &[Size], verb: Verb, manner: Option<Manner>) -> Vec<Outcome> {
        let of_size = |&size: &Size| match manner {
            None => self.plugin[&(size, verb)],
            Some(manner) => self.others[&(size, verb, manner)],
        };
        sizes.iter().map(of_size).collect()
    }

    fn wall_plot(&self, scale: Scale) -> String {
        let title = scale.pick(
            "Time until all pods of an ENI are released, ECS answers after 50 ms",
            "Time until all pods of an ENI are released, ECS answers after 200 ms",
        );
        self.plot(scale, title, "time (s)", |outcome, _| outcome.wall.as_secs_f64())
    }

    fn requests_plot(&self, scale: Scale) -> String {
        let title = scale.pick(
            "Requests until all pods of an ENI are released, ECS answers after 50 ms",
            "Requests until all pods of an ENI are released, ECS answers after 200 ms",
        );
        self.plot(scale, title, "requests for each pod", |outcome, pods| {
            float(outcome.requests) / float(pods)
        })
    }

    fn plot(
        &self,
        scale: Scale,
        title: &'static str,
        y: &'static str,
        of: impl Fn(&Outcome, usize) -> f64,
    ) -> String {
        let axes = Axes { title, x: "pods that end together", y, log_x: true, log_y: true };
        lines(&axes, &self.series(scale, of))
    }

    /// Figures of a drain on one ENI, by pods.
    fn series(&self, scale: Scale, of: impl Fn(&Outcome, usize) -> f64) -> Vec<Series> {
        let latency = Duration::from_millis(scale.pick(50, 200));
        let sizes: Vec<_> = pods(scale).iter().map(|&pods| Size { pods, enis: 1, latency }).collect();
        let one = |(name, manner): (&str, Option<Manner>)| {
            let outcomes = self.of(&sizes, Verb::Del, manner);
            let points = sizes.iter().zip(&outcomes).map(|(size, it)| (float(size.pods), of(it, size.pods)));
            Series { name: name.to_owned(), points: points.collect() }
        };
        WAYS.map(one).into()
    }
}

/// Requests, wall time, how much longer than the requests, and how much longer than `ours`.
fn cell(outcome: &Outcome, latency: Duration, ours: Option<&Outcome>) -> String {
    let Outcome { requests, failed, wall, .. } = outcome;
    let seconds = wall.as_secs_f64();
    let compared = ours.map(|ours| format!(", {:.1} ×", seconds / ours.wall.as_secs_f64()));
    let failures = (*failed > 0).then(|| format!(", {failed} pods failed"));
    format!(
        "{requests}, {seconds:.2} s ({:.2}){}{}",
        outcome.stretch(latency),
        compared.unwrap_or_default(),
        failures.unwrap_or_default()
    )
}

/// Where ECS takes ten addresses in a request, and where pods have two.
fn limits(scale: Scale) -> String {
    let pods = scale.pick(10, 110);
    let latencies = latencies(scale);
    let columns: Vec<_> = latencies.iter().map(|it| format!("{} ms", it.as_millis())).collect();
    let mut headings = vec!["ECS takes", "a pod has", ""];
    headings.extend(columns.iter().map(String::as_str));
    headings.push("overlap");
    let mut rows = Vec::new();
    for (dual, families) in [(false, "IPv4"), (true, "IPv4 and IPv6")] {
        for limit in [32, 10] {
            let kinds =
                latencies.iter().map(|&latency| Kind { size: Size { pods, enis: 1, latency }, limit, dual });
            let outcomes: Vec<_> = kinds.map(|kind| runs(scale, kind)).collect();
            for (nth, what) in ["start", "drain"].into_iter().enumerate() {
                let mut row = vec![limit.to_string(), families.to_owned(), what.to_owned()];
                let of = outcomes.iter().map(|both| both[nth]);
                row.extend(
                    of.clone().zip(&latencies).map(|(outcome, latency)| cell(&outcome, *latency, None)),
                );
                row.push(of.map(|it| it.overlap).max().unwrap_or_default().to_string());
                rows.push(row);
            }
        }
    }
    format!(
        "\n### Ten addresses in a request, and pods with two addresses\n\n\
         {pods} pods on one ENI, this plugin alone. No document says how many addresses ECS takes in one request for an ENI in use. The \
         plugin begins with 32; where ECS refuses that, the first request of each family in the start is spent to learn it, and the \
         drain knows it. An IPv4 and an IPv6 address take a request each.\n\n{}",
        table(&headings, &rows)
    )
}

/// Pods that start while others end.
fn both_ways(scale: Scale) -> String {
    let pods = scale.pick(10, 100);
    let row = |latency: Duration| {
        let kind = Kind { size: Size { pods, enis: 1, latency }, limit: 32, dual: false };
        let (outcome, [add, del]) = plugin::start_while_others_end(kind);
        vec![
            format!("{} ms", latency.as_millis()),
            outcome.requests.to_string(),
            format!("{:.2} s", add.as_secs_f64()),
            format!("{:.2} s", del.as_secs_f64()),
            outcome.overlap.to_string(),
        ]
    };
    let rows: Vec<_> = latencies(scale).into_iter().map(row).collect();
    format!(
        "\n### Pods that start while others end\n\n\
         {half} ADDs and {half} DELs at once on one ENI, one run: both kinds of requests take turns, so neither waits for the end of \
         the other.\n\n{}",
        table(&["ECS answers after", "requests", "last ADD", "last DEL", "overlap"], &rows),
        half = pods / 2
    )
}

/// Pods that come and go one after the other, with and without a reserve.
fn one_by_one(scale: Scale) -> String {
    let latency = Duration::from_millis(scale.pick(50, 200));
    let pods = scale.pick(5, 40);
    let row = |(reserve, every): (usize, u64)| {
        let kind = Kind { size: Size { pods, enis: 1, latency }, limit: 32, dual: false };
        let (outcome, times) = plugin::one_by_one(kind, reserve, Duration::from_millis(every));
        let [add, del] =
            times.map(|times| median(&times.iter().map(|it| it.as_secs_f64() * 1000.0).collect::<Vec<_>>()));
        let pace = if every == 0 { "as fast as it goes".to_owned() } else { format!("every {every} ms") };
        vec![
            reserve.to_string(),
            pace,
            format!("{:.2}", float(outcome.requests) / float(pods)),
            format!("{add:.1} ms"),
            format!("{del:.1} ms"),
        ]
    };
    let rows: Vec<_> = [(0, 0), (10, 0), (10, 500)].into_iter().map(row).collect();
    format!(
        "\n### Pods that come and go one by one\n\n\
         {pods} pods, each deleted as soon as it has its address; ECS answers after {} ms. With `reserve` a deleted pod's address stays on \
         the ENI for the next one; here it rests for one second before (`reuseDelaySeconds`, else 120). One run, medians of its \
         calls.\n\n{}",
        latency.as_millis(),
        table(&["`reserve`", "a pod", "requests for each pod", "ADD", "DEL"], &rows)
    )
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
