//! What the verbs of a chain share.

use std::fmt::Display;
use std::time::Duration;

use crate::base::deadline::Deadline;
use crate::base::environment::Environment;
use crate::cloud::metadata::{Metadata, default_endpoint};
use crate::config::ChainedOptions;
use crate::failure::Result;
use crate::routes::Change;

/// How long one call may take. It is short in general: the kernel answers at once, and metadata is asked once a boot.
const TIMEOUT: Duration = Duration::from_secs(25);

/// By when a call that begins now has answered.
pub(super) fn deadline() -> Deadline {
    Deadline::after(TIMEOUT)
}

/// The metadata service. Nothing is dialled before it is asked.
pub(super) fn metadata(options: &ChainedOptions<'_>) -> Result<Metadata> {
    let endpoint = options.metadata_endpoint()?.unwrap_or_else(default_endpoint);
    Ok(Metadata::new(endpoint, &Environment::inherited()))
}

/// Logs what was changed, and for whom.
pub(super) fn log_changes(changes: &[Change], whom: &dyn Display) {
    for change in changes {
        log::info!("{change}, for {whom}");
    }
}
