//! One thing that the kernel should have, as data: how to see that it is there, how to put it in place and how to remove it.

use std::fmt;
use std::net::IpAddr;

use crate::base::text::reason;
use crate::routes::address;
use crate::routes::error::{Doing, Error, Result};
use crate::routes::kernel::Kernel;
use crate::routes::link::{self, Link};
use crate::routes::mark;
use crate::routes::numbers::GROUP;
use crate::routes::observed::Observed;
use crate::routes::reach::bits;
use crate::routes::rule::{self, Rule};
use crate::routes::sysctl::Setting;
use crate::routes::table::{self, Route};

/// One thing that the kernel should have, or has and should not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A link is up.
    Up(LinkName),
    /// A link is in the group of ENIs.
    Group(LinkName),
    /// A setting has its value.
    Setting(Setting),
    /// A link has an address.
    Address(LinkName, IpAddr),
    /// A table has a route by a link.
    Route(LinkName, Route),
    /// There is a rule.
    Rule(Rule),
    /// The packet filter marks what comes in by this link.
    Mark(String),
}

/// Which link is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkName {
    pub(super) index: u32,
    pub(super) name: String,
}

impl From<&Link> for LinkName {
    fn from(link: &Link) -> Self {
        Self { index: link.index, name: link.name.clone() }
    }
}

impl Item {
    /// Whether it is there; `None` where nobody looked.
    pub(super) fn is_in(&self, observed: &Observed) -> Option<bool> {
        Some(match self {
            Self::Up(link) => observed.link(link.index).is_some_and(|it| it.is_up),
            Self::Group(link) => observed.link(link.index).is_some_and(|it| it.group == GROUP),
            Self::Setting(setting) => setting.is_set(),
            Self::Address(link, address) => {
                observed.addresses_of(link.index).any(|it| it.address == *address)
            }
            Self::Route(_, route) => observed.routes.iter().any(|it| it.route == *route),
            Self::Rule(rule) => observed.rules.as_ref()?.iter().any(|it| it.rule == Some(*rule)),
            Self::Mark(_) => observed.mark == Some(mark::State::Right),
        })
    }

    /// Puts it in place. Returns whether that changed something.
    pub(super) fn put(&self, kernel: &Kernel) -> Result<bool> {
        let what = || format!("put {self} in place");
        match self {
            Self::Up(link) => link::bring_up(kernel.routing()?, link.index).doing(what).map(|()| true),
            Self::Group(link) => {
                link::set_group(kernel.routing()?, link.index, GROUP).doing(what).map(|()| true)
            }
            Self::Setting(setting) => match setting.set() {
                Ok(()) => Ok(true),
                Err(error) => Err(Error::Kernel { what: what(), why: reason(&error) }),
            },
            Self::Address(link, address) => match address::add(kernel.routing()?, link.index, *address) {
                Err(refusal) if refusal.is(libc::EEXIST) => Ok(false),
                done => done.doing(what).map(|()| true),
            },
            Self::Route(_, route) => table::put(kernel.routing()?, route).doing(what).map(|()| true),
            Self::Rule(rule) => rule::add(kernel.routing()?, rule).doing(what),
            Self::Mark(link) => kernel.filter(what, |filter| mark::put(filter, link)).map(|()| true),
        }
    }

    /// Removes it. Returns whether that changed something. What is no thing of its own stays: a link stays up and a setting stays
    /// as it is, because nobody knows how it was before.
    pub(super) fn remove(&self, kernel: &Kernel) -> Result<bool> {
        let what = || format!("remove {self}");
        match self {
            Self::Up(_) | Self::Setting(_) => Ok(false),
            Self::Group(link) => link::set_group(kernel.routing()?, link.index, 0).doing(what).map(|()| true),
            Self::Address(link, address) => match address::remove(kernel.routing()?, link.index, *address) {
                Err(refusal) if refusal.is_one_of(&[libc::EADDRNOTAVAIL, libc::ENODEV]) => Ok(false),
                done => done.doing(what).map(|()| true),
            },
            Self::Route(_, route) => table::remove(kernel.routing()?, route).doing(what),
            Self::Rule(rule) => rule::remove(kernel.routing()?, rule).doing(what),
            Self::Mark(_) => kernel.filter(what, mark::remove),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(link) => write!(f, "the state \"up\" of the link {}", link.name),
            Self::Group(link) => write!(f, "the group {GROUP} of the link {}", link.name),
            Self::Setting(setting) => write!(f, "the setting \"{setting}\""),
            Self::Address(link, address) => {
                write!(f, "the address {address}/{} of the link {}", bits(*address), link.name)
            }
            Self::Route(link, route) => write!(f, "the route \"{}\"", route.in_words(&link.name)),
            Self::Rule(rule) => write!(f, "the rule \"{rule}\""),
            Self::Mark(_) => write!(f, "the nftables table \"inet {}\"", mark::TABLE),
        }
    }
}
