//! Where an ADD may get its addresses from.

use crate::node::placement::{EniPlacement, Wanted};
use crate::pool::release::Releaser;

/// One ENI, and what the ADD wants of it.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) place: &'a EniPlacement,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) releaser: Releaser<'a>,
}

impl Source<'_> {
    /// Whether the ADD wants particular addresses, and so asks for nobody else.
    pub(super) fn is_particular(&self) -> bool {
        self.wanted.iter().any(|want| want.address.is_some())
    }
}
