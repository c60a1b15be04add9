//! Choices that can be repeated.

/// `SplitMix64`: a few lines, and good enough to choose what to break next.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    /// An index into so many things.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        let side = self.roll(u64::try_from(count).unwrap_or(u64::MAX));
        usize::try_from(side).unwrap_or_default()
    }
}
