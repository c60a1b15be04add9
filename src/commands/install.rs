//! `install` and `uninstall`: put this plugin on a node, and take it away again.

use std::path::Path;

use crate::commands::arguments::Arguments;
use crate::commands::consent::Consent;
use crate::commands::error::CommandError;

/// Places the binary, and then, if no check fails, the configuration.
pub(super) fn install(
    _arguments: &Arguments,
    _conflist: Option<&Path>,
    _plugin_directory: Option<&Path>,
) -> Result<(), CommandError> {
    Err(CommandError::Failed("`install` is not there yet".to_owned()))
}

/// Removes the configuration, the releases, the routes and the binary, in this order.
pub(super) fn uninstall(
    _arguments: &Arguments,
    _plugin_directory: Option<&Path>,
    _consent: Consent,
) -> Result<(), CommandError> {
    Err(CommandError::Failed("`uninstall` is not there yet".to_owned()))
}
