//! Single calls.

use crate::report::{Scale, Section};

pub(crate) fn section(_: Scale) -> Section {
    Section { title: "Single calls", text: String::new(), plots: Vec::new() }
}
