//! Figures that people choose by, measured side by side: `cargo bench [-- [SECTION...] [--quick]]`.
//!
//! Without the name of a section all are measured, and docs/figures.md and docs/figures/ are written. With names, the sections are
//! printed and their plots are below target/figures/. `--quick` makes few runs of small sizes and writes nothing else: it shows that the
//! bench works. Nothing is asserted about time.
//!
//! `PLUGIN_BINARY` names another plugin to measure. The stores are where `TMPDIR` says.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "a run takes minutes, and says where it is")]

mod calls;
mod fleet;
mod machine;
mod plot;
mod report;
mod statistics;
mod together;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use harness::Need;
use machine::Machine;
use report::{Scale, Section};

/// Measures a section.
type Measure = fn(Scale) -> Section;

/// What can be measured, in the order of the page, and what it needs of the machine.
const SECTIONS: [(&str, &[Need], Measure); 3] = [
    ("calls", &[Need::HostLocal, Need::Strace], calls::section),
    ("together", &[], together::section),
    ("fleet", &[], fleet::section),
];

fn main() -> ExitCode {
    let (mut names, mut scale) = (Vec::new(), Scale::Full);
    // Cargo adds `--bench`.
    for argument in std::env::args().skip(1).filter(|it| it != "--bench") {
        match argument.as_str() {
            "--quick" => scale = Scale::Quick,
            name if SECTIONS.iter().any(|(known, ..)| *known == name) => names.push(argument),
            _ => {
                let known = SECTIONS.map(|(name, ..)| name).join(", ");
                eprintln!("unknown argument {argument:?}; there are --quick and the sections {known}");
                return ExitCode::from(2);
            }
        }
    }
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|it| it == name);
    let wanted: Vec<_> = SECTIONS.into_iter().filter(|(name, ..)| is_wanted(name)).collect();
    let missing = wanted.iter().flat_map(|(_, needs, _)| *needs).find_map(|need| need.missing());
    if let Some(missing) = missing {
        eprintln!("{missing}");
        return ExitCode::FAILURE;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_page = names.is_empty() && scale == Scale::Full;
    let machine = Machine::look();
    let sections = wanted.into_iter().map(|(name, _, section)| {
        eprintln!("measuring {name}");
        section(scale)
    });
    let sections: Vec<_> = sections.collect();
    let plots = root.join(if is_page { "docs/figures" } else { "target/figures" });
    let page = report::page(&machine, &sections, if is_page { "figures" } else { "target/figures" });
    write_plots(&plots, &sections).expect("the plots can be written");
    if is_page {
        fs::write(root.join("docs/figures.md"), page).expect("the page can be written");
        eprintln!("docs/figures.md is written");
    } else if let Err(error) = io::stdout().write_all(page.as_bytes()) {
        // Nobody reads on.
        eprintln!("stdout: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn write_plots(directory: &Path, sections: &[Section]) -> io::Result<()> {
    for (name, svg) in sections.iter().flat_map(|section| &section.plots) {
        fs::create_dir_all(directory)?;
        fs::write(directory.join(name), svg)?;
    }
    Ok(())
}
