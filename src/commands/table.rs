//! Tables for people.

use crate::base::printable::printable;

/// Renders a table with columns as wide as their longest cell. An empty cell shows a hyphen, so that `awk` counts the same
/// columns in each row.
pub(super) fn render<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Vec<String> {
    // Escaped before the widths are counted.
    let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { printable(cell) };
    let rows: Vec<_> =
        std::iter::once(head.map(str::to_owned)).chain(rows.map(|row| row.map(shown))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let padded = |(cell, width): (&String, usize)| format!("{cell:<width$}");
    let line = |row: &[String; N]| row.iter().zip(widths).map(padded).collect::<Vec<_>>().join("  ");
    rows.iter().map(|row| line(row).trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_no_cell_is_empty() {
        let rows = [["äö", ""], ["a", "bcd"]].map(|row| row.map(str::to_owned));
        assert_eq!(render(["X", "Y"], rows.into_iter()), ["X   Y", "äö  -", "a   bcd"]);
    }

    #[test]
    fn a_cell_is_as_wide_as_it_is_shown() {
        let rows = [["\u{1b}c", "1"], ["a\nb", "2"]].map(|row| row.map(str::to_owned));
        assert_eq!(render(["X", "Y"], rows.into_iter()), ["X        Y", r"\u{1b}c  1", r"a\nb     2"]);
    }
}
