//! A fleet.

use crate::report::{Scale, Section};

pub(crate) fn section(_: Scale) -> Section {
    Section { title: "A fleet", text: String::new(), plots: Vec::new() }
}
