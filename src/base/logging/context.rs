//! What the process is doing, of which each of its lines tells.

use super::field::{CONTAINER, Fields, IFNAME, NETWORK, POD, name_of};
use crate::base::attachment::{Attachment, Pod};
use crate::base::printable::line_of;

/// The longest beginning of a line in bytes: a container ID may have any length.
const LONGEST: usize = 300;

/// What the process is doing, of which each of its lines tells.
#[derive(Debug, Default)]
pub struct Context {
    /// The operation, or the command of a person.
    pub(super) verb: String,
    /// What a line of text begins with.
    pub(super) prefix: String,
    pub(super) fields: Fields,
}

impl Context {
    /// For an attachment, whose pod may be known.
    #[must_use]
    pub fn of_attachment(verb: &str, network: &str, attachment: &Attachment, pod: Option<&Pod>) -> Self {
        let mut context = Self::of_network(verb, network);
        context.prefix = line_of(LONGEST, format_args!("{verb} {attachment}"));
        context.fields.set(CONTAINER, &attachment.container_id);
        context.fields.set(IFNAME, &attachment.ifname);
        if let Some(pod) = pod {
            context.fields.set(POD, &name_of(pod));
        }
        context
    }

    /// For a network as a whole.
    #[must_use]
    pub fn of_network(verb: &str, network: &str) -> Self {
        Self { prefix: line_of(LONGEST, format_args!("{verb} {network}")), ..Self::of_command(verb, network) }
    }

    /// For a person, who has the network in mind.
    #[must_use]
    pub fn of_command(verb: &str, network: &str) -> Self {
        let mut fields = Fields::default();
        fields.set(NETWORK, network);
        Self { verb: verb.to_owned(), prefix: verb.to_owned(), fields }
    }
}
