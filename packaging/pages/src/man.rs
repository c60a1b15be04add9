//! One man page with all commands, because a person on call searches one.

use std::io;
use std::time::{Duration, SystemTime};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// What the definition does not know of: files, variables, where to read on.
const LAST_SECTIONS: &str = include_str!("sections.man");

/// The whole page.
pub(crate) fn page(all: &Command) -> io::Result<Vec<u8>> {
    let mut all = all.clone();
    all.build();
    let whole = Man::new(all.clone())
        .title(all.get_name().to_uppercase())
        .section("8")
        .date(date())
        .manual("System Administration");
    let mut page = Vec::new();
    whole.render_title(&mut page)?;
    page.extend(section(|text| whole.render_name_section(text))?);
    page.extend(section(|text| synopsis(&all, text))?);
    page.extend(section(|text| whole.render_description_section(text))?);
    page.extend(b".SH COMMANDS\n");
    for command in all.get_subcommands() {
        page.extend(about(command)?);
    }
    // The options of every command.
    page.extend(section(|text| whole.render_options_section(text))?);
    page.extend(LAST_SECTIONS.as_bytes());
    Ok(page)
}

/// How to call each command.
fn synopsis(all: &Command, text: &mut Vec<u8>) -> io::Result<()> {
    let mut lines = Roff::new();
    lines.control("SH", ["SYNOPSIS"]);
    lines.control("nf", []);
    for command in all.get_subcommands() {
        let Some(usage) = command.get_overridden_usage().map(ToString::to_string) else { continue };
        for line in usage.lines().map(str::trim) {
            match line.strip_prefix(all.get_name()) {
                Some(rest) => lines.text([bold(all.get_name()), roman(rest)]),
                None => lines.text([roman(format!("        {line}"))]),
            };
        }
    }
    lines.control("fi", []);
    lines.to_writer(text)
}

/// What a command does, with its own options.
fn about(command: &Command) -> io::Result<Vec<u8>> {
    let own = command.clone().mut_args(|option| {
        let is_of_all = option.is_global_set();
        option.hide(is_of_all)
    });
    let has_own = own.get_arguments().any(|option| !option.is_hide_set());
    let man = Man::new(own.clone());
    let mut text = format!(".SS {}\n", command.get_name()).into_bytes();
    text.extend(body(|text| man.render_description_section(text))?);
    if has_own {
        text.extend(body(|text| man.render_options_section(text))?);
    }
    if own.get_after_help().is_some() {
        text.extend(b".PP\n");
        text.extend(body(|text| man.render_extra_section(text))?);
    }
    Ok(text)
}

/// A section without its heading.
fn body(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut text = section(write)?;
    let heading = text.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    Ok(text.split_off(heading))
}

/// A section without the preamble that each one brings: the title's counts for all.
fn section(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    write(&mut text)?;
    let heading = text.windows(4).position(|it| it == b".SH ").unwrap_or(0);
    Ok(text.split_off(heading))
}

/// The day of the build; that of the sources, where a package says it, so that every build makes the same page.
fn date() -> String {
    let sources = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    let time =
        sources.map_or_else(SystemTime::now, |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    humantime::format_rfc3339_seconds(time).to_string().chars().take("2026-11-27".len()).collect()
}
