//! STS, the service that turns a right to a role into a temporary key: which server, and its answer.

use serde::Deserialize;

use super::error::Error;
use super::keys::{KeyParts, UNREADABLE};
use super::origin::RoleSession;
use crate::base::access_key::AccessKey;
use crate::base::deadline::Deadline;
use crate::base::region::RegionId;
use crate::cloud::http::Endpoint;
use crate::cloud::http::endpoint::InvalidEndpoint;
use crate::cloud::metadata::Metadata;

/// The version of the STS API.
pub(super) const VERSION: &str = "2015-04-01";

/// What says where the server is, for people.
pub(super) const SET_BY: &str = "`ipam.credentials.stsEndpoint`";

/// Which server of STS is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StsServer {
    /// By the official SDKs' rule, from the environment and the profile.
    #[default]
    ByRule,
    /// The one that a VPC reaches without access to the internet. A VPC reaches that of its own region only.
    Vpc {
        /// The node's region, where the configuration has it.
        region: Option<RegionId>,
    },
    /// This one.
    At(Endpoint),
}

impl StsServer {
    /// Reads `vpc` or a URL.
    ///
    /// # Errors
    /// As [`Endpoint::parse`].
    pub fn parse(
        text: &str,
        region: Option<RegionId>,
        allow_insecure: bool,
    ) -> Result<Self, InvalidEndpoint> {
        match text {
            "vpc" => Ok(Self::Vpc { region }),
            url => Endpoint::parse(url, allow_insecure).map(Self::At),
        }
    }

    /// The server for a session.
    pub(super) fn endpoint(
        &self,
        session: &RoleSession,
        metadata: &Metadata,
        deadline: Deadline,
    ) -> Result<Endpoint, Error> {
        let vpc = |region: &RegionId| Endpoint::https(format!("sts-vpc.{region}.aliyuncs.com"));
        match self {
            Self::At(endpoint) => Ok(endpoint.clone()),
            Self::ByRule => Ok(by_rule(session)),
            Self::Vpc { region } => match region.as_ref().or(session.sts_region.as_ref()) {
                Some(region) => Ok(vpc(region)),
                None => metadata.region_id(deadline).map(|region| vpc(&region)).map_err(|error| {
                    let why = "the region of the STS server is not known";
                    Error::transient(&format!("{why}: {error}; set ipam.regionId"))
                }),
            },
        }
    }
}

fn by_rule(session: &RoleSession) -> Endpoint {
    let prefix = if session.sts_vpc { "sts-vpc" } else { "sts" };
    // Without a region there is one server, and it is not inside any VPC.
    Endpoint::https(match &session.sts_region {
        Some(region) => format!("{prefix}.{region}.aliyuncs.com"),
        None => "sts.aliyuncs.com".to_owned(),
    })
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
    use std::time::Duration;

    use super::*;
    use crate::base::environment::Environment;
    use crate::cloud::credentials::origin::RoleSessionParts;

    fn session(region: Option<&'static str>, vpc: bool) -> RoleSession {
        let parts = RoleSessionParts {
            role_arn: Some("r"),
            sts_region: region,
            sts_vpc: Some(vpc),
            ..RoleSessionParts::default()
        };
        parts.complete(&Environment::default()).unwrap()
    }

    /// The server, as far as no metadata is needed.
    fn server(text: Option<&str>, node: Option<&str>, session: &RoleSession) -> Result<String, Error> {
        let region = node.map(|region| RegionId::try_from(region.to_owned()).unwrap());
        let server = text.map(|text| StsServer::parse(text, region, false).unwrap()).unwrap_or_default();
        let nobody = Endpoint::parse_any("http://127.0.0.1:1").unwrap();
        let metadata = Metadata::new(nobody, &Environment::default());
        let soon = Deadline::after(Duration::from_secs(5));
        server.endpoint(session, &metadata, soon).map(|endpoint| endpoint.to_string())
    }

    #[test]
    fn the_server_follows_the_region_and_the_vpc() {
        let host = |region, vpc| server(None, Some("cn-hangzhou"), &session(region, vpc)).unwrap();
        assert_eq!(host(None, false), "https://sts.aliyuncs.com");
        assert_eq!(host(None, true), "https://sts.aliyuncs.com");
        assert_eq!(host(Some("cn-beijing"), false), "https://sts.cn-beijing.aliyuncs.com");
        assert_eq!(host(Some("cn-beijing"), true), "https://sts-vpc.cn-beijing.aliyuncs.com");
    }

    #[test]
    fn a_server_that_is_configured_counts_more_than_environment_and_profile() {
        for vpc in [false, true] {
            let session = session(Some("cn-beijing"), vpc);
            let url = server(Some("https://sts.example.com"), Some("cn-hangzhou"), &session).unwrap();
            assert_eq!(url, "https://sts.example.com");
            let own_region = server(Some("vpc"), Some("cn-hangzhou"), &session).unwrap();
            assert_eq!(own_region, "https://sts-vpc.cn-hangzhou.aliyuncs.com");
            let known_region = server(Some("vpc"), None, &session).unwrap();
            assert_eq!(known_region, "https://sts-vpc.cn-beijing.aliyuncs.com");
        }
        let error = server(Some("vpc"), None, &session(None, true)).unwrap_err();
        assert!(error.transient && error.message.contains("set ipam.regionId"), "{error}");
        assert!(StsServer::parse("http://sts.example.com", None, false).is_err());
        assert!(StsServer::parse("http://sts.example.com", None, true).is_ok());
        assert!(StsServer::parse("http://127.0.0.1:1", None, false).is_ok());
    }
}
