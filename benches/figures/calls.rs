//! Single calls: the plugin, the reference plugin `host-local` and a program that does nothing, in turns.

mod costs;
mod options;
mod peer;

use harness::Node;

use crate::plot::{Axes, Series, lines};
use crate::report::{Scale, Section, table};
use crate::statistics::{Spread, median, number};
use peer::{ADD_AND_DEL, CALLS, Peer, Times, Tools, take_turns};

/// How many records a node has: the pods of a small, of a usual and of a full one.
const RECORDS: [usize; 3] = [10, 100, 250];

/// More than any node has: how the cost grows, and how often that is measured.
const GROWTH: [(usize, usize); 2] = [(2_000, 41), (20_000, 11)];

/// The peers of one number of records.
struct Among {
    records: usize,
    runs: usize,
    ours: Times,
    reserve: Times,
    host_local: Times,
    empty: Times,
}

pub(crate) fn section(scale: Scale) -> Section {
    let tools = Tools::compile();
    let sizes = scale.pick(&RECORDS[..1], &RECORDS);
    let nodes = sizes.iter().map(|&records| Among::measure(&tools, records, scale.pick(5, 101)));
    let nodes: Vec<_> = nodes.collect();
    let growth = &GROWTH[..scale.pick(1, GROWTH.len())];
    let growth = growth.iter().map(|&(records, runs)| Among::measure(&tools, records, scale.pick(2, runs)));
    let growth: Vec<_> = growth.collect();
    let text = [
        about(),
        comparison(&nodes),
        "### Growth\n\nNo node has so many pods: this shows what grows. host-local reads the file of every pod in each ADD and \
         DEL. This plugin looks its record up by name, in directories that the kernel indexes.\n"
            .to_owned(),
        comparison(&growth),
        costs::text(&tools, scale),
        options::text(&tools, scale),
    ];
    let plot = plot(&nodes.into_iter().chain(growth).collect::<Vec<_>>());
    Section { title: "Single calls", text: text.join("\n"), plots: vec![("calls-growth.svg", plot)] }
}

impl Among {
    fn measure(tools: &Tools, records: usize, runs: usize) -> Self {
        let peers = [
            Peer::ours("this plugin", Node::new(harness::plugin!()), records),
            Peer::ours("out of the reserve", with_reserve(), records),
            Peer::host_local(records),
            Peer::empty(tools),
        ];
        let times = take_turns(runs, &peers, Peer::time);
        let [ours, reserve, host_local, empty] = times.try_into().expect("as many as peers");
        Self { records, runs, ours, reserve, host_local, empty }
    }

    fn rows(&self) -> impl Iterator<Item = Vec<String>> {
        let ours = CALLS.iter().enumerate().map(|(nth, call)| (nth, call.name.to_owned(), &self.ours));
        let reserve = ADD_AND_DEL
            .into_iter()
            .map(|nth| (nth, format!("{} by the reserve", CALLS[nth].name), &self.reserve));
        ours.chain(reserve).map(|(nth, name, ours)| {
            let (ours, theirs, empty) = (&ours[nth], &self.host_local[nth], &self.empty[nth]);
            vec![
                name,
                self.records.to_string(),
                number(median(ours)),
                number(median(theirs)),
                Spread::of_ratios(ours, theirs).to_string(),
                number(median(empty)),
                Spread::of_ratios(ours, empty).to_string(),
                self.runs.to_string(),
            ]
        })
    }
}

/// A node on which one pod after the other has the same few addresses.
fn with_reserve() -> Node {
    Node::new(harness::plugin!()).with("reserve", 10).with("reuseDelaySeconds", 0)
}

fn about() -> String {
    "One call is one process: the time is from its start to its end, with its stdin in a file and nobody reading what it prints. \
     *DEL of nobody* is the second DEL, which runtimes send for every pod: there is no record of it. ADD and DEL of this plugin make a \
     request each to a simulated ECS on the same machine, which answers at once; a real one takes some tenths of a second, which the \
     section on pods that start and end together is about. *By the reserve* they make none. host-local (Debian's) asks no cloud, and does \
     not make durable what it writes; this plugin does, by the fsyncs that are counted below. What they take depends on the disk, so the \
     ratios of ADD and DEL do too: where an fsync takes milliseconds, most of their time is fsyncs. The \
     *empty program* is `int main(void) { return 0; }`, linked statically: what it costs to start any process.\n\n\
     Times are medians in milliseconds. Behind a ratio are the quartiles of the ratios of neighbouring runs: half of all pairs were \
     between them. Below 1, this plugin is faster.\n"
        .to_owned()
}

fn comparison(nodes: &[Among]) -> String {
    let headings =
        ["call", "records", "this plugin", "host-local", "ratio", "empty program", "ratio", "runs"];
    // The same call among few and among many side by side.
    let mut rows: Vec<_> = nodes.iter().flat_map(|it| it.rows().enumerate()).collect();
    rows.sort_by_key(|(nth, _)| *nth);
    table(&headings, &rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>())
}

fn plot(nodes: &[Among]) -> String {
    let del = ADD_AND_DEL[1];
    let series = |name: &str, of: fn(&Among) -> &Times| Series {
        name: name.to_owned(),
        #[expect(clippy::cast_precision_loss, reason = "there are not that many records")]
        points: nodes.iter().map(|it| (it.records as f64, median(&of(it)[del]))).collect(),
    };
    let axes = Axes {
        title: "One DEL among the records of other pods",
        x: "records",
        y: "milliseconds",
        log_x: true,
        log_y: true,
    };
    let all = [
        series("this plugin", |it| &it.ours),
        series("this plugin, into the reserve", |it| &it.reserve),
        series("host-local", |it| &it.host_local),
        series("empty program", |it| &it.empty),
    ];
    lines(&axes, &all)
}
