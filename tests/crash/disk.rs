//! A model of the worst that a journalling file system may do to the store when the power goes. Its rules:
//!
//! 1. What was written to a file is durable after `fsync` or `fdatasync` of that file, and of that file alone. Until then it
//!    may be there, be missing, be there by half, or be zeros.
//! 2. A change of a directory (a name that is made, linked, moved or removed) is durable after `fsync` of that directory, and
//!    of that directory alone. Until then each change may have been kept or lost, whatever became of the others: a later one
//!    may be kept while an earlier one is lost.
//! 3. A rename is kept or lost as a whole: the file is in its old place or in its new one, never in both or in none. Between
//!    two directories it is durable after `fsync` of both.
//! 4. A name in a directory that is lost is lost.
//! 5. `fsync` of a file does not make its name durable, and `fsync` of a directory does not make the files in it durable.
//!
//! Real file systems do better: one journal orders what this model lets happen in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::moment::{Entry, Tree};
use crate::recording::{Event, Handle};

/// The disk, as running processes see it and as it may look after a power cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    files: Vec<Content>,
    live: Names,
    durable: Names,
    /// Changes of names that are not durable, in their order.
    pending: Vec<Undurable>,
    open: BTreeMap<Handle, Name>,
}

/// What a name is, by its path from the node's directory.
type Names = BTreeMap<PathBuf, Name>;

/// A name that comes to be something, or to be nothing.
type Change = (PathBuf, Option<Name>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Directory(PathBuf),
    File(usize),
}

#[derive(Clone, Debug, Default)]
struct Content {
    /// All that was written.
    bytes: Vec<u8>,
    /// How much of it is durable.
    durable: usize,
}

/// Changes that are kept or lost together.
#[derive(Clone, Debug)]
struct Undurable {
    changes: Vec<Change>,
    /// The directories that have to be made durable.
    directories: BTreeSet<PathBuf>,
}

/// What became of bytes that were not durable.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Lost,
    Kept,
    Half,
    Zeros,
}

impl Disk {
    /// Does what happened.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::MakeDirectory(path) => {
                self.change(vec![(path.clone(), Some(Name::Directory(path.clone())))]);
            }
            Event::Open { handle, path } => {
                if path == Path::new("") {
                    self.open.insert(*handle, Name::Directory(path.clone()));
                    return;
                }
                if !self.live.contains_key(path) {
                    self.files.push(Content::default());
                    self.change(vec![(path.clone(), Some(Name::File(self.files.len() - 1)))]);
                }
                self.open.insert(*handle, self.live[path].clone());
            }
            Event::Write { handle, data } => {
                if let Name::File(file) = self.open[handle] {
                    self.files[file].bytes.extend(data);
                }
            }
            Event::Sync { handle, .. } => match self.open[handle].clone() {
                Name::File(file) => self.files[file].durable = self.files[file].bytes.len(),
                Name::Directory(path) => self.sync(&path),
            },
            Event::Rename(from, to) => {
                let moved = self.live[from].clone();
                self.change(vec![(to.clone(), Some(moved)), (from.clone(), None)]);
            }
            Event::Link(from, to) => self.change(vec![(to.clone(), Some(self.live[from].clone()))]),
            Event::Unlink(path) => self.change(vec![(path.clone(), None)]),
            Event::Asked | Event::Answered | Event::Begin(_) | Event::Told { .. } => {}
        }
    }

    fn change(&mut self, changes: Vec<Change>) {
        for change in &changes {
            apply(&mut self.live, change);
        }
        let parent = |(path, _): &Change| path.parent().expect("it lies in a directory").to_owned();
        let directories = changes.iter().map(parent).collect();
        self.pending.push(Undurable { changes, directories });
    }

    fn sync(&mut self, directory: &Path) {
        for Undurable { changes, directories } in &mut self.pending {
            directories.remove(directory);
            if directories.is_empty() {
                for change in &*changes {
                    apply(&mut self.durable, change);
                }
            }
        }
        self.pending.retain(|undurable| !undurable.directories.is_empty());
    }

    /// Every store that may be found after a power cut at this moment: with all changes lost that were not durable, with all
    /// kept, with each one kept alone and with each one lost alone, and with each fate of bytes that were not durable.
    pub(crate) fn after_a_power_cut(&self) -> BTreeSet<Tree> {
        let count = self.pending.len();
        let mut fates: Vec<Vec<bool>> = vec![vec![false; count], vec![true; count]];
        for odd in 0..count {
            for kept in [false, true] {
                fates.push((0..count).map(|index| (index == odd) == kept).collect());
            }
        }
        let bytes = [Fate::Lost, Fate::Kept, Fate::Half, Fate::Zeros];
        let trees = fates.iter().flat_map(|fate| bytes.map(|bytes| self.tree(fate, bytes)));
        trees.collect()
    }

    fn tree(&self, kept: &[bool], bytes: Fate) -> Tree {
        let mut names = self.durable.clone();
        let kept = self.pending.iter().zip(kept).filter(|(_, kept)| **kept).flat_map(|(it, _)| &it.changes);
        kept.for_each(|change| apply(&mut names, change));
        let reachable = |path: &Path| {
            path.ancestors().skip(1).filter(|it| *it != Path::new("")).all(|it| names.contains_key(it))
        };
        let in_store =
            |path: &Path| path.strip_prefix("store").expect("only the store is recorded").to_owned();
        let visible = names.iter().filter(|(path, _)| reachable(path));
        let entries = visible.map(|(path, name)| match name {
            Name::Directory(_) => (in_store(path), Entry::Directory),
            Name::File(file) => (in_store(path), Entry::File(self.files[*file].found(bytes))),
        });
        entries.collect()
    }
}

impl Content {
    fn found(&self, bytes: Fate) -> Vec<u8> {
        let (durable, rest) = self.bytes.split_at(self.durable);
        let rest = match bytes {
            Fate::Lost => Vec::new(),
            Fate::Kept => rest.to_vec(),
            Fate::Half => rest[..rest.len() / 2].to_vec(),
            Fate::Zeros => vec![0; rest.len()],
        };
        [durable, &rest].concat()
    }
}

fn apply(names: &mut Names, (path, name): &Change) {
    match name {
        Some(name) => drop(names.insert(path.clone(), name.clone())),
        None => drop(names.remove(path)),
    }
}
