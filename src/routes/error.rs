//! What the kernel did not do.

use std::net::IpAddr;

use crate::base::eni::EniId;
use crate::routes::socket::Refusal;

/// What this room returns.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// What the kernel did not do, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request to the kernel failed.
    #[error("cannot {what}: {why}")]
    Kernel {
        /// What was to be done, with the interface or the address.
        what: String,
        /// What the kernel said.
        why: String,
    },
    /// The kernel lacks a part.
    #[error(
        "cannot {what}: {why}; the kernel needs {modules}: load it with modprobe, or use a kernel that has it"
    )]
    NoModule {
        /// What was to be done.
        what: String,
        /// What the kernel said.
        why: String,
        /// The modules that have the part.
        modules: &'static str,
    },
    /// The ENI is none of those that metadata shows.
    #[error(
        "{eni} is not among the ENIs of this node, so its pods cannot be routed: is it attached to this instance?"
    )]
    NoEni {
        /// The ENI.
        eni: String,
    },
    /// No link has the ENI's hardware address.
    #[error(
        "no network interface has the hardware address {mac} of {eni}: attach the ENI to this instance, or wait until \
         the system has made its interface (ip link)"
    )]
    NoLink {
        /// The ENI.
        eni: String,
        /// Its hardware address.
        mac: String,
    },
    /// The address of a pod is one of the node's own.
    #[error(
        "{address} is a local address of this node on {link}, so the node would answer in the pod's place: keep whatever \
         configures {link} from adding the ENI's secondary addresses (nm-cloud-setup, or DHCP by cloud-init on every \
         interface), then remove it with `ip address del {address} dev {link}`"
    )]
    Local {
        /// The address.
        address: IpAddr,
        /// The link that has it.
        link: String,
    },
}

impl Error {
    /// No ENI of the node has this id.
    pub(super) fn no_eni(eni: &EniId) -> Self {
        Self::NoEni { eni: eni.to_string() }
    }
}

/// Says what was to be done when the kernel refused.
pub(super) trait Doing<T> {
    /// The kernel's refusal as an error of this room.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for std::result::Result<T, Refusal> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|refusal| Error::Kernel { what: what(), why: refusal.to_string() })
    }
}
