//! A role that another key opens: `AssumeRole` of STS, signed with that key.

use super::lookup::{Origin, Session};
use super::services::Services;
use super::{Credentials, Error, sts};
use crate::deadline::Deadline;
use crate::ecs::api::Action;
use crate::ecs::resend::Failed;

/// A role, and whose key opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AssumedRole {
    pub(super) by: Origin,
    pub(super) session: Session,
}

/// A key of the role.
pub(super) fn fetch(
    role: &AssumedRole,
    services: &Services,
    deadline: Deadline,
) -> Result<Credentials, Error> {
    let session = &role.session;
    let mut parameters = sts::parameters(session);
    parameters.extend(session.external_id.clone().map(|id| ("ExternalId".to_owned(), id)));
    let action = Action { name: "AssumeRole", version: sts::VERSION, mutates: false, parameters };
    let endpoint = sts::endpoint(services.sts_endpoint.as_ref(), session);
    let opener = services.obtain(&role.by, None, deadline)?;
    let renew = |refused: &Credentials| services.obtain(&role.by, Some(refused), deadline);
    match services.api.call_fresh(&endpoint, &action, opener, deadline, renew) {
        Ok(answer) => sts::key(&answer.body),
        Err(Failed::Key(error)) => Err(error),
        Err(Failed::Call(error)) => {
            Err(Error { passing: error.passing, ..Error::lasting(&format!("{}: {error}", session.role_arn)) })
        }
    }
}
