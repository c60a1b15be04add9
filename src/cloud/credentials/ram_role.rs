//! The role of the instance itself, whose keys the metadata service gives out.

use super::error::Error;
use super::keys;
use super::origin::{Absence, Origin};
use crate::base::access_key::AccessKey;
use crate::base::deadline::Deadline;
use crate::base::environment::Environment;
use crate::cloud::metadata::Metadata;
use crate::cloud::rpc::signature::percent_encode;

const PATH: &str = "meta-data/ram/security-credentials/";
const DISABLED: &str = "ALIBABA_CLOUD_ECS_METADATA_DISABLED";

/// The instance's role: the named one, the environment's, or whichever the instance has.
pub(super) fn origin(role_name: Option<&str>, environment: &Environment) -> Result<Origin, Absence> {
    if environment.is_true(DISABLED) {
        return Err(Absence::unset(format!("{DISABLED} is true")));
    }
    let role_name = role_name.or_else(|| environment.get("ALIBABA_CLOUD_ECS_METADATA"));
    Ok(Origin::RamRole { role_name: role_name.map(str::to_owned) })
}

/// A key of the instance's role.
pub(super) fn fetch(
    metadata: &Metadata,
    role_name: Option<&str>,
    deadline: Deadline,
) -> Result<AccessKey, Error> {
    let get = |path: &str| metadata.get(path, deadline).map_err(|error| Error::transient(&error.to_string()));
    let role = match role_name {
        Some(name) => name.to_owned(),
        None => get(PATH)?
            .and_then(|roles| roles.lines().next().map(|role| role.trim().to_owned()))
            .filter(|role| !role.is_empty())
            .ok_or_else(|| Error::lasting("the instance has no RAM role"))?,
    };
    let answer = get(&format!("{PATH}{}", percent_encode(&role)))?
        .ok_or_else(|| Error::lasting(&format!("the instance has no RAM role {role:?}")))?;
    keys::from_flat_json(answer.as_bytes())
        .map_err(|problem| Error::transient(&format!("RAM role {role:?}: {problem}")))
}
