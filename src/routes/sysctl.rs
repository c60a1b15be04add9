//! Settings below `/proc/sys/net`, of the network namespace that this thread is in.

use std::fmt;
use std::fs;
use std::io;

use crate::base::text::reason;
use crate::routes::error::{Error, Result};

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

    /// Whether it is as it should be. A setting that the kernel does not have is; one that cannot be read is not, so that it is set.
    pub(super) fn is_set(&self) -> bool {
        read(&self.path()).is_ok_and(|value| value.is_none_or(|value| value == self.value))
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
///
/// # Errors
/// When the kernel does not say: a pod that it speaks IPv6 for would have half of its routes.
pub(super) fn has_ipv6(link: &str) -> Result<bool> {
    let path = format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6");
    let value = read(&path).map_err(|error| Error::Kernel {
        what: format!("read {path}"),
        why: format!(
            "{}; without it nobody knows whether this node speaks IPv6: have the plugin read it as root, and call again",
            reason(&error)
        ),
    })?;
    Ok(value.is_some_and(|value| value == "0"))
}

/// The value of a setting; `None` where the kernel does not have it.
fn read(path: &str) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_setting_that_is_not_there_means_that_the_kernel_has_none() {
        assert!(!has_ipv6("no-such-link").unwrap());
        // A name that the kernel refuses.
        let name = "eth\0";
        let error = has_ipv6(name).unwrap_err().to_string();
        assert!(
            error.contains(&format!("/{name}/disable_ipv6: ")) && error.contains("call again"),
            "{error}"
        );
        assert!(Setting::ignore_router_advertisements("no-such-link").is_set());
        assert!(!Setting::ignore_router_advertisements(name).is_set());
    }
}
