//! The plugin under test.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::needs::named_by;

/// The plugin under test: the one that Cargo has built with the tests, or the one that the environment's `PLUGIN_BINARY` names:
/// an installed one, one for another architecture or one of another profile.
///
/// Only in tests of the plugin's own crate, because Cargo names the plugin only to them.
#[macro_export]
macro_rules! plugin {
    () => {
        $crate::plugin_or(env!("CARGO_BIN_EXE_aliyun-eni-ipam"))
    };
}

/// What `PLUGIN_BINARY` names, from the repository's root where it is relative, otherwise the plugin that was `built`.
///
/// # Panics
/// When it names no file.
#[must_use]
pub fn plugin_or(built: &'static str) -> &'static Path {
    static NAMED: OnceLock<Option<PathBuf>> = OnceLock::new();
    let named = || {
        let path = named_by("PLUGIN_BINARY")?;
        assert!(path.is_file(), "PLUGIN_BINARY names {}, which is no file", path.display());
        Some(path)
    };
    NAMED.get_or_init(named).as_deref().unwrap_or(Path::new(built))
}
