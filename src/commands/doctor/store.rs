//! The store, as far as it needs nothing but this node: its directory, records, locks, releases, and whether a timer serves it.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::base::clock::{Timestamp, boot_id, up_for};
use crate::base::deadline::Deadline;
use crate::commands::doctor::report::Report;
use crate::commands::earlier_boot::WHAT_FLUSH_DOES;
use crate::store;
use crate::store::{Allocation, Flushed, Holder, Listed, State, Store};

/// How long `flush` may not have run before that is worth a warning. The timer of conf-examples runs it every minute.
const FLUSH_WITHIN: Duration = Duration::from_hours(1);

/// The name of this program as the kernel has it: its first 15 bytes.
const OWN_NAME: &str = "aliyun-eni-ipam";

/// Longer than any call lasts: the longest `timeoutSeconds` is ten minutes, and `flush` has as much for each of some stores.
const LONGEST_CALL: Duration = Duration::from_hours(1);

/// How long to wait for the store's lock, which nobody needs for longer than a moment.
const PATIENCE: Duration = Duration::from_secs(2);

/// Checks the store and its contents.
pub(super) fn check(store: &Store, report: &mut Report) {
    let or_fail = |report: &mut Report, name, check: fn(&Store, &mut Report) -> store::Result<()>| {
        if let Err(error) = check(store, report) {
            report.fail(name, error);
        }
    };
    or_fail(report, "store", directory);
    or_fail(report, "records", records);
    or_fail(report, "interrupted", interrupted);
    or_fail(report, "locks", locks);
    or_fail(report, "releases", releases);
    or_fail(report, "flush", flush);
}

/// Checks the mode and the free space. Its owner, and who may write to it, were checked when it was opened.
fn directory(store: &Store, report: &mut Report) -> store::Result<()> {
    if let Err(error) = store.check_room() {
        report.fail("store", format!("{error}{}", remedy(&error)));
        return Ok(());
    }
    let path = store.directory().display();
    match store.mode()? {
        None => report.ok("store", format!("{path} does not exist yet: the first ADD creates it")),
        Some(mode) if mode & 0o077 != 0 => {
            report.warn(
                "store",
                format!("other users can read {path} (mode {mode:o}): run `chmod 700 {path}`"),
            );
        }
        Some(mode) => report.ok("store", format!("{path}, mode {mode:o}, is writable")),
    }
    Ok(())
}

/// What to do about a disk that takes nothing.
fn remedy(error: &store::Error) -> &'static str {
    let store::Error::Io { source, .. } = error else { return "" };
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space",
        io::ErrorKind::ReadOnlyFilesystem => "; see why the file system is read-only, and make it writable",
        _ => "",
    }
}

fn records(store: &Store, report: &mut Report) -> store::Result<()> {
    let listed = store.list()?;
    // Those of the reserve have a line of their own.
    let damaged = listed.iter().filter(|it| it.state == State::Quarantined && it.damaged_entry().is_none());
    let damaged: Vec<_> = damaged.filter_map(|it| it.progress.last_error.as_deref()).collect();
    let is_of_earlier_boot = |it: &&Listed| {
        it.state == State::Active && it.allocation.as_ref().is_some_and(Allocation::is_of_earlier_boot)
    };
    let earlier = listed.iter().filter(is_of_earlier_boot).count();
    let counts = State::ALL
        .map(|state| format!("{} {}", listed.iter().filter(|it| it.state == state).count(), state.name()));
    let counts = counts.join(", ");
    if !damaged.is_empty() {
        report.fail("records", format!("{counts}: {}", damaged.join("; ")));
    } else if earlier > 0 {
        report.warn(
            "records",
            format!("{counts}; active ones of an earlier boot: {earlier}, {WHAT_FLUSH_DOES}"),
        );
    } else {
        report.ok("records", counts);
    }
    Ok(())
}

/// Looks for what killed ADDs have left. Where there is nothing, there is no line.
fn interrupted(store: &Store, report: &mut Report) -> store::Result<()> {
    let dead = store.dead_intents(Deadline::after(PATIENCE))?;
    if dead > 0 {
        let (adds, their) =
            if dead == 1 { ("1 ADD was", "its") } else { (&*format!("{dead} ADDs were"), "their") };
        report.warn(
            "interrupted",
            format!("{adds} killed, and {their} addresses may be assigned: run `aliyun-eni-ipam flush`"),
        );
    }
    Ok(())
}

fn locks(store: &Store, report: &mut Report) -> store::Result<()> {
    let held = store.held_locks()?;
    if held.is_empty() {
        report.ok("locks", "no lock is held");
        return Ok(());
    }
    let words: Vec<_> = held.iter().map(|(path, holder)| lock_in_words(path, holder.as_ref())).collect();
    let words = words.join(", ");
    match held.iter().filter_map(|(_, holder)| holder.as_ref()).find(|it| is_stuck(it)) {
        Some(Holder { process, .. }) => report.fail(
            "locks",
            format!("no call lasts that long: {words}. Other calls wait for it in vain: `kill -9 {process}`, which loses nothing"),
        ),
        None => report.warn("locks", format!("held by running calls: {words}; look again whether this persists")),
    }
    Ok(())
}

/// Whether a process that holds a lock has run for longer than any call does. Another program, such as `flock` in a script, may
/// know what it does.
fn is_stuck(holder: &Holder) -> bool {
    holder.name == OWN_NAME && holder.age > LONGEST_CALL
}

fn lock_in_words(path: &Path, holder: Option<&Holder>) -> String {
    let path = path.display();
    match holder {
        Some(Holder { process, name, age }) => {
            format!("{path} by process {process} ({name}), which has run for {} s", age.as_secs())
        }
        None => format!("{path} (`fuser {path}` shows by whom)"),
    }
}

fn releases(store: &Store, report: &mut Report) -> store::Result<()> {
    let (mut stuck, mut hopeless) = (Vec::new(), false);
    for eni in store.known_enis()? {
        let state = store.eni_state(&eni)?;
        if let Some(full) = state.full_at(Timestamp::now()) {
            stuck.push(format!("ECS had no free address for {eni} at {full}"));
        }
        if let Some(it) = state.backoff {
            hopeless |= it.permanent;
            let next = it.not_before.to_seconds();
            let (since, attempts) = (it.since.to_seconds(), it.attempts);
            stuck.push(format!(
                "{eni}: {attempts} failed since {since}, next try not before {next}: {}",
                it.error
            ));
        }
    }
    match stuck.join("; ") {
        none if none.is_empty() => report.ok("releases", "no release has failed"),
        stuck if hopeless => report.fail("releases", stuck),
        stuck => report.warn("releases", stuck),
    }
    Ok(())
}

/// Checks that something runs `flush`, by when it last ran to its end. On a node without records there is nothing for it to do.
fn flush(store: &Store, report: &mut Report) -> store::Result<()> {
    const NAME: &str = "flush";
    const TIMER: &str = "install the timer of conf-examples/systemd";
    const WHY: &str = "see that the timer of conf-examples/systemd is installed and runs, and whether `aliyun-eni-ipam flush` fails";
    let now = Timestamp::now();
    match store.last_flush() {
        None if store.list()?.is_empty() => {}
        None => report.warn(NAME, format!("`flush` has never run to its end with this store: {TIMER}")),
        Some(Flushed { at, boot_id: boot }) => {
            let moment = at.to_seconds();
            // Nothing tells how the clock was set between two boots, nor what a timer does that has only just begun.
            let is_of_this_boot = boot == boot_id();
            let is_young = up_for().is_some_and(|up| up < FLUSH_WITHIN);
            if !is_of_this_boot && is_young {
                report.ok(NAME, format!("`flush` last ran to its end before this boot, at {moment}"));
            } else if at.is_ahead_of(now) {
                report.warn(
                    NAME,
                    format!("`flush` last ran at {moment}, before the clock was set back: {TIMER}"),
                );
            } else if at.age(now) > FLUSH_WITHIN {
                report.warn(NAME, format!("`flush` has not run to its end since {moment}: {WHY}"));
            } else {
                report.ok(NAME, format!("`flush` last ran to its end at {moment}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_ours_that_outlasts_every_deadline_is_stuck_and_others_programs_are_not_judged() {
        let holder = |name: &str, age| Holder { process: 1, name: name.to_owned(), age };
        assert!(is_stuck(&holder("aliyun-eni-ipam", LONGEST_CALL * 2)));
        assert!(!is_stuck(&holder("aliyun-eni-ipam", LONGEST_CALL / 2)));
        assert!(!is_stuck(&holder("flock", LONGEST_CALL * 2)));
    }
}
