//! A script in front of an IPAM plugin. It notes each call, and holds calls back for as long as a test wants:
//! a plugin that is slow, without sleeping.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

/// It becomes the plugin in the end, so that the plugin has the parent that it would have without it.
const SCRIPT: &str = r#"#!/bin/sh
input=$(cat)
line=$(printf %s "$input" | tr -d '\n')
printf '%s\t%s\t%s\t%s\n' "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_NETNS" "$line" >>"@DIRECTORY@/calls"
while [ -e "@DIRECTORY@/hold-$CNI_COMMAND" ]; do sleep 0.02; done
exec "@PLUGIN@" <<END
$input
END
"#;

pub(crate) struct Wrapper {
    directory: TempDir,
}

/// One call of the plugin, as the runtime and the calling plugin made it.
pub(crate) struct Call {
    pub(crate) command: String,
    pub(crate) container: String,
    pub(crate) netns: String,
    pub(crate) config: Value,
}

impl Wrapper {
    pub(crate) fn new(plugin: &Path) -> Self {
        let directory = TempDir::with_prefix("wrapper-").expect("temporary directory");
        let script = SCRIPT
            .replace("@DIRECTORY@", &directory.path().display().to_string())
            .replace("@PLUGIN@", &plugin.display().to_string());
        let wrapper = Self { directory };
        fs::write(wrapper.path(), script).expect("script");
        fs::set_permissions(wrapper.path(), PermissionsExt::from_mode(0o755)).expect("mode of the script");
        wrapper
    }

    /// The script, to be installed as the plugin.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("plugin")
    }

    /// Holds all calls of this CNI command before the plugin sees them, until `release`.
    pub(crate) fn hold(&self, command: &str) {
        fs::write(self.gate(command), "").expect("gate");
    }

    pub(crate) fn release(&self, command: &str) {
        fs::remove_file(self.gate(command)).expect("gate");
    }

    fn gate(&self, command: &str) -> PathBuf {
        self.directory.path().join(format!("hold-{command}"))
    }

    /// All calls so far, in the order in which they began; those that are held included.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let calls = fs::read_to_string(self.directory.path().join("calls")).unwrap_or_default();
        calls.lines().filter_map(Call::parse).collect()
    }

    /// How many calls of this CNI command have begun.
    pub(crate) fn count(&self, command: &str) -> usize {
        self.calls().iter().filter(|call| call.command == command).count()
    }
}

impl Call {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(4, '\t').map(str::to_owned);
        Some(Self {
            command: fields.next()?,
            container: fields.next()?,
            netns: fields.next()?,
            config: serde_json::from_str(&fields.next()?).ok()?,
        })
    }
}
