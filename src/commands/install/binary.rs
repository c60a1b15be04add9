//! The binary in the runtime's directory of plugins.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::commands::doctor::plugin_directories;
use crate::commands::error::CommandError;
use crate::commands::install::place::{self, failed};
use crate::commands::install::steps::Steps;
use crate::config::TYPE;

const NAME: &str = "binary";

/// This process's own program, whatever its path is or was.
const RUNNING: &str = "/proc/self/exe";

/// The mode of a program that every user may run.
const MODE: u32 = 0o755;

/// The directory that was named, or else the first one in which runtimes look.
pub(super) fn directory(named: Option<&Path>) -> PathBuf {
    let first = || env::split_paths(&plugin_directories()).next();
    let directory = named.map(Path::to_owned).or_else(first).unwrap_or_default();
    // The program in it is run from another directory.
    std::path::absolute(&directory).unwrap_or(directory)
}

/// Copies this binary into `directory`, unless it is there. What a runtime has started goes on with the old file.
pub(super) fn install(directory: &Path, steps: &mut Steps) -> Result<(), CommandError> {
    let path = directory.join(TYPE);
    match fs::symlink_metadata(&path) {
        Ok(there) if there.is_symlink() => {
            return steps
                .unchanged(NAME, format!("{} is a link, as a package makes it, and stays", path.display()));
        }
        Ok(there) if !there.is_file() => {
            return steps.failed(NAME, format!("{} is no file: remove it", path.display()));
        }
        _ => {}
    }
    let own = match fs::read(RUNNING) {
        Ok(own) => own,
        Err(error) => return steps.failed(NAME, failed("read", Path::new(RUNNING), &error)),
    };
    if is_whole(&path, &own) {
        return steps.unchanged(NAME, format!("{} is this binary", path.display()));
    }
    let placed = place::make_directory(directory).and_then(|()| place::place(directory, TYPE, &own, MODE));
    match placed {
        Ok(()) => {
            steps.done(NAME, format!("placed {}, version {}", path.display(), env!("CARGO_PKG_VERSION")))
        }
        Err(why) => steps.failed(NAME, why),
    }
}

fn is_whole(path: &Path, own: &[u8]) -> bool {
    let has_mode = || fs::metadata(path).is_ok_and(|it| it.permissions().mode() & MODE == MODE);
    fs::read(path).is_ok_and(|content| content == own) && has_mode()
}

/// Removes the binary from `directory`, if it is this plugin's and not a package's.
pub(super) fn uninstall(directory: &Path, steps: &mut Steps) -> Result<(), CommandError> {
    let path = directory.join(TYPE);
    let shown = path.display();
    match fs::symlink_metadata(&path) {
        Err(_) => return steps.unchanged(NAME, format!("{shown} is not there")),
        Ok(there) if there.is_symlink() => {
            return steps.unchanged(NAME, format!("{shown} is a link, as a package makes it, and stays"));
        }
        Ok(there) if !there.is_file() || !is_this_plugin(&path) => {
            return steps.left(NAME, format!("{shown} is not this plugin, and stays"));
        }
        Ok(_) => {}
    }
    match place::remove(&path) {
        Ok(_) => steps.done(NAME, format!("removed {shown}")),
        Err(why) => steps.failed(NAME, why),
    }
}

/// Whether the file is a version of this program: it says so in its text about itself. It is not run for that.
fn is_this_plugin(path: &Path) -> bool {
    let content = fs::read(path).unwrap_or_default();
    content.windows(TYPE.len()).any(|word| word == TYPE.as_bytes())
}
