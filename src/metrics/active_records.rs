//! Where the number of active records comes from.

/// Where the number of active records comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActiveRecords {
    /// They are counted.
    Counted,
    /// It is what the store keeps: for ADD and DEL.
    Kept,
}
