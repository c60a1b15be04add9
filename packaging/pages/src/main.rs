//! Writes the man page and the completions of bash, zsh and fish into a directory: `cargo run -p pages -- DIR`.
//!
//! All of them come from the definition that the binary parses by. This is a crate of its own, so that what writes them is not in
//! the binary.

mod man;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aliyun_eni_ipam::inside::commands::command_line;
use clap_complete::Shell;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        return fail("usage: pages DIR");
    };
    match write(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{}: {error}", directory.display())),
    }
}

#[expect(clippy::print_stderr, reason = "it has nothing else to tell")]
fn fail(why: &str) -> ExitCode {
    eprintln!("pages: {why}");
    ExitCode::FAILURE
}

fn write(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let all = command_line();
    let name = all.get_name().to_owned();
    fs::write(directory.join(format!("{name}.8")), man::page(&all)?)?;
    for shell in [Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut all.clone(), &name, directory)?;
    }
    let mut bash = Vec::new();
    clap_complete::generate(Shell::Bash, &mut all.clone(), &name, &mut bash);
    fs::write(directory.join(format!("{name}.bash")), with_one_name(&name, bash)?)
}

/// `clap_complete` writes a hyphen in the program's name in two ways, so that bash would complete commands and never their options.
fn with_one_name(name: &str, completion: Vec<u8>) -> io::Result<String> {
    let text = String::from_utf8(completion).map_err(io::Error::other)?;
    Ok(text.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__")))
}
