//! The table of budgets, and how a figure is judged by it.

use crate::calls::Call;
use crate::figure::Figure;

/// The table's path, as a person is told it.
const PATH: &str = "tests/budgets/budgets.txt";

const TABLE: &str = include_str!("budgets.txt");

/// Who spends in the rows that are not of a call.
pub(crate) const BINARY: &str = "binary";

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row<'t> {
    /// The number of its line, from 1.
    line: usize,
    /// A call, or the binary.
    spender: &'t str,
    /// The name of what is spent.
    figure: &'t str,
    /// How much of it, at most.
    budget: u64,
}

harness::tests! {
    needs []:
        every_figure_has_one_row_and_every_row_a_figure,
        a_figure_above_its_budget_fails_and_says_what_to_do,
        a_budget_far_above_its_figure_has_to_be_lowered,
        a_budget_of_fsyncs_or_opens_has_nothing_to_spare,
        a_line_that_is_not_a_row_is_refused;
}

/// Compares the least of what several runs have spent with the budgets, and prints both.
#[track_caller]
pub(crate) fn expect(spender: &str, spent: &[(Figure, Vec<u64>)]) {
    let failed: Vec<_> =
        spent.iter().filter_map(|(figure, runs)| compare(spender, *figure, runs).err()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn compare(spender: &str, figure: Figure, runs: &[u64]) -> Result<(), String> {
    let row = rows(TABLE)?.into_iter().find(|row| row.spender == spender && row.figure == figure.name());
    let row = row.ok_or_else(|| format!("{PATH} has no row of {spender}, {}: {runs:?}", figure.name()))?;
    println!("{spender}, {}: {runs:?} of {}", figure.name(), row.budget);
    row.judge(*runs.iter().min().unwrap(), figure.slack())
}

fn rows(table: &str) -> Result<Vec<Row<'_>>, String> {
    let lines = table.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let row =
        |(before, line)| Row::parse(before + 1, line).ok_or_else(|| format!("{PATH} has no row in: {line}"));
    lines.map(row).collect()
}

impl<'t> Row<'t> {
    fn parse(line: usize, text: &'t str) -> Option<Self> {
        let cells: Vec<_> = text.split_whitespace().collect();
        let [spender, figure, budget] = cells[..] else { return None };
        Some(Self { line, spender, figure, budget: budget.replace('_', "").parse().ok()? })
    }

    /// The budget is kept, and at most `slack` percent of it are left.
    fn judge(&self, measured: u64, slack: u64) -> Result<(), String> {
        let Self { line, spender, figure, budget } = self;
        let what = if measured > *budget {
            "spend less, or raise it there and give the reason in a comment above"
        } else if measured * 100 < budget * (100 - slack) {
            "lower it there, so that no later change spends the rest unnoticed"
        } else {
            return Ok(());
        };
        Err(format!(
            "{spender}, {figure}: measured {measured}, the budget is {budget} ({PATH}, line {line}): {what}"
        ))
    }
}

fn every_figure_has_one_row_and_every_row_a_figure() {
    let rows = rows(TABLE).unwrap();
    let mut written: Vec<_> = rows.iter().map(|row| (row.spender, row.figure)).collect();
    let of_call = |call: Call| Figure::OF_CALLS.map(|figure| (call.name(), figure.name()));
    let mut measured: Vec<_> = Call::ALL.into_iter().flat_map(of_call).collect();
    measured.push((BINARY, Figure::Bytes.name()));
    written.sort_unstable();
    measured.sort_unstable();
    assert_eq!(written, measured);
}

fn a_figure_above_its_budget_fails_and_says_what_to_do() {
    let [row] = rows("# why\nDEL fsyncs 7\n").unwrap()[..] else { panic!("one row") };
    assert_eq!(row.judge(7, 0), Ok(()));
    assert_eq!(
        row.judge(8, 0).unwrap_err(),
        "DEL, fsyncs: measured 8, the budget is 7 (tests/budgets/budgets.txt, line 2): spend less, or raise it there and \
         give the reason in a comment above"
    );
}

fn a_budget_far_above_its_figure_has_to_be_lowered() {
    let [row] = rows("ADD instructions 1_000_000").unwrap()[..] else { panic!("one row") };
    assert_eq!(row.judge(850_000, 15), Ok(()));
    assert!(row.judge(849_999, 15).unwrap_err().contains("lower it"));
}

fn a_budget_of_fsyncs_or_opens_has_nothing_to_spare() {
    let [row] = rows("DEL fsyncs 7").unwrap()[..] else { panic!("one row") };
    assert!(row.judge(6, Figure::Fsyncs.slack()).unwrap_err().contains("lower it"));
    assert_eq!(Figure::Opens.slack(), 0);
}

fn a_line_that_is_not_a_row_is_refused() {
    for line in ["DEL fsyncs", "DEL fsyncs seven", "DEL fsyncs 7 8", "DEL fsyncs -7"] {
        assert!(rows(line).unwrap_err().contains(line), "{line}");
    }
}
