//! Who reaches whom, with this plugin and without, in every configuration of a node. The table is printed.

use std::collections::BTreeMap;
use std::env;

use harness::Need;

use crate::cluster::Cluster;
use crate::inventory::VSwitches;
use crate::node::{Kind, Links};
use crate::probe::Outcome;
use crate::setup::Setup;
use crate::ways;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces, Need::Nftables, Need::StandardPlugins]:
        everybody_reaches_everybody_with_the_plugin_and_not_without;
}

/// A cluster, and the values of `rp_filter` with which it is tried.
#[derive(Clone, Debug)]
struct Column {
    setup: Setup,
    kind: Kind,
    rp_filters: Vec<u8>,
}

fn column(setup: Setup, vswitches: VSwitches, links: Links, rp_filters: &[u8]) -> Column {
    Column { setup, kind: setup.kind(vswitches, links), rp_filters: rp_filters.to_vec() }
}

/// The small matrix, or all of it.
fn columns() -> Vec<Column> {
    if env::var("NETWORK_TESTS").is_ok_and(|it| it == "required") {
        let mut columns = Vec::new();
        for setup in [Setup::PtpAlone, Setup::TwoRules, Setup::ByHand, Setup::COMPLETE] {
            for vswitches in [VSwitches::One, VSwitches::Two] {
                for links in [Links::Bare, Links::Dhcp] {
                    columns.push(column(setup, vswitches, links, &[0, 1, 2]));
                }
            }
        }
        let mut masquerading = column(Setup::COMPLETE, VSwitches::Two, Links::Bare, &[0, 1, 2]);
        masquerading.kind.masquerades = true;
        columns.push(masquerading);
        return columns;
    }
    vec![
        column(Setup::PtpAlone, VSwitches::Two, Links::Bare, &[0]),
        column(Setup::TwoRules, VSwitches::Two, Links::Bare, &[0]),
        column(Setup::COMPLETE, VSwitches::One, Links::Dhcp, &[1]),
        column(Setup::COMPLETE, VSwitches::Two, Links::Bare, &[2]),
    ]
}

fn everybody_reaches_everybody_with_the_plugin_and_not_without() {
    let mut table = Table::default();
    let mut failed = Vec::new();
    let only = env::var("NETWORK_COLUMNS").unwrap_or_default();
    for column in columns().into_iter().filter(|column| heading(column, 0).join(" ").starts_with(&only)) {
        let cluster = Cluster::new(column.kind, column.setup);
        for &rp_filter in &column.rp_filters {
            cluster.nodes.iter().for_each(|node| node.filter_reverse_path(rp_filter));
            let name = heading(&column, rp_filter);
            let mut outcome = Outcome::of(ways::all(&cluster));
            let known = column.setup.known_failures();
            if known.is_empty() {
                outcome = outcome.insist();
                if outcome.failed().count() > 0 {
                    failed.push(format!("{}\n{outcome}", name.join(" ")));
                }
            }
            let groups = outcome.by_group();
            for group in known.iter().filter(|group| groups[*group].0 == groups[*group].1) {
                failed.push(format!("{}\n{group}: nothing is dropped", name.join(" ")));
            }
            table.add(name, &outcome);
        }
    }
    println!("{}", table.text());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// How many of how many ways of each kind have arrived.
type Groups = BTreeMap<&'static str, (usize, usize)>;

/// The lines above a column.
type Heading = [String; 4];

/// What makes the routes, how many vSwitches there are, how secondary links are configured, `rp_filter`.
fn heading(column: &Column, rp_filter: u8) -> Heading {
    let Kind { vswitches, links, masquerades, .. } = column.kind;
    let setup = if masquerades { "masq".to_owned() } else { column.setup.to_string() };
    let vswitches = if vswitches == VSwitches::One { "one" } else { "two" };
    let links = if links == Links::Bare { "bare" } else { "dhcp" };
    [setup, vswitches.to_owned(), links.to_owned(), format!("rp {rp_filter}")]
}

/// Rows: ways. Columns: configurations. Cells: how many of how many have arrived.
#[derive(Debug, Default)]
struct Table {
    columns: Vec<(Heading, Groups)>,
    /// In the order in which they are tried.
    rows: Vec<&'static str>,
}

impl Table {
    fn add(&mut self, name: Heading, outcome: &Outcome) {
        for (way, _) in &outcome.ways {
            if !self.rows.contains(&way.group) {
                self.rows.push(way.group);
            }
        }
        self.columns.push((name, outcome.by_group()));
    }

    fn text(&self) -> String {
        let line = |title: &str, cells: &mut dyn Iterator<Item = String>| {
            cells.fold(format!("{title:<32}"), |line, cell| format!("{line}{cell:>8}")) + "\n"
        };
        let mut text = String::new();
        for (index, title) in ["routes by", "vSwitches", "secondary links", "rp_filter"].iter().enumerate() {
            text += &line(title, &mut self.columns.iter().map(|(name, _)| name[index].clone()));
        }
        for row in &self.rows {
            text += &line(row, &mut self.columns.iter().map(|(_, groups)| cell(groups.get(row).copied())));
        }
        let sum = |groups: &Groups| groups.values().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        text + &line("all", &mut self.columns.iter().map(|(_, groups)| cell(Some(sum(groups)))))
    }
}

/// How many of how many.
fn cell(counts: Option<(usize, usize)>) -> String {
    counts.map_or_else(String::new, |(arrived, all)| format!("{arrived}/{all}"))
}
