//! The names of values that stay until there are others.

use crate::base::region::Family;

/// When `flush` last ran to its end, in seconds since 1970.
pub(super) const FLUSHED: &str = "flushed";

/// How many addresses of this family the instance type allows each ENI.
pub(super) fn quota(family: &str) -> String {
    format!("quota_{family}")
}

/// The name of a family.
pub(super) fn name_of(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}
