//! Settings below `/proc/sys/net`, of the network namespace that this thread is in.

use std::fmt;
use std::fs;
use std::io;

/// A setting of a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Setting {
    family: &'static str,
    link: String,
    name: &'static str,
    value: &'static str,
}

impl Setting {
    /// A link of a secondary ENI takes no route from router advertisements: a default route by it would compete with the primary ENI's.
    pub(super) fn ignore_router_advertisements(link: &str) -> Self {
        Self { family: "ipv6", link: link.to_owned(), name: "accept_ra", value: "0" }
    }

    /// The reverse path of what comes in is looked up with its mark. Otherwise `rp_filter=1` drops what is translated to a pod of
    /// another ENI.
    pub(super) fn reverse_path_by_mark(link: &str) -> Self {
        Self { family: "ipv4", link: link.to_owned(), name: "src_valid_mark", value: "1" }
    }

    /// Whether it is as it should be. A setting that the kernel does not have is.
    pub(super) fn is_set(&self) -> bool {
        read(&self.path()).is_none_or(|value| value == self.value)
    }

    pub(super) fn set(&self) -> io::Result<()> {
        fs::write(self.path(), self.value)
    }

    fn path(&self) -> String {
        format!("/proc/sys/net/{}/conf/{}/{}", self.family, self.link, self.name)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net.{}.conf.{}.{} = {}", self.family, self.link, self.name, self.value)
    }
}

/// Whether the kernel speaks IPv6 on this link, or on `all` of them.
pub(super) fn has_ipv6(link: &str) -> bool {
    read(&format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6")).is_some_and(|value| value == "0")
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|value| value.trim().to_owned())
}
