//! STS, the service that turns a right to a role into a temporary key: which server, and its answer.

use serde::Deserialize;

use super::error::Error;
use super::keys::{KeyParts, UNREADABLE};
use super::origin::RoleSession;
use crate::base::access_key::AccessKey;
use crate::cloud::http::Endpoint;

/// The version of the STS API.
pub(super) const VERSION: &str = "2015-04-01";

/// What says where the server is, for people.
pub(super) const SET_BY: &str = "`ipam.credentials.stsEndpoint`";

/// The server for a session: by the official SDKs' rule, unless one is given.
pub(super) fn endpoint(given: Option<&Endpoint>, session: &RoleSession) -> Endpoint {
    let by_rule = || {
        let prefix = if session.sts_vpc { "sts-vpc" } else { "sts" };
        // Without a region there is one server, and it is not inside any VPC.
        Endpoint::https(match &session.sts_region {
            Some(region) => format!("{prefix}.{region}.aliyuncs.com"),
            None => "sts.aliyuncs.com".to_owned(),
        })
    };
    given.cloned().unwrap_or_else(by_rule)
}

/// The session's parameters, as both ways of assuming a role take them.
pub(super) fn parameters(session: &RoleSession) -> Vec<(String, String)> {
    let mut parameters = vec![
        ("RoleArn".to_owned(), session.role_arn.clone()),
        ("RoleSessionName".to_owned(), session.name.clone()),
        ("DurationSeconds".to_owned(), session.seconds.to_string()),
    ];
    parameters.extend(session.policy.clone().map(|policy| ("Policy".to_owned(), policy)));
    parameters
}

/// The answer of STS, as far as it is of interest.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Assumed<'a> {
    #[serde(borrow)]
    credentials: KeyParts<'a>,
}

/// The key in an answer.
pub(super) fn key(answer: Result<Assumed<'_>, String>) -> Result<AccessKey, Error> {
    let key = match answer {
        Ok(assumed) => assumed.credentials.key(),
        Err(_) => Err(UNREADABLE.to_owned()),
    };
    key.map_err(|problem| Error::transient(&format!("STS: {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::environment::Environment;
    use crate::cloud::credentials::origin::RoleSessionParts;

    #[test]
    fn the_server_follows_the_region_and_the_vpc() {
        let host = |region: Option<&'static str>, vpc| {
            let parts = RoleSessionParts {
                role_arn: Some("r"),
                sts_region: region,
                sts_vpc: Some(vpc),
                ..RoleSessionParts::default()
            };
            endpoint(None, &parts.complete(&Environment::default()).unwrap()).to_string()
        };
        assert_eq!(host(None, false), "https://sts.aliyuncs.com");
        assert_eq!(host(None, true), "https://sts.aliyuncs.com");
        assert_eq!(host(Some("cn-beijing"), false), "https://sts.cn-beijing.aliyuncs.com");
        assert_eq!(host(Some("cn-beijing"), true), "https://sts-vpc.cn-beijing.aliyuncs.com");
    }
}
