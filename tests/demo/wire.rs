//! What went over the wire.

use harness::simulator::Entry;

/// A request as ECS received it, with its secrets masked.
pub(crate) fn request_line(entry: &Entry) -> String {
    let masked = entry.access_key_id.as_deref().map_or_else(String::new, |id| {
        let (head, tail) = (id.get(..4).unwrap_or_default(), id.len().saturating_sub(4));
        format!("{head}***{}", id.get(tail..).unwrap_or_default())
    });
    let id = entry.access_key_id.as_deref().unwrap_or_default();
    entry.request_line.replace(id, &masked)
}

/// A request and what became of it, in one line.
pub(crate) fn summary(entry: &Entry) -> String {
    let addresses: String =
        entry.addresses.iter().fold(String::new(), |all, address| format!("{all} {address}"));
    let outcome = match (entry.status, &entry.code) {
        (0, _) => "was not answered".to_owned(),
        (status, Some(code)) => format!("was answered {status} {code}"),
        (status, None) => format!("was answered {status}"),
    };
    format!("ECS: {}{addresses} {outcome}", entry.action)
}
