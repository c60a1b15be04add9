//! What the sections hand in, and the page that it becomes.

use std::fmt::Write;

use crate::machine::Machine;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Few runs of small sizes: a test of the bench.
    Quick,
    /// What the page shows.
    Full,
}

impl Scale {
    /// One value for each scale.
    pub(crate) fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

/// A part of the page.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its heading.
    pub(crate) title: &'static str,
    /// Markdown: paragraphs and tables.
    pub(crate) text: String,
    /// The names of files, and SVG.
    pub(crate) plots: Vec<(&'static str, String)>,
}

/// A table in Markdown.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut table = line(headings.to_vec()) + &line(vec!["---"; headings.len()]);
    for row in rows {
        table += &line(row.iter().map(String::as_str).collect());
    }
    table
}

/// The whole page; `plots` is the path to the plots from where it will be.
pub(crate) fn page(machine: &Machine, sections: &[Section], plots: &str) -> String {
    let mut page = format!(
        "# Figures\n\n\
         `cargo bench` has measured all of this and written this page; `tests/README.md` says what it needs. Compare the ratios: \
         times are those of one machine on one day. A ratio is the median of the ratios of neighbouring runs, which take turns \
         in one loop, so what else the machine does meets both. {machine}\n"
    );
    for Section { title, text, plots: of_section } in sections {
        let _ = write!(page, "\n## {title}\n\n{}\n", text.trim_end());
        for (name, _) in of_section {
            let _ = write!(page, "\n![{title}: {}]({plots}/{name})\n", name.trim_end_matches(".svg"));
        }
    }
    page
}
