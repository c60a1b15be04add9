//! Where a key is to be had, before anybody is asked for it.

use std::path::PathBuf;

use super::error::Error;
use crate::base::access_key::AccessKey;
use crate::base::environment::Environment;
use crate::base::region::RegionId;

/// A place that a source names: a key, or somebody who gives out temporary ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The key itself.
    Key(AccessKey),
    /// The instance's RAM role.
    RamRole { role_name: Option<String> },
    /// A role that a token of an identity provider opens.
    Oidc(OidcRole),
    /// A role that another key opens.
    Assumed(Box<AssumedRole>),
    /// A server that answers with a key.
    Uri(String),
}

impl Origin {
    /// Whether instance metadata is asked for its key.
    pub(super) fn asks_metadata(&self) -> bool {
        match self {
            Self::RamRole { .. } => true,
            Self::Assumed(role) => role.by.asks_metadata(),
            Self::Key(_) | Self::Oidc(_) | Self::Uri(_) => false,
        }
    }
}

/// A role, and whose key opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AssumedRole {
    pub(super) by: Origin,
    pub(super) session: RoleSession,
}

/// A role, and where the token is that opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OidcRole {
    pub(super) provider_arn: String,
    pub(super) token_file: PathBuf,
    pub(super) session: RoleSession,
}

/// An origin, with the name that Alibaba Cloud's SDKs have for the way it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) origin: Origin,
    pub(super) name: String,
}

/// Why a source names no origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Absence {
    pub(super) why: String,
    /// Whether somebody set it up, so that going on to the next source deserves a warning.
    pub(super) configured: bool,
}

impl Absence {
    /// Nobody has set this source up.
    pub(super) fn unset(why: impl Into<String>) -> Self {
        Self { why: why.into(), configured: false }
    }

    /// Somebody has, and it cannot be used.
    pub(super) fn broken(why: impl Into<String>) -> Self {
        Self { why: why.into(), configured: true }
    }
}

impl From<Error> for Absence {
    fn from(error: Error) -> Self {
        Self::broken(error.message)
    }
}

impl Origin {
    /// The name that Alibaba Cloud's SDKs have for such an origin.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Key(key) if key.security_token.is_some() => "static_sts".to_owned(),
            Self::Key(_) => "static_ak".to_owned(),
            Self::RamRole { .. } => "ecs_ram_role".to_owned(),
            Self::Oidc(_) => "oidc_role_arn".to_owned(),
            Self::Assumed(role) => format!("ram_role_arn/{}", role.by.name()),
            Self::Uri(_) => "credential_uri".to_owned(),
        }
    }

    /// What tells its keys from those of any other origin; no secret.
    pub(super) fn identity(&self) -> String {
        match self {
            Self::Key(key) => format!("key {}", key.access_key_id),
            Self::RamRole { role_name } => format!("ecs_ram_role {}", role_name.as_deref().unwrap_or("*")),
            Self::Oidc(role) => {
                format!("oidc {} {} {}", role.provider_arn, role.token_file.display(), role.session)
            }
            Self::Assumed(role) => format!("assumed {} by {}", role.session, role.by.identity()),
            Self::Uri(uri) => format!("uri {uri}"),
        }
    }
}

/// A session of a role, as STS is asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RoleSession {
    pub(super) role_arn: String,
    pub(super) name: String,
    /// How long its key is to last, in seconds.
    pub(super) seconds: u64,
    pub(super) policy: Option<String>,
    pub(super) external_id: Option<String>,
    /// Which STS server: the region's, and the one inside the VPC.
    pub(super) sts_region: Option<RegionId>,
    pub(super) sts_vpc: bool,
}

impl std::fmt::Display for RoleSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (policy, external_id) = (self.policy.as_deref(), self.external_id.as_deref());
        write!(f, "{} {} {} {policy:?} {external_id:?}", self.role_arn, self.name, self.seconds)
    }
}

/// The parts of a [`RoleSession`] as an environment or a file gives them.
#[derive(Default)]
pub(super) struct RoleSessionParts<'a> {
    pub(super) role_arn: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) seconds: Option<u64>,
    pub(super) policy: Option<&'a str>,
    pub(super) external_id: Option<&'a str>,
    pub(super) sts_region: Option<&'a str>,
    pub(super) sts_vpc: Option<bool>,
}

/// The name of a session that nobody has named. It shows up in the account's audit trail.
const SESSION_NAME: &str = "aliyun-eni-ipam";

impl RoleSessionParts<'_> {
    /// Fills in from the environment what is missing, by the SDKs' rules.
    pub(super) fn complete(self, environment: &Environment) -> Result<RoleSession, Absence> {
        let role_arn = self.role_arn.or_else(|| environment.get("ALIBABA_CLOUD_ROLE_ARN"));
        let name =
            self.name.or_else(|| environment.get("ALIBABA_CLOUD_ROLE_SESSION_NAME")).unwrap_or(SESSION_NAME);
        let seconds = self.seconds.filter(|seconds| *seconds != 0).unwrap_or(3600);
        if seconds < 900 {
            return Err(Absence::broken(format!(
                "the session duration is {seconds} s, but STS needs at least 900 s"
            )));
        }
        let region = self.sts_region.or_else(|| environment.get("ALIBABA_CLOUD_STS_REGION"));
        let region = region.map(|id| RegionId::try_from(id.to_owned())).transpose();
        Ok(RoleSession {
            role_arn: role_arn.ok_or_else(|| Absence::broken("the ARN of the role is missing"))?.to_owned(),
            name: name.to_owned(),
            seconds,
            policy: self.policy.map(str::to_owned),
            external_id: self.external_id.map(str::to_owned),
            sts_region: region.map_err(|error| Absence::broken(error.to_string()))?,
            sts_vpc: self
                .sts_vpc
                .unwrap_or_else(|| environment.is_true("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::environment::Environment;

    #[test]
    fn a_session_takes_from_the_environment_what_its_file_leaves_out() {
        let environment: Environment = [
            ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/env"),
            ("ALIBABA_CLOUD_ROLE_SESSION_NAME", "env"),
            ("ALIBABA_CLOUD_STS_REGION", "cn-beijing"),
            ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "TRUE"),
        ]
        .into_iter()
        .collect();
        let session = RoleSessionParts::default().complete(&environment).unwrap();
        assert_eq!((session.role_arn.as_str(), session.name.as_str()), ("acs:ram::1:role/env", "env"));
        assert_eq!((session.sts_region.unwrap().as_str(), session.sts_vpc), ("cn-beijing", true));
        assert_eq!(session.seconds, 3600);

        let own =
            RoleSessionParts { role_arn: Some("own"), sts_vpc: Some(false), ..RoleSessionParts::default() };
        let session = own.complete(&environment).unwrap();
        assert_eq!((session.role_arn.as_str(), session.sts_vpc), ("own", false));
    }

    #[test]
    fn a_session_that_sts_would_refuse_is_not_asked_for() {
        let none = Environment::default();
        assert!(RoleSessionParts::default().complete(&none).is_err());
        let short =
            RoleSessionParts { role_arn: Some("r"), seconds: Some(899), ..RoleSessionParts::default() };
        assert!(short.complete(&none).is_err());
        let elsewhere = RoleSessionParts {
            role_arn: Some("r"),
            sts_region: Some("x.evil.com/"),
            ..RoleSessionParts::default()
        };
        assert!(elsewhere.complete(&none).is_err());
    }
}
