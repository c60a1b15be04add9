//! The soak can fail: changes of the plugin's source, each of which breaks one of its guards or keeps it from its work, and each
//! of which the soak reports; those that matter at one moment only are reported by a test of the crash suite.
//!
//! A change is a text of the source that occurs once, and what stands in its place. If the source moves on, the change is
//! adapted: `each_change_applies` says when.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::soak::{Settings, soak};
use crate::{NODES, number};

/// A change that makes the plugin lose, steal or stall.
struct Mutation {
    name: &'static str,
    file: &'static str,
    is: &'static str,
    becomes: &'static str,
    reported_by: By,
}

/// What reports a change.
enum By {
    Soak,
    /// The tests of the crash suite whose names contain this.
    Crash(&'static str),
}

const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "DEL leaves no mark in a living ADD's intent",
        file: "src/store/releasing.rs",
        is: "Some(intent::Found::Alive(file)) => intent::mark(&file, &path)?,",
        becomes: "Some(intent::Found::Alive(_)) => {}",
        reported_by: By::Soak,
    },
    Mutation {
        name: "an address in doubt is given to a pod",
        file: "src/pool/assign/answer.rs",
        is: "} else if eni_lock.state().is_in_doubt(address, asked) {",
        becomes: "} else if eni_lock.state().is_in_doubt(address, asked) && false {",
        reported_by: By::Soak,
    },
    Mutation {
        name: "nobody writes down which request is under way",
        file: "src/store/eni_lock.rs",
        is: "        self.state.in_flight = addresses.to_vec();
        self.save()",
        becomes: "        self.state.in_flight = addresses.to_vec();
        Ok(())",
        reported_by: By::Soak,
    },
    Mutation {
        name: "a description is taken not to lag",
        file: "src/pool/release/releaser.rs",
        is: "DESCRIBE_LAG: Duration = Duration::from_mins(1);",
        becomes: "DESCRIBE_LAG: Duration = Duration::ZERO;",
        reported_by: By::Soak,
    },
    Mutation {
        name: "a refused repetition ends a request in doubt",
        file: "src/pool/release/in_doubt.rs",
        is: "if is_gone || is_spent {",
        becomes: "if is_gone || is_spent || is_refused {",
        reported_by: By::Soak,
    },
    Mutation {
        name: "a release is sent although a pod has the address",
        file: "src/pool/release/step.rs",
        is: "|| leader.leave_to_owners(&chosen)? {",
        becomes: "|| (false && leader.leave_to_owners(&chosen)?) {",
        reported_by: By::Soak,
    },
    Mutation {
        name: "what a dead ADD had got is released although a pod has it",
        file: "src/pool/release/in_doubt.rs",
        is: "        if leader.eni_lock.owner_of(address)?.is_some() {",
        becomes: "        if leader.eni_lock.owner_of(address)?.is_some() && false {",
        reported_by: By::Soak,
    },
    Mutation {
        name: "an ADD lets go of the ENI's lock before its undoing is recorded",
        file: "src/pool/attempt.rs",
        is: "            None => store.abandon(&intent, got),",
        becomes: "            None => {
                drop(_eni_lock);
                store.abandon(&intent, got)
            }",
        reported_by: By::Soak,
    },
    Mutation {
        name: "an ADD answers with a record of an earlier boot as it is",
        file: "src/verbs/beginning.rs",
        is: "if boot.is_empty() || *boot == intention.boot_id {",
        becomes: "if true || boot.is_empty() {",
        reported_by: By::Soak,
    },
    Mutation {
        name: "what a flush has read of an earlier boot is released although an ADD has taken it over since",
        file: "src/store/releasing.rs",
        is: "if self.active(owner)?.as_ref() != Some(active) {",
        becomes: "if self.active(owner)?.is_none() {",
        reported_by: By::Soak,
    },
    Mutation {
        name: "an ADD takes a record over that a flush has begun to release",
        file: "src/store/boots.rs",
        // Each of the two looks would make up for the other.
        is: r"        if self.active(&found.owner)?.is_none_or(|Active(now)| now != *found) {
            return Ok(None);
        }
        // A record of what was taken out of the reserve is there before the names of its addresses are durable. If a power cut kept
        // the one and not the others, nothing has kept the addresses from being given to others since.
        for address in found.ips() {
            if self.owner_of(&found.eni, address)?.as_ref() != Some(&found.owner) {
                self.move_to_releasing(&Active(found.clone()), &lock)?;
                return Ok(None);
            }
        }
",
        becomes: "        let _ = &lock;
",
        reported_by: By::Soak,
    },
    Mutation {
        name: "only a DEL resolves requests in doubt",
        file: "src/pool/release/step.rs",
        is: "if let Some(index) = leader.next_in_doubt(now)",
        becomes: "if let Some(index) = leader.next_in_doubt(now).filter(|_| mine.is_some())",
        reported_by: By::Soak,
    },
    Mutation {
        name: "a release is sent although its address is in the reserve",
        file: "src/store/clearing.rs",
        is: "            self.store().forget_reserved(self.eni(), &self.unused(addresses)?, &lock)?;",
        becomes: "            let _ = &lock;",
        reported_by: By::Crash("reserve::kill_points::of_a_del_beside_a_stale_entry"),
    },
    Mutation {
        name: "an ADD removes an entry blindly",
        file: "src/store/taking.rs",
        is: "        if self.active(&active.0.owner)?.as_ref() == Some(active) {
            let addresses: Vec<IpAddr> = active.0.ips().collect();",
        becomes: "        {
            let addresses: Vec<IpAddr> = active.0.ips().collect();",
        reported_by: By::Crash("reserve::interleaved"),
    },
    Mutation {
        name: "an ADD takes what it has chosen without another look",
        file: "src/store/taking.rs",
        is: "has_rested && !state.is_in_doubt(address, now)",
        becomes: "(has_rested || true) && !state.is_in_doubt(address, now)",
        reported_by: By::Soak,
    },
    Mutation {
        name: "an ADD takes from the reserve although a DEL has overtaken it",
        file: "src/store/taking.rs",
        is: "if intent.is_deleted()? {",
        becomes: "if false {",
        reported_by: By::Crash("reserve::interleaved"),
    },
    Mutation {
        name: "a DEL removes the record before its address is in the reserve",
        file: "src/store/keeping.rs",
        is: "        let entered = self.enter_into_reserve(active, room, lock).and_then(|is_in| {",
        becomes: "        file::remove(&path)?;
        let entered = self.enter_into_reserve(active, room, lock).and_then(|is_in| {",
        reported_by: By::Crash("reserve::kill_points::of_a_del_into_the_reserve"),
    },
    Mutation {
        name: "entries are not made durable",
        file: "src/store/reserve.rs",
        is: "        if file::exists(&directory)? { file::sync_directory(&directory) } else { Ok(()) }",
        becomes: "        let _ = directory;
        Ok(())",
        reported_by: By::Crash("reserve::power_cuts::of_pods_that_come_and_go"),
    },
];

impl Mutation {
    /// The changed file.
    fn apply(&self) -> io::Result<String> {
        let text = fs::read_to_string(root().join(self.file))?;
        let (file, name) = (self.file, self.name);
        assert_eq!(
            text.matches(self.is).count(),
            1,
            "{name:?} no longer applies to {file}: adapt it\n{}",
            self.is
        );
        Ok(text.replacen(self.is, self.becomes, 1))
    }

    /// Builds the plugin with this change, as a file of its own. Its dependencies are built once.
    fn build(&self) -> io::Result<PathBuf> {
        let place = root().join("target/mutations");
        let tree = place.join("tree");
        copy(&root().join("src"), &tree.join("src"))?;
        for file in ["Cargo.toml", "Cargo.lock"] {
            fs::copy(root().join(file), tree.join(file))?;
        }
        // Cargo.toml names tests and other crates, which are not built.
        for folder in ["benches", "packaging", "tests"] {
            let folder_there = tree.join(folder);
            if !folder_there.exists() {
                symlink(root().join(folder), folder_there)?;
            }
        }
        fs::write(tree.join(self.file), self.apply()?)?;
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--bin", "aliyun-eni-ipam", "--target-dir"])
            .arg(place.join("target"))
            .env("RUSTFLAGS", "-Awarnings")
            .current_dir(&tree)
            .status()?;
        assert!(built.success(), "{:?} does not compile any more: adapt it", self.name);
        // The next one is built while this one is soaked.
        let plugin = place.join(format!("plugins/{}/aliyun-eni-ipam", self.name));
        fs::create_dir_all(plugin.parent().unwrap_or(&place))?;
        fs::copy(place.join("target/debug/aliyun-eni-ipam"), &plugin)?;
        Ok(plugin)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies a directory, without what it had before. Every copy is newer than what was built before.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::write(&to, fs::read(&from)?)?;
        }
    }
    Ok(())
}

/// The changes whose name contains `SOAK_ONLY`.
fn chosen() -> impl Iterator<Item = &'static Mutation> {
    let only = env::var("SOAK_ONLY").unwrap_or_default();
    MUTATIONS.iter().filter(move |mutation| mutation.name.contains(&only))
}

#[test]
fn each_change_applies() {
    for mutation in MUTATIONS {
        assert_ne!(mutation.apply().unwrap(), "");
    }
}

/// What a soak of this plugin reports, and after how many operations.
fn soaked(plugin: &Path, seconds: u64, seed: u64) -> (u64, Option<String>) {
    let outcome = soak(&Settings {
        plugin: plugin.to_owned(),
        length: Duration::from_secs(seconds),
        operations: 0,
        nodes: NODES,
        seed,
    });
    (outcome.tally.operations(), outcome.broken.map(|(kind, what)| format!("{kind}: {what:.100}")))
}

/// What these tests of the crash suite report of this plugin.
fn crashed(plugin: &Path, tests: &str) -> (u64, Option<String>) {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--locked", "--test", "crash", "--", tests])
        .env("PLUGIN_BINARY", plugin)
        .env("CRASH_TESTS", "required")
        .env("RUST_BACKTRACE", "0")
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("running 0 tests"), "{tests:?} are no tests of the crash suite");
    let failed = said.lines().skip_while(|line| !line.contains("panicked at")).nth(1);
    (0, failed.filter(|_| !output.status.success()).map(|line| format!("{line:.100}")))
}

#[test]
#[ignore = "takes minutes: cargo test --test soak mutations -- --ignored --nocapture"]
fn the_soak_reports_each_change() {
    let seed = number("SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let (runs, seconds) = (number("SOAK_RUNS").unwrap_or(1), number("SOAK_SECONDS").unwrap_or(60));
    println!("SOAK_SEED={seed}\n| change | operations | seconds | report |\n|---|---|---|---|");
    let mut survived = BTreeSet::new();
    let (builder, built) = mpsc::sync_channel(0);
    // A soak mostly waits, so there is time to build the next one. If a soak panics, nobody wants another one.
    let builder = thread::spawn(move || {
        for mutation in chosen() {
            let plugin = mutation.build().unwrap();
            if builder.send((mutation, plugin)).is_err() {
                break;
            }
        }
    });
    for (mutation, plugin) in built {
        let runs = if matches!(mutation.reported_by, By::Soak) { runs } else { 1 };
        for run in 0..runs {
            let start = Instant::now();
            let (operations, report) = match mutation.reported_by {
                By::Soak => soaked(&plugin, seconds, seed + run),
                By::Crash(tests) => crashed(&plugin, tests),
            };
            if report.is_none() {
                survived.insert(mutation.name);
            }
            let (report, seconds) = (report.unwrap_or("NOTHING".to_owned()), start.elapsed().as_secs());
            println!("| {} | {operations} | {seconds} | {report} |", mutation.name);
        }
        fs::remove_file(plugin).unwrap();
    }
    builder.join().expect("each change compiles");
    assert!(survived.is_empty(), "the soak does not see {survived:?}");
}
