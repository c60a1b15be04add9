//! A node with many pods, without the time that it takes to add them.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use crate::Node;

impl Node {
    /// Makes the store one of so many active records, with so many addresses in the reserve, all of them of a network `other`.
    /// The cloud knows almost none of them: no call may look at them.
    ///
    /// # Panics
    /// When the plugin does not add a pod, or does not put its address into the reserve.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn crowd(&self, active: usize, reserved: usize) {
        let of_other = |config: &mut Value| {
            config["name"] = "other".into();
            config["ipam"]["reserve"] = 1.into();
            config["ipam"]["reuseDelaySeconds"] = 3600.into();
        };
        let only_one = |config: &mut Value| {
            of_other(config);
            config["ipam"]["reserve"] = 0.into();
        };
        if reserved > 0 {
            let _ = self.call("ADD", "leaving").config(only_one).run().address();
            self.call("DEL", "leaving").config(of_other).run().ok();
            self.copy_entry(active..active + reserved - 1).expect("an address is in the reserve");
        }
        let address = self.call("ADD", "other0").config(of_other).run().address();
        self.copy_record("other0", address, 1..active).expect("a pod has a record");
    }

    /// Other names for the file of an entry.
    fn copy_entry(&self, numbers: std::ops::Range<usize>) -> io::Result<()> {
        let directory = self.store().join("reserved").join(Self::ENI);
        let entry = fs::read_dir(&directory)?.next().ok_or(io::ErrorKind::NotFound)??.path();
        for number in numbers {
            fs::hard_link(&entry, directory.join(stranger(number).to_string()))?;
        }
        Ok(())
    }

    /// Copies of the one record, for other pods with other addresses.
    fn copy_record(&self, pod: &str, address: IpAddr, numbers: std::ops::Range<usize>) -> io::Result<()> {
        let directory = self.store().join("active");
        let record = fs::read_dir(&directory)?.next().ok_or(io::ErrorKind::NotFound)??.path();
        let text = fs::read_to_string(record)?;
        for number in numbers {
            let (name, ip) = (format!("other{number}"), stranger(number).to_string());
            let file = directory.join(format!("{name}-{number:040x}"));
            fs::write(&file, text.replace(pod, &name).replace(&address.to_string(), &ip))?;
            fs::hard_link(&file, self.store().join("address").join(format!("{}-{ip}", Self::ENI)))?;
        }
        Ok(())
    }
}

/// An address that no cloud hands out here.
fn stranger(number: usize) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + u32::try_from(number).unwrap_or_default()).into()
}
