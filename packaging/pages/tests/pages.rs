//! The man page and the completions, judged by the programs that read them.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but sees only #[test] functions")]

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use harness::Need;
use tempfile::TempDir;

const NAME: &str = "aliyun-eni-ipam";

/// The function that bash calls to complete.
const FUNCTION: &str = "_aliyun__eni__ipam";

fn main() -> ExitCode {
    harness::run_suite("PAGES_TESTS", [tests()])
}

harness::tests! {
    needs []: every_command_is_in_every_file, every_build_of_one_source_makes_the_same_page;
    needs [Need::ManPages]: the_man_page_is_one_without_a_warning, a_terminal_shows_the_man_page_in_80_columns;
    needs [Need::Bash]: bash_completes_commands_options_and_values;
    needs [Need::Zsh]: zsh_completes_commands_and_options;
    needs [Need::Fish]: fish_completes_commands_and_options;
}

/// A directory with the files.
fn pages() -> TempDir {
    let directory = TempDir::new().unwrap();
    let mut pages = Command::new(env!("CARGO_BIN_EXE_pages"));
    assert!(pages.arg(directory.path()).env("SOURCE_DATE_EPOCH", "1795737600").status().unwrap().success());
    directory
}

/// What a program prints on stdout, and on stderr.
#[track_caller]
fn run(program: &str, arguments: &[&str], directory: &Path) -> (String, String) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("COLUMNS", "80")
        .env("MANWIDTH", "80")
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", directory)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {printed}{told}");
    (printed, told)
}

fn every_command_is_in_every_file() {
    let directory = pages();
    for file in ["aliyun-eni-ipam.8", "aliyun-eni-ipam.bash", "_aliyun-eni-ipam", "aliyun-eni-ipam.fish"] {
        let text = fs::read_to_string(directory.path().join(file)).unwrap();
        let text = text.replace("\\-", "-");
        for command in aliyun_eni_ipam::inside::commands::command_line().get_subcommands() {
            assert!(text.contains(command.get_name()), "{file}: {}", command.get_name());
            for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(text.contains(option), "{file}: --{option}");
            }
        }
    }
}

fn every_build_of_one_source_makes_the_same_page() {
    let page = |directory: &TempDir| fs::read(directory.path().join("aliyun-eni-ipam.8")).unwrap();
    let text = page(&pages());
    assert_eq!(text, page(&pages()));
    assert!(String::from_utf8(text).unwrap().contains("2026-11-27"));
}

fn the_man_page_is_one_without_a_warning() {
    let directory = pages();
    let (found, told) = run("mandoc", &["-Tlint", "-Wwarning", "aliyun-eni-ipam.8"], directory.path());
    assert_eq!((found, told), (String::new(), String::new()));
    let (_, warnings) = run("man", &["--warnings", "-l", "aliyun-eni-ipam.8"], directory.path());
    assert_eq!(warnings, "");
}

fn a_terminal_shows_the_man_page_in_80_columns() {
    let directory = pages();
    let (shown, _) = run("man", &["-l", "aliyun-eni-ipam.8"], directory.path());
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let headings: Vec<_> = shown.lines().filter(|line| line.starts_with(char::is_uppercase)).collect();
    for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "FILES", "EXIT STATUS", "SEE ALSO"] {
        assert!(headings.contains(&heading), "{heading} in {headings:?}");
    }
    assert!(shown.contains("--release-orphans"), "{shown}");
}

/// What bash offers after these words, the last of which is being typed.
fn offered_by_bash(directory: &Path, words: &[&str]) -> Vec<String> {
    let (last, before) = (words.len(), words.get(words.len().wrapping_sub(2)).copied().unwrap_or(NAME));
    let typed = words.last().unwrap();
    let script = format!(
        "source ./{NAME}.bash
         complete -p {NAME} >&2
         COMP_WORDS=({NAME} \"$@\") COMP_CWORD={last} COMPREPLY=()
         {FUNCTION} {NAME} '{typed}' '{before}'
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let (offered, told) = run("bash", &[&["--norc", "-c", &script, "bash"], words].concat(), directory);
    assert!(told.contains(&format!("-F {FUNCTION} {NAME}")), "{told}");
    offered.lines().filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

fn bash_completes_commands_options_and_values() {
    let directory = pages();
    let path = directory.path();
    run("bash", &["-n", "aliyun-eni-ipam.bash"], path);
    let offered = |words: &[&str]| offered_by_bash(path, words);
    assert_eq!(offered(&["re"]), ["reconcile", "release"]);
    assert_eq!(offered(&["fl"]), ["flush"]);
    assert_eq!(offered(&["reconcile", "--re"]), ["--release-orphans", "--restore"]);
    assert_eq!(offered(&["list", "--state", "a"]), ["assigning", "active"]);
    assert_eq!(offered(&["help", "un"]), ["uninstall"]);
    fs::create_dir(path.join("net.d")).unwrap();
    assert_eq!(offered(&["flush", "--config", "net"]), ["net.d"]);
}

fn zsh_completes_commands_and_options() {
    let directory = pages();
    run("zsh", &["-n", "_aliyun-eni-ipam"], directory.path());
    // What the completion hands to zsh's own functions, which need a terminal.
    let script = "compdef() { print -r -- \"compdef $*\" }
         _arguments() { print -rl -- \"$@\"; return 1 }
         _describe() { print -rl -- \"${commands[@]}\" }
         source ./_aliyun-eni-ipam
         _aliyun-eni-ipam__subcmd__reconcile_commands 2>/dev/null
         _aliyun-eni-ipam_commands";
    let (offered, _) = run("zsh", &["-f", "-c", script], directory.path());
    assert!(offered.contains("compdef _aliyun-eni-ipam aliyun-eni-ipam"), "{offered}");
    assert!(offered.contains("reconcile:Compare"), "{offered}");
}

fn fish_completes_commands_and_options() {
    let directory = pages();
    run("fish", &["--no-execute", "aliyun-eni-ipam.fish"], directory.path());
    let offered = |typed: &str| {
        let script = format!("source ./aliyun-eni-ipam.fish; complete --do-complete '{typed}'");
        let (offered, _) = run("fish", &["--no-config", "-c", &script], directory.path());
        offered.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(offered("aliyun-eni-ipam fl"), ["flush"]);
    assert_eq!(offered("aliyun-eni-ipam reconcile --re"), ["--release-orphans", "--restore"]);
    assert_eq!(offered("aliyun-eni-ipam list --sort p"), ["pod"]);
}
