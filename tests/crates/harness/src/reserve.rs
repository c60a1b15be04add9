//! Addresses in the reserve that no call has put there.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::Node;

impl Node {
    /// The file of an entry.
    #[must_use]
    pub fn entry(&self, address: IpAddr) -> PathBuf {
        self.store().join("reserved").join(Self::ENI).join(address.to_string())
    }

    /// The addresses that have an entry, whether it counts or not.
    ///
    /// # Panics
    /// When there is something else among the entries.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn reserved_addresses(&self) -> BTreeSet<IpAddr> {
        let names = fs::read_dir(self.store().join("reserved").join(Self::ENI)).into_iter().flatten();
        let name = |it: std::io::Result<fs::DirEntry>| it.expect("the directory can be read").file_name();
        names.filter_map(|it| name(it).to_str().expect("it is text").parse().ok()).collect()
    }

    /// Whether the store has an entry of this address, whether it counts or not.
    #[must_use]
    pub fn is_reserved(&self, address: IpAddr) -> bool {
        self.entry(address).exists()
    }

    /// Writes an entry as a DEL of this network's pod did it this long ago. On the ENI nothing changes.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn reserve(&self, address: IpAddr, age: Duration) {
        self.reserve_changed(address, age, |_| {});
    }

    /// The same with a change of what it says.
    ///
    /// # Panics
    /// When it cannot be written.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn reserve_changed(&self, address: IpAddr, age: Duration, change: impl FnOnce(&mut Value)) {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("the kernel tells the boot");
        let since = humantime::format_rfc3339_millis(SystemTime::now() - age).to_string();
        let mut entry = json!({
            "network": self.network, "regionId": "cn-hangzhou", "bootId": boot.trim(), "since": since, "restsSince": since,
        });
        change(&mut entry);
        let path = self.entry(address);
        fs::create_dir_all(path.parent().expect("it has one")).expect("there is room for a directory");
        fs::write(&path, json!({"schema": 1, "entry": entry}).to_string()).expect("there is room for a file");
    }
}
