//! Files that are placed whole: written beside their place under a name that no runtime reads, made durable, and renamed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use crate::base::random;
use crate::base::text::reason;

/// How old a draft must be to be taken for one that a killed process has left.
const ABANDONED: Duration = Duration::from_hours(1);

/// Makes `content` the content of the file `name` in `directory`, with this mode. At each moment there is the old file or the new
/// one, and after a power cut as well.
pub(super) fn place(directory: &Path, name: &str, content: &[u8], mode: u32) -> Result<(), String> {
    sweep(directory, name);
    let unique = random::hex128().map_err(|error| failed("make a name in", directory, &error))?;
    // A runtime takes neither a configuration nor a plugin with such a name.
    let draft = directory.join(format!(".{name}.{unique}"));
    let written = write(&draft, content, mode)
        .map_err(|error| failed("write", &draft, &error))
        .and_then(|()| rename(&draft, &directory.join(name)));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

/// The file is closed when it gets its name: one that is open for writing cannot be run.
fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    // The mode of the creation is subject to the umask.
    file.set_permissions(PermissionsExt::from_mode(mode))?;
    file.sync_all()
}

/// Gives a file another name in its directory, durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), String> {
    fs::rename(from, to).map_err(|error| failed("create", to, &error))?;
    sync(to)
}

/// Removes a file durably. Whether there was one.
pub(super) fn remove(path: &Path) -> Result<bool, String> {
    match fs::remove_file(path) {
        Ok(()) => sync(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("remove", path, &error)),
    }
}

fn sync(path: &Path) -> Result<(), String> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let synced = File::open(directory).and_then(|handle| handle.sync_all());
    synced.map_err(|error| failed("sync the directory", directory, &error))
}

/// Makes `directory` and its missing parents.
pub(super) fn make_directory(directory: &Path) -> Result<(), String> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .map_err(|error| failed("create the directory", directory, &error))?;
    directory.ancestors().take(2).try_for_each(sync)
}

/// Removes drafts of `name` that nobody can be working on any more, as far as that can be done.
fn sweep(directory: &Path, name: &str) {
    let prefix = format!(".{name}.");
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let file_name = entry.file_name();
        let unique = file_name.to_str().and_then(|it| it.strip_prefix(&prefix));
        let is_draft =
            unique.is_some_and(|it| it.len() == 32 && it.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let age = entry.metadata().and_then(|it| it.modified()).map(|modified| modified.elapsed());
        if is_draft && age.is_ok_and(|age| age.is_ok_and(|age| age > ABANDONED)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What failed, for people.
pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} {}: {}", path.display(), reason(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_placed_whole_with_its_mode_and_nothing_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        for (content, mode) in [("one", 0o600), ("two", 0o755)] {
            place(directory.path(), "a.conflist", content.as_bytes(), mode).unwrap();
            let path = directory.path().join("a.conflist");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn what_cannot_be_placed_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("a.conflist/full")).unwrap();
        assert!(place(directory.path(), "a.conflist", b"one", 0o600).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_old_drafts_of_the_same_name_are_swept_up() {
        let directory = tempfile::tempdir().unwrap();
        let unique = "0123456789abcdef0123456789abcdef";
        let old = std::time::SystemTime::now() - 2 * ABANDONED;
        let names = [".a", ".b", "c"].map(|name| directory.path().join(format!("{name}.{unique}")));
        for path in &names {
            let file = File::create(path).unwrap();
            file.set_modified(old).unwrap();
        }
        File::create(directory.path().join(".a.00000000000000000000000000000000")).unwrap();
        sweep(directory.path(), "a");
        assert!(!names[0].exists() && names[1].exists() && names[2].exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
    }
}
