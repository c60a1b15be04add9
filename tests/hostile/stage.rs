//! A node that is as it was again for every case.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Node, Saved};

use crate::cases::{is_silent, silence};

/// A node with the plugin under test, whose calls have little time.
pub(crate) fn node() -> Node {
    Node::new(harness::plugin!()).with("timeoutSeconds", 2)
}

/// What the store and the cloud were like at some moment.
pub(crate) struct Moment {
    store: PathBuf,
    cloud: Saved,
}

impl Moment {
    /// Keeps what `node` is like now, under a name of its own.
    pub(crate) fn of(node: &Node, name: &str) -> Self {
        let store = node.directory().join(format!("kept-{name}"));
        copy(&node.store(), &store, &mut BTreeMap::new());
        Self { store, cloud: node.cloud.save() }
    }

    /// The same store, with the cloud of another moment.
    pub(crate) fn with_cloud_of(self, other: &Self) -> Self {
        Self { cloud: other.cloud.clone(), ..self }
    }

    /// Makes `node` so again, with a cloud that has not been asked anything yet.
    pub(crate) fn restore(&self, node: &Node) {
        fs::remove_dir_all(node.store()).unwrap();
        copy(&self.store, &node.store(), &mut BTreeMap::new());
        let _ = fs::remove_file(node.directory().join("log"));
        node.cloud.clear_faults();
        node.cloud.clear_ledger();
        node.cloud.restore(&self.cloud);
    }
}

/// Copies a directory. What were names of one file, by its inode, are names of one file again.
fn copy(from: &Path, to: &Path, known: &mut BTreeMap<u64, PathBuf>) {
    DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to, known);
            continue;
        }
        match known.entry(entry.metadata().unwrap().ino()) {
            Entry::Occupied(first) => fs::hard_link(first.get(), &to).unwrap(),
            Entry::Vacant(first) => {
                fs::copy(&path, &to).unwrap();
                first.insert(to);
            }
        }
    }
}

/// Every file below `directory`.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Waits for something that is bound to happen; how long it takes is no matter.
#[track_caller]
pub(crate) fn eventually(what: &str, happened: impl Fn() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_mins(1), "it never came to be that {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Plays a case on each stage at the same time: most of that is spent waiting. What a failed case leaves on its stage is put
/// right by the next one.
pub(crate) fn side_by_side<S: Send, C: Sync>(
    stages: &[Mutex<S>],
    cases: &[C],
    play: impl Fn(&mut S, &C) + Sync,
) {
    let play =
        &|stage: &Mutex<S>, case: &C| play(&mut stage.lock().unwrap_or_else(PoisonError::into_inner), case);
    let silent = is_silent();
    let failures: Vec<_> = thread::scope(|scope| {
        let pairs = stages.iter().zip(cases);
        let playing = pairs.map(|(stage, case)| {
            scope.spawn(move || {
                silence(silent);
                play(stage, case);
            })
        });
        let playing: Vec<_> = playing.collect();
        playing.into_iter().filter_map(|it| it.join().err()).collect()
    });
    if let Some(failure) = failures.into_iter().next() {
        resume_unwind(failure);
    }
}
