//! `install`: the binary, the verdict of `doctor`, and then the configuration.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::base::text::reason;
use crate::commands::arguments::Arguments;
use crate::commands::doctor;
use crate::commands::error::CommandError;
use crate::commands::install::steps::Steps;
use crate::commands::install::{binary, place, uninstalling};
use crate::commands::networks::Configuration;
use crate::config::TYPE;

const NAME: &str = "conflist";

/// A configuration may hold an access key.
const MODE: u32 = 0o600;

/// A configuration that is to be placed.
struct Candidate<'a> {
    file: &'a Path,
    name: &'a str,
    content: Vec<u8>,
}

/// Places the binary in `plugin_directory` and then, if no check of `doctor` fails with it, `conflist` in the directory of
/// configurations.
pub(in crate::commands) fn install(
    arguments: &Arguments,
    conflist: Option<&Path>,
    plugin_directory: Option<&Path>,
) -> Result<(), CommandError> {
    let config = &arguments.config;
    let candidate =
        conflist.map(|file| read(file, config)).transpose().map_err(CommandError::Configuration)?;
    let plugins = binary::directory(plugin_directory);
    let mut steps = Steps::new(arguments.json);
    binary::install(&plugins, &mut steps)?;
    let Some(candidate) = candidate.filter(|_| steps.are_all_well()) else { return steps.end(None) };
    let judged = judge(&candidate, config, &plugins, &mut steps)?;
    steps.end(Some(("doctor", judged)))
}

/// Reads a configuration that runtimes will take for one of this plugin's.
fn read<'a>(file: &'a Path, config: &Path) -> Result<Candidate<'a>, String> {
    let shown = file.display();
    if config.exists() && !config.is_dir() {
        return Err(format!(
            "{} is no directory: name the one that runtimes read with --config",
            config.display()
        ));
    }
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_read = |extension| Path::new(name).extension().is_some_and(|it| it == extension);
    if name.starts_with('.') || !["conflist", "conf", "json"].into_iter().any(is_read) {
        return Err(format!("runtimes do not read a file with the name of {shown}: end it in .conflist"));
    }
    let content = fs::read(file).map_err(|error| format!("cannot read {shown}: {}", reason(&error)))?;
    let found = Configuration::of_files(config, vec![file.to_owned()]);
    if let Some((_, why)) = found.broken.first() {
        return Err(format!("{shown} is broken: {why}"));
    }
    if found.networks.is_empty() {
        return Err(format!(
            "{shown} does not use this plugin: set \"ipam\": {{\"type\": \"{TYPE}\"}} in it"
        ));
    }
    Ok(Candidate { file, name, content })
}

/// Lets `doctor` judge, and places the configuration if it finds nothing wrong. Returns what it says.
fn judge(
    candidate: &Candidate<'_>,
    config: &Path,
    plugins: &Path,
    steps: &mut Steps,
) -> Result<Value, CommandError> {
    let place = config.join(candidate.name);
    let shown = place.display();
    let found = Configuration::read_with(config, candidate.file).map_err(CommandError::Configuration)?;
    let verdict = doctor::judge(found, candidate.file, plugins, steps.as_json())?;
    let is_there = |content: &[u8]| fs::read(&place).is_ok_and(|there| there == content);
    if verdict.fails > 0 {
        let checks =
            if verdict.fails == 1 { "1 check".to_owned() } else { format!("{} checks", verdict.fails) };
        let there = if place.exists() { ", and the file that is there stays as it was" } else { "" };
        steps.failed(
            NAME,
            format!("{shown} is not placed{there}: {checks} failed. Do what the lines that begin with `fail` say, and run this again"),
        )?;
    } else if fs::read(candidate.file).ok().as_ref() != Some(&candidate.content) {
        steps.failed(
            NAME,
            format!(
                "{shown} is not placed: {} has changed while it was checked. Run this again",
                candidate.file.display()
            ),
        )?;
    } else if is_there(&candidate.content) {
        steps.unchanged(NAME, format!("{shown} has this content"))?;
    } else {
        let placed = place::make_directory(config)
            .and_then(|()| place::place(config, candidate.name, &candidate.content, MODE));
        match placed {
            Ok(()) => steps.done(NAME, format!("placed {shown}"))?,
            Err(why) => steps.failed(NAME, why)?,
        }
    }
    if steps.are_all_well() {
        // What an `uninstall` has put aside that did not come to its end is out of date.
        for file in uninstalling::put_aside_in(config) {
            if let Err(why) = place::remove(&file) {
                steps.left(NAME, why)?;
            }
        }
    }
    Ok(verdict.document)
}
