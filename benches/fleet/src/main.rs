//! Runs fleets and prints what came of them, one JSON object a line.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the bench, which reads what it prints"
)]

use std::path::Path;
use std::process::ExitCode;

use fleet::scenario::Size;
use fleet::{Fleet, SCENARIOS, Scenario};

fn main() -> ExitCode {
    let (numbers, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|it| it.starts_with(|first: char| first.is_ascii_digit()));
    let mut arguments = numbers.iter().map(|it| it.parse::<usize>());
    let mut next = |default| arguments.next().unwrap_or(Ok(default));
    let (Ok(nodes), Ok(pods), Ok(reserve), Ok(most_per_request)) = (next(50), next(30), next(0), next(32))
    else {
        eprintln!("usage: fleet [NODES [PODS [RESERVE [MOST-PER-REQUEST]]]] [SCENARIO...]");
        return ExitCode::from(2);
    };
    let size = Size { nodes, pods, reserve, most_per_request, seed: 1 };
    let shared = Path::new("/dev/shm");
    let directory = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
    match Fleet::new(size, &directory) {
        Ok(fleet) => {
            let is_meant = |it: &&Scenario| names.is_empty() || names.iter().any(|name| name == it.name);
            for scenario in SCENARIOS.iter().filter(is_meant) {
                println!("{}", fleet.live_through(*scenario).to_json());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
