//! A role that another key opens: `AssumeRole` of STS, signed with that key.

use super::error::Error;
use super::origin::AssumedRole;
use super::sts;
use crate::base::access_key::{AccessKey, FoundKey};
use crate::base::deadline::Deadline;
use crate::cloud::http::Endpoint;
use crate::cloud::rpc::{Action, Api, Failed};

/// A key of the role. `opener` gets a key that opens it, another than the refused one where one was refused.
pub(super) fn fetch(
    role: &AssumedRole,
    api: &Api,
    endpoint: &Endpoint,
    opener: impl Fn(Option<&AccessKey>) -> Result<FoundKey, Error>,
    deadline: Deadline,
) -> Result<AccessKey, Error> {
    let session = &role.session;
    let mut parameters = sts::parameters(session);
    parameters.extend(session.external_id.clone().map(|id| ("ExternalId".to_owned(), id)));
    let action =
        Action { name: "AssumeRole", version: sts::VERSION, mutates: false, parameters, set_by: sts::SET_BY };
    let renew = |refused: &AccessKey| opener(Some(refused));
    match api.call_fresh(endpoint, &action, opener(None)?, deadline, renew) {
        Ok(answer) => sts::key(answer.read()),
        Err(Failed::Key(error)) => Err(error),
        Err(Failed::Call(error)) => Err(Error {
            transient: error.transient,
            ..Error::lasting(&format!("{}: {error}", session.role_arn))
        }),
    }
}
