//! The list of attachments that a GC is told to keep (SPEC section 2, "GC").

use serde_json::Value;

use super::attachment::ListedAttachment;
use super::document::Document;
use super::{Code, Error};
use crate::base::attachment::Attachment;
use crate::base::text::kind;

/// The keys of the list of attachments: the specification's, and an older one that runtimes still send beside it.
const VALID_ATTACHMENTS: [&str; 2] = ["cni.dev/valid-attachments", "cni.dev/attachments"];

/// The union of both lists: where they differ, an attachment that is in use according to either keeps its addresses.
pub(super) fn valid_attachments(document: &Document) -> Result<Option<Vec<Attachment>>, Error> {
    let mut union: Option<Vec<Attachment>> = None;
    for key in VALID_ATTACHMENTS {
        let Some(value) = document.value(key) else { continue };
        let refusal =
            |reason| Error::new(Code::INVALID_CONFIG, format!("invalid {key}")).with_details(reason);
        let Value::Array(entries) = value else {
            return Err(refusal(format!("it must be a list, but is {}", kind(value))));
        };
        let union = union.get_or_insert_default();
        for (index, entry) in entries.iter().enumerate() {
            union.push(
                ListedAttachment::deserialize(entry)
                    .map_err(|error| refusal(format!("entry {index}: {error}")))?,
            );
        }
    }
    if let Some(union) = &mut union {
        union.sort_unstable();
        union.dedup();
    }
    Ok(union)
}
