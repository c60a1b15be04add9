//! Whether an ENI is this node's to change.

use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::cloud::metadata;
use crate::cloud::metadata::Metadata;

/// The hardware address of `eni` when it is attached to this instance; nothing when it is not. The service knows a new
/// attachment a few seconds late. Whether a cloud service manages the ENI is in
/// `Eni::service_managed`.
///
/// # Errors
/// When the metadata service does not tell.
pub fn mac_of(
    metadata: &Metadata,
    eni: &EniId,
    deadline: Deadline,
) -> Result<Option<String>, metadata::Error> {
    for mac in metadata.macs(deadline)? {
        if metadata.eni_of_mac(&mac, deadline)?.as_ref() == Some(eni) {
            return Ok(Some(mac));
        }
    }
    Ok(None)
}
