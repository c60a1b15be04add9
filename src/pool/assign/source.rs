//! Where an ADD may get its addresses from.

use std::time::Duration;

use crate::node::placement::{EniPlacement, Wanted};
use crate::pool::release::Releaser;

/// What a network keeps in reserve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeping {
    /// How many addresses of each family, on each ENI.
    pub(crate) entries: usize,
    /// How long an address that a pod has had is not given to another.
    pub(crate) rest: Duration,
}

/// One ENI, and what the ADD wants of it.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) place: &'a EniPlacement,
    pub(crate) wanted: Vec<Wanted>,
    /// What the network keeps there.
    pub(crate) keeping: Keeping,
    pub(crate) releaser: Releaser<'a>,
}

impl Source<'_> {
    /// Whether the ADD wants particular addresses, and so asks for nobody else.
    pub(super) fn is_particular(&self) -> bool {
        self.wanted.iter().any(|want| want.address.is_some())
    }
}
