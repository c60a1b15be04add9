//! Pods that start and end together.

use crate::report::{Scale, Section};

pub(crate) fn section(_: Scale) -> Section {
    Section { title: "Pods that start and end together", text: String::new(), plots: Vec::new() }
}
