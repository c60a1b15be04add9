//! Tables that are no wider than the terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::base::printable::printable;

/// A column.
pub(super) struct Column {
    pub(super) head: &'static str,
    /// What a cell says usually: a column in which nothing else stands is left out.
    pub(super) usual: Option<String>,
    pub(super) fit: Fit,
}

/// How a cell becomes narrower.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It does not.
    Whole,
    /// Its parts between commas stand below each other.
    Lines,
    /// Its middle is left out: the ends of a pod's name tell it apart.
    Middle,
    /// Its words stand in as many lines as they need. At most the last column is of this kind.
    Words,
}

/// What separates two columns.
const GAP: usize = 2;

/// With less room than this, words stand below their row and not in their column.
const LEAST_FOR_WORDS: usize = 30;

/// No name becomes narrower than this.
const LEAST_FOR_NAME: usize = 15;

/// How far words below a row are indented.
const INDENT: usize = 4;

/// What stands for the words of the row above.
const SAME: &str = "as above";

/// Renders a table in lines of at most `width` characters.
pub(super) fn render<const N: usize>(
    columns: &[Column; N],
    rows: impl Iterator<Item = [String; N]>,
    width: usize,
) -> Vec<String> {
    let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { printable(cell) };
    let rows: Vec<[String; N]> = rows.map(|row| row.map(shown)).collect();
    let is_usual = |column: usize| {
        let usual = columns[column].usual.as_deref();
        usual.is_some_and(|usual| rows.iter().all(|row| [usual, "-"].contains(&row[column].as_str())))
    };
    let kept: Vec<usize> = (0..N).filter(|column| !is_usual(*column)).collect();
    let (words, cells): (Vec<usize>, Vec<usize>) =
        kept.into_iter().partition(|column| columns[*column].fit == Fit::Words);
    let words = words.first().copied();

    let lines = |row: usize, column: usize| -> Vec<&str> {
        match columns[column].fit {
            Fit::Lines => rows[row][column].split(',').collect(),
            _ => vec![&rows[row][column]],
        }
    };
    let wanted = |column: usize| {
        let of_row = |row| lines(row, column).into_iter().map(UnicodeWidthStr::width).max();
        (0..rows.len()).filter_map(of_row).max().unwrap_or_default().max(columns[column].head.width())
    };
    let mut widths: Vec<(usize, usize)> = cells.iter().map(|column| (*column, wanted(*column))).collect();
    shrink(&mut widths, columns, width);
    let taken = widths.iter().map(|(_, width)| width + GAP).sum::<usize>();
    let beside = width.saturating_sub(taken);
    let is_beside = beside >= LEAST_FOR_WORDS;

    let mut head: Vec<&str> = cells.iter().map(|column| columns[*column].head).collect();
    head.extend(words.filter(|_| is_beside).map(|column| columns[column].head));
    let mut table = vec![line(&head, &widths)];
    let mut above = "";
    for (at, row) in rows.iter().enumerate() {
        let text = words.map_or("", |column| row[column].as_str());
        let is_same = text == above && text.width() > SAME.len();
        above = text;
        let text = if is_same { SAME } else { text };
        let said = if is_beside { wrapped(text, beside) } else { Vec::new() };
        let parts: Vec<Vec<&str>> = cells.iter().map(|column| lines(at, *column)).collect();
        let height = parts.iter().map(Vec::len).chain([said.len()]).max().unwrap_or_default();
        for number in 0..height {
            let part = |part: &Vec<&'_ str>| part.get(number).copied().unwrap_or_default().to_owned();
            let mut parts: Vec<String> = parts.iter().map(part).collect();
            parts.extend(said.get(number).cloned());
            table.push(line(&parts, &widths));
        }
        if !is_beside && words.is_some() && text != "-" {
            let below = wrapped(text, width.saturating_sub(INDENT).max(1));
            table.extend(below.iter().map(|text| format!("{:INDENT$}{text}", "")));
        }
    }
    // Of a terminal that is narrower than an address and a state.
    table.iter().map(|line| beginning(line, width).trim_end().to_owned()).collect()
}

/// Makes names narrower, the widest first, until the columns fit into `width`.
fn shrink(widths: &mut [(usize, usize)], columns: &[Column], width: usize) {
    loop {
        let taken = widths.iter().map(|(_, width)| width + GAP).sum::<usize>().saturating_sub(GAP);
        let names = widths.iter_mut().filter(|(column, its)| {
            columns[*column].fit == Fit::Middle && *its > LEAST_FOR_NAME.max(columns[*column].head.len())
        });
        match names.max_by_key(|(_, its)| *its) {
            Some((_, its)) if taken > width => *its -= 1,
            _ => return,
        }
    }
}

/// Cells behind each other, each padded to the width of its column. What is wider has its middle left out; a cell behind the last
/// column is as wide as it is.
fn line(cells: &[impl AsRef<str>], widths: &[(usize, usize)]) -> String {
    let mut line = String::new();
    for (at, cell) in cells.iter().enumerate() {
        match widths.get(at) {
            Some((_, width)) => {
                let cell = without_middle(cell.as_ref(), *width);
                line.push_str(&cell);
                line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + GAP));
            }
            None => line.push_str(cell.as_ref()),
        }
    }
    line
}

/// `text` in at most `width` characters: its beginning and its end.
fn without_middle(text: &str, width: usize) -> String {
    const DOTS: &str = "...";
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(DOTS.len());
    let end: String = beginning(&text.chars().rev().collect::<String>(), room.div_ceil(2)).to_owned();
    let start = beginning(text, room - end.width());
    format!("{start}{DOTS}{}", end.chars().rev().collect::<String>())
}

/// As much of `text` from its beginning as fits into `width`.
fn beginning(text: &str, width: usize) -> &str {
    let mut used = 0;
    let too_far = text.char_indices().find(|(_, character)| {
        used += character.width().unwrap_or_default();
        used > width
    });
    too_far.map_or(text, |(end, _)| &text[..end])
}

/// `text` in lines of at most `width` characters, broken between words, or in words that are longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for mut word in text.split(' ') {
        loop {
            let line = lines.last_mut().map_or_else(String::new, std::mem::take);
            let gap = usize::from(!line.is_empty());
            let fits = line.width() + gap + word.width() <= width;
            if fits {
                let gap = if gap == 1 { " " } else { "" };
                put_last(&mut lines, format!("{line}{gap}{word}"));
                break;
            }
            if line.is_empty() {
                let start = match beginning(word, width) {
                    "" => word,
                    start => start,
                };
                put_last(&mut lines, start.to_owned());
                word = &word[start.len()..];
            } else {
                put_last(&mut lines, line);
            }
            if word.is_empty() {
                break;
            }
            lines.push(String::new());
        }
    }
    lines
}

fn put_last(lines: &mut [String], line: String) {
    if let Some(last) = lines.last_mut() {
        *last = line;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHY: &str = "Forbidden.RAM: the role may not unassign addresses";

    /// A state, addresses, a pod, a boot and a reason.
    fn rendered(rows: &[[&str; 5]], width: usize) -> Vec<String> {
        let column = |head, usual: Option<&str>, fit| Column { head, usual: usual.map(str::to_owned), fit };
        let columns = [
            column("STATE", None, Fit::Whole),
            column("ADDRESSES", None, Fit::Lines),
            column("POD", None, Fit::Middle),
            column("BOOT", Some("this"), Fit::Whole),
            column("WHY", Some("-"), Fit::Words),
        ];
        render(&columns, rows.iter().map(|row| row.map(str::to_owned)), width)
    }

    #[test]
    fn a_column_that_says_the_usual_in_all_rows_is_left_out() {
        let usual = [["active", "10.0.0.1", "a/b", "this", ""], ["active", "10.0.0.2", "a/c", "", ""]];
        assert_eq!(
            rendered(&usual, 80),
            ["STATE   ADDRESSES  POD", "active  10.0.0.1   a/b", "active  10.0.0.2   a/c"]
        );
        let unusual = [usual[0], ["active", "10.0.0.2", "a/c", "earlier", ""]];
        assert_eq!(rendered(&unusual, 80)[2], "active  10.0.0.2   a/c  earlier");
    }

    #[test]
    fn the_reason_stands_in_its_column_or_below_its_row_and_once_where_it_is_the_same() {
        let rows = [
            ["releasing", "10.0.0.1,2001:db8::1", "a/b", "this", WHY],
            ["releasing", "10.0.0.2", "a/c", "this", WHY],
        ];
        assert_eq!(
            rendered(&rows, 66),
            [
                "STATE      ADDRESSES    POD  WHY",
                "releasing  10.0.0.1     a/b  Forbidden.RAM: the role may not",
                "           2001:db8::1       unassign addresses",
                "releasing  10.0.0.2     a/c  as above",
            ]
        );
        assert_eq!(
            rendered(&rows, 46),
            [
                "STATE      ADDRESSES    POD",
                "releasing  10.0.0.1     a/b",
                "           2001:db8::1",
                "    Forbidden.RAM: the role may not unassign",
                "    addresses",
                "releasing  10.0.0.2     a/c",
                "    as above",
            ]
        );
    }

    #[test]
    fn of_a_long_name_both_ends_are_shown() {
        let rows = [["active", "10.0.0.1", "default/web-5d4f8b7c9-x2x9z", "this", ""]];
        assert_eq!(rendered(&rows, 40)[1], "active  10.0.0.1   default/w...7c9-x2x9z");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_whatever_is_in_it() {
        let long = "x".repeat(300);
        let rows = [
            [
                "quarantined",
                "192.168.100.100,2001:db8:1234:1a00:7c4e:8d5f:6b3d:5a2b",
                &long,
                "earlier",
                &long,
            ],
            ["active", "", "命名空间/容器组", "", "访问被拒绝。 没有权限访问此资源 \u{1b}[2K\n"],
        ];
        for width in 1..200 {
            for line in rendered(&rows, width) {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
        // Nothing of a reason is lost.
        let whole = rendered(&rows, 60).concat().matches('x').count();
        assert!(whole >= 300, "{whole}");
    }

    #[test]
    fn characters_that_are_wide_count_as_two() {
        assert_eq!(wrapped("访问 被拒 绝", 9), ["访问 被拒", "绝"]);
        assert_eq!(beginning("访问", 3), "访");
        assert_eq!(wrapped("访问", 1), ["访问"]);
    }
}
