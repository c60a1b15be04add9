//! The parts of the kernel that this room talks to, each opened when it is first needed.

use std::cell::OnceCell;

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};

use crate::base::deadline::Deadline;
use crate::routes::error::{Doing, Error, Result};
use crate::routes::socket::{Conversation, Refusal};

/// What a kernel without the packet filter or connection tracking says.
const LACKS_A_MODULE: [i32; 6] = [
    libc::EINVAL,
    libc::EOPNOTSUPP,
    libc::EPROTONOSUPPORT,
    libc::EAFNOSUPPORT,
    libc::ENOENT,
    libc::ENOPROTOOPT,
];

/// The modules that the mark needs.
const MODULES: &str = "nf_tables, nft_ct and nf_conntrack";

/// The kernel, by netlink.
#[derive(Debug)]
pub(super) struct Kernel {
    deadline: Deadline,
    routing: OnceCell<Conversation>,
    netfilter: OnceCell<Conversation>,
}

impl Kernel {
    pub(super) fn new(deadline: Deadline) -> Self {
        Self { deadline, routing: OnceCell::new(), netfilter: OnceCell::new() }
    }

    /// Links, addresses, rules and routes.
    pub(super) fn routing(&self) -> Result<&Conversation> {
        if let Some(open) = self.routing.get() {
            return Ok(open);
        }
        let open = Conversation::open(NETLINK_ROUTE, self.deadline)
            .doing(|| "ask the kernel for its routes".to_owned())?;
        Ok(self.routing.get_or_init(|| open))
    }

    /// The packet filter. A refusal that means that the kernel lacks it says which modules it needs.
    pub(super) fn filter<T>(
        &self,
        what: impl FnOnce() -> String,
        ask: impl FnOnce(&Conversation) -> std::result::Result<T, Refusal>,
    ) -> Result<T> {
        self.netfilter().and_then(ask).map_err(|refusal| {
            let (what, why) = (what(), refusal.to_string());
            if refusal.is_one_of(&LACKS_A_MODULE) {
                Error::NoModule { what, why, modules: MODULES }
            } else {
                Error::Kernel { what, why }
            }
        })
    }

    /// The packet filter and connection tracking.
    pub(super) fn netfilter(&self) -> std::result::Result<&Conversation, Refusal> {
        if let Some(open) = self.netfilter.get() {
            return Ok(open);
        }
        let open = Conversation::open(NETLINK_NETFILTER, self.deadline)?;
        Ok(self.netfilter.get_or_init(|| open))
    }
}
