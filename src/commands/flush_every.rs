//! `flush --every`: a `flush` now, and one every so many seconds, until somebody ends it.
//!
//! Each is a process of its own, so that it reads the configuration and the clock anew, and so that whatever ends it does not end
//! the others. This one waits, and passes signals on: as the first process of a container it would get none otherwise.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::base::random::jitter;
use crate::base::text::reason;
use crate::commands::arguments::Arguments;
use crate::commands::error::CommandError;
use crate::commands::output::{print, print_error, print_json};

/// What this process waits for.
enum Event {
    /// Somebody wants it to end.
    Signal,
    /// The `flush` has ended.
    Flushed(io::Result<Output>),
}

/// Runs `flush` again and again. It prints what came of one only where something was done or has failed.
pub(super) fn flush_every(
    arguments: &Arguments,
    timeout: Option<Duration>,
    every: Duration,
) -> Result<(), CommandError> {
    let (sender, events) = mpsc::channel();
    listen(sender.clone())?;
    loop {
        let next = Instant::now() + spread(every);
        let ended = match flush(arguments, timeout, &sender, &events) {
            Ok((output, ended)) => {
                report(&output, arguments.json)?;
                ended
            }
            Err(error) => {
                print_error(&format!("cannot run `flush`: {}", reason(&error)));
                false
            }
        };
        if ended || is_ended_before(next, &events) {
            return Ok(());
        }
    }
}

/// Up to a tenth more than `every`, so that the nodes of a cluster, which are started together, do not ask ECS together.
fn spread(every: Duration) -> Duration {
    every.saturating_sub(every / 10).saturating_add(jitter(every / 5))
}

fn listen(sender: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || signals.forever().try_for_each(|_| sender.send(Event::Signal)));
    Ok(())
}

fn is_ended_before(moment: Instant, events: &Receiver<Event>) -> bool {
    match events.recv_timeout(moment.saturating_duration_since(Instant::now())) {
        Ok(_) | Err(RecvTimeoutError::Disconnected) => true,
        Err(RecvTimeoutError::Timeout) => false,
    }
}

/// Runs one. Returns what it printed, and whether somebody wanted the end meanwhile.
fn flush(
    arguments: &Arguments,
    timeout: Option<Duration>,
    sender: &Sender<Event>,
    events: &Receiver<Event>,
) -> io::Result<(Output, bool)> {
    let mut command = Command::new("/proc/self/exe");
    command.args(["flush", "--json", "--config"]).arg(&arguments.config);
    if let Some(network) = &arguments.network {
        command.args(["--network", network]);
    }
    if let Some(timeout) = timeout {
        command.args(["--timeout", &timeout.as_secs().to_string()]);
    }
    // In a group of its own, because a terminal sends its signals to all of the group, and this process passes them on.
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn()?;
    let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let done = sender.clone();
    thread::spawn(move || done.send(Event::Flushed(child.wait_with_output())));
    let mut ended = false;
    loop {
        match events.recv() {
            Ok(Event::Flushed(output)) => return Ok((output?, ended)),
            Ok(Event::Signal) => {
                ended = true;
                if let Some(process) = process {
                    // One that has ended meanwhile needs no signal.
                    let _ = kill_process(process, Signal::TERM);
                }
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

fn report(output: &Output, as_json: bool) -> Result<(), CommandError> {
    let flushed: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let words = in_words(&flushed);
    match words {
        // Its error is on stderr already.
        None if flushed.is_null() && output.status.code().is_some() => Ok(()),
        None if output.status.success() => Ok(()),
        _ if as_json && !flushed.is_null() => print_json(&flushed),
        Some(words) => print(words),
        None => print(format!("`flush` ended with {}", output.status)),
    }
}

/// One line about what was done and what is left; `None` where there is nothing to say.
fn in_words(flushed: &Value) -> Option<String> {
    let many = |value: &Value| value.as_array().map_or(0, Vec::len) as u64;
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let counts = [
        (many(&flushed["released"]), "released", "address", "addresses"),
        (number(&flushed["cleanedUp"]), "cleaned up after", "interrupted ADD", "interrupted ADDs"),
        (many(&flushed["routes"]), "repaired", "part of the node's routes", "parts of the node's routes"),
        (
            many(&flushed["earlierBoot"]["kept"]),
            "kept",
            "record of an earlier boot",
            "records of an earlier boot",
        ),
        (number(&flushed["left"]), "left", "release", "releases"),
    ];
    let parts = counts.into_iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<_> = parts
        .map(|(count, verb, one, more)| format!("{verb} {count} {}", if count == 1 { one } else { more }))
        .collect();
    let why = flushed["releasing"][0]["lastError"].as_str().map(|why| format!(": {why}"));
    (!parts.is_empty()).then(|| parts.join(", ") + &why.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_flush_that_has_done_nothing_is_not_worth_a_line() {
        let nothing = json!({"released": [], "cleanedUp": 0, "left": 0, "releasing": [], "surplus": [], "routes": [],
            "earlierBoot": {"begun": [], "waiting": [], "kept": []}});
        assert_eq!(in_words(&nothing), None);
        assert_eq!(in_words(&Value::Null), None);
    }

    #[test]
    fn a_flush_that_has_done_something_is_worth_one_line() {
        let flushed = json!({"released": ["192.168.0.7"], "cleanedUp": 2, "left": 1, "routes": [],
            "releasing": [{"addresses": ["192.168.0.8"], "lastError": "no answer"}]});
        assert_eq!(
            in_words(&flushed).unwrap(),
            "released 1 address, cleaned up after 2 interrupted ADDs, left 1 release: no answer"
        );
    }

    #[test]
    fn the_next_one_comes_no_earlier_than_it_was_asked_for_and_little_later() {
        let every = Duration::from_secs(300);
        for _ in 0..100 {
            assert!((every..=every * 11 / 10).contains(&spread(every)));
        }
    }
}
