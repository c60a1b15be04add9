//! What the reserve of an ENI has beyond what a network keeps, and room that it makes.

use std::time::Duration;

use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::Family;
use crate::pool::release::step::step;
use crate::pool::release::{REQUEST_TIMEOUT, Releaser};
use crate::store;
use crate::store::{EniLock, Kept};

impl Releaser<'_> {
    /// For an ADD that has ended, well or badly: gives back what its `network` has in the reserve of `eni` beyond `keep` addresses of
    /// each family, one request's worth of each, unless another ADD waits for addresses. Where there is nothing to be given
    /// back, it releases what earlier calls have left, as [`Releaser::release_backlog`] does; with an empty reserve the look costs one directory.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn release_surplus(
        &self,
        network: &str,
        keep: usize,
        eni: &EniId,
        deadline: Deadline,
    ) -> store::Result<()> {
        let addresses = self.store.reserved_addresses(eni)?;
        let mut families = vec![Family::V4, Family::V6];
        families.retain(|family| addresses.iter().filter(|it| Family::of(**it) == *family).count() > keep);
        if families.is_empty() {
            return self.release_backlog(eni, deadline);
        }
        for family in families {
            let of = |_: &EniId, its: &str, of: Family| (its == network && of == family).then_some(keep);
            let kept = Kept { of: &of, most: self.max_per_request, region: Some(self.region) };
            let given = self.store.release_surplus(eni, &kept, deadline)?;
            // Another ADD that ends may hold the ENI's lock for a batch without these, and nobody may come after this one.
            match given.first() {
                Some(mine) => drop(self.release(mine, deadline.at_most(REQUEST_TIMEOUT))?),
                None => self.release_backlog(eni, deadline)?,
            }
        }
        Ok(())
    }

    /// Makes room for `count` addresses of a family on an ENI that is full, where no other release does: by releasing what
    /// pods had last, and what so may not be taken before it has rested for `delay`; first of `network`. Whether there is some room now.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn make_room_in_reserve(
        &self,
        eni_lock: &mut EniLock<'_>,
        (family, count): (Family, usize),
        (network, delay): (&str, Duration),
        deadline: Deadline,
    ) -> store::Result<bool> {
        if !self.may_ask(eni_lock, deadline) {
            return Ok(false);
        }
        let eni = eni_lock.eni().clone();
        let count = count.min(self.max_per_request);
        let given = self.store.release_unrested((&eni, family), network, (delay, count), deadline)?;
        let Some(mine) = given.first() else { return Ok(false) };
        step(self, eni_lock, Some(mine), deadline)?;
        Ok(!self.store.is_pending(mine)?)
    }
}
