//! A role that a token of an identity provider opens: `AssumeRoleWithOIDC` of STS, as RRSA sets it up for a pod.

use super::error::Error;
use super::origin::{Absence, OidcRole, Origin, RoleSessionParts};
use super::{file, sts};
use crate::base::access_key::AccessKey;
use crate::base::deadline::Deadline;
use crate::base::environment::Environment;
use crate::cloud::http::{Endpoint, Request};
use crate::cloud::rpc::reply::Reply;
use crate::cloud::rpc::signature::percent_encode;
use crate::cloud::rpc::{Api, PATIENCE, reply};

/// The role that the environment names with all three of its variables.
pub(super) fn from_environment(environment: &Environment) -> Result<Origin, Absence> {
    const VARIABLES: [&str; 3] =
        ["ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE"];
    if let Some(missing) = VARIABLES.iter().find(|name| environment.get(name).is_none()) {
        return Err(Absence::unset(format!("{missing} is not set")));
    }
    role(None, None, RoleSessionParts::default(), environment)
}

/// The role of these parts, completed from the environment.
pub(super) fn role(
    provider_arn: Option<&str>,
    token_file: Option<&str>,
    session: RoleSessionParts<'_>,
    environment: &Environment,
) -> Result<Origin, Absence> {
    let part = |own: Option<&str>, variable: &str, what: &str| {
        let part = own.or_else(|| environment.get(variable)).map(str::to_owned);
        part.ok_or_else(|| Absence::broken(format!("the {what} is missing")))
    };
    Ok(Origin::Oidc(OidcRole {
        provider_arn: part(provider_arn, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ARN of the OIDC provider")?,
        token_file: part(token_file, "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "file with the OIDC token")?.into(),
        session: session.complete(environment)?,
    }))
}

/// A key of the role. The request is not signed; the token, read anew each time, is what it proves itself with, so it
/// goes into the body: queries end up in logs.
pub(super) fn fetch(
    role: &OidcRole,
    api: &Api,
    endpoint: &Endpoint,
    deadline: Deadline,
) -> Result<AccessKey, Error> {
    let about = |problem: &str| format!("{}: {problem}", role.session.role_arn);
    let token = file::read(&role.token_file).map_err(|problem| Error::lasting(&about(&problem)))?;
    if token.trim().is_empty() {
        return Err(Error::lasting(&about(&format!("{} is empty", role.token_file.display()))));
    }
    let mut form = sts::parameters(&role.session);
    form.push(("OIDCProviderArn".to_owned(), role.provider_arn.clone()));
    form.push(("OIDCToken".to_owned(), token.clone()));
    let pairs: Vec<_> =
        form.iter().map(|(name, value)| format!("{name}={}", percent_encode(value))).collect();
    let timestamp = percent_encode(&api.clock.timestamp());
    let request = Request {
        method: "POST",
        endpoint,
        target: &format!(
            "/?Action=AssumeRoleWithOIDC&Format=JSON&Timestamp={timestamp}&Version={}",
            sts::VERSION
        ),
        headers: &[("content-type", "application/x-www-form-urlencoded".to_owned())],
        body: &pairs.join("&"),
        patience: PATIENCE,
        set_by: sts::SET_BY,
    };
    let response = api.http.exchange(&request, deadline).map_err(|failure| Error {
        transient: failure.transient,
        ..Error::lasting(&about(&failure.message))
    })?;
    match reply::read(&endpoint.authority(), response.status, &response.body) {
        Reply::Done { .. } => sts::key(reply::object(&response.body)),
        Reply::Refused { code, message, request_id } => {
            let message = message.replace(token.trim(), "(secret)");
            let request_id = request_id.unwrap_or_default();
            Err(Error::lasting(&about(&format!("STS refused: {code}: {message}; RequestId {request_id}"))))
        }
        Reply::Other(problem) => Err(Error::transient(&about(&problem))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(without: &str) -> Environment {
        [
            ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/x"),
            ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/ack"),
            ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/var/run/token"),
        ]
        .into_iter()
        .filter(|(name, _)| *name != without)
        .collect()
    }

    #[test]
    fn the_environment_names_a_role_with_all_three_variables_or_none() {
        assert!(matches!(from_environment(&environment("")), Ok(Origin::Oidc(_))));
        for missing in
            ["ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE"]
        {
            let absence = from_environment(&environment(missing)).unwrap_err();
            assert!(!absence.configured && absence.why.contains(missing), "{absence:?}");
        }
    }
}
