//! A machine that boots without anybody waiting for it: which boot it is, and how long it has been up, is what files say.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::time::{changed, each_file, each_text};
use crate::{Calling, Node};

/// Where the kernel tells which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The id of the boot before.
pub const EARLIER_BOOT: &str = "5d0c4c9e-0000-4000-8000-00000000b007";

impl Node {
    /// Makes everything in the store that was written in this boot look as if it had been written in an earlier one, and empties what a boot
    /// empties. No call may be running: none outlives a reboot.
    ///
    /// # Panics
    /// When the store cannot be read or written.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn reboot(&self) {
        let present = fs::read_to_string(BOOT_ID).expect("the kernel tells which boot this is");
        make_earlier(&self.store(), present.trim()).expect("the store can be read and written");
        make_older_than_boot(&self.cni_cache().join("results")).expect("the cache can be changed");
        self.remove_claims();
    }
}

impl Calling<'_> {
    /// Makes the call on a machine that has been up for this long. Needs [`Need::MountNamespaces`](crate::Need::MountNamespaces).
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn up_for(self, time: Duration) -> Self {
        self.with_uptime(&format!("{}.00 0.00\n", time.as_secs()))
    }

    /// The same where the kernel says something else. Needs [`Need::MountNamespaces`](crate::Need::MountNamespaces).
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn with_uptime(self, text: &str) -> Self {
        self.with_instead_of("/proc/uptime", text)
    }

    /// Makes the call as in a container to which its manager shows a boot of the container's own. Needs
    /// [`Need::MountNamespaces`](crate::Need::MountNamespaces).
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn with_boot_id(self, boot_id: &str) -> Self {
        self.with_instead_of(BOOT_ID, &format!("{boot_id}\n"))
    }

    /// Mounts a file over one of the kernel's, for this call alone.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    fn with_instead_of(self, path: &str, content: &str) -> Self {
        let name = Path::new(path).file_name().unwrap_or_default();
        let file = self.node().directory().join(name);
        fs::write(&file, content).expect("there is room for a file");
        let script = r#"mount --bind "$0" "$1" && shift && exec "$@""#;
        let arguments = ["--mount", "sh", "-c", script, &file.display().to_string(), path].map(str::to_owned);
        self.under("unshare", &arguments)
    }
}

/// The content of a file of the store that was written in this boot, as if it had been written in an earlier one.
///
/// # Panics
/// When the kernel does not tell which boot this is.
#[must_use]
#[expect(clippy::expect_used, reason = "a test without it is no test")]
pub fn of_earlier_boot(content: &[u8]) -> Vec<u8> {
    let present = fs::read_to_string(BOOT_ID).expect("the kernel tells which boot this is");
    changed(content, |value| replace(value, present.trim()))
}

fn make_earlier(store: &Path, present: &str) -> io::Result<()> {
    each_file(store, |file| each_text(file, |value| replace(value, present)))
}

/// The files of libcni's cache survive, and say when they were written.
fn make_older_than_boot(results: &Path) -> io::Result<()> {
    for entry in fs::read_dir(results).into_iter().flatten() {
        let file = File::options().write(true).open(entry?.path())?;
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_hours(1))?;
    }
    Ok(())
}

fn replace(value: &mut Value, present: &str) {
    match value {
        Value::String(text) if text == present => EARLIER_BOOT.clone_into(text),
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, present)),
        Value::Object(members) => members.values_mut().for_each(|value| replace(value, present)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_written_in_this_boot_is_of_an_earlier_one_and_what_was_older_stays() {
        let document = |boot: &str| json!({"clock": {"bootId": boot}, "allocation": {"bootId": boot, "since": "x"}, "oursIn": "old"});
        let mut value = document("this");
        replace(&mut value, "this");
        assert_eq!(value, document(EARLIER_BOOT));
        replace(&mut value, "this");
        assert_eq!(value, document(EARLIER_BOOT));
    }
}
