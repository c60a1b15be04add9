//! The profiles of the Alibaba Cloud CLI: `~/.aliyun/config.json`.
//!
//! Source: `cli_profile` in the official SDKs' credentials packages. Modes that need a browser or a program
//! (`CloudSSO`, `OAuth`, `External`) are of no use to a node.

use serde::Deserialize;

use super::origin::{Absence, AssumedRole, Origin, RoleSessionParts};
use super::{oidc, ram_role};
use crate::base::access_key::AccessKey;
use crate::base::environment::Environment;

/// As deep as roles may be opened by roles.
const MAX_CHAIN: usize = 8;

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    current: Option<String>,
    #[serde(default)]
    profiles: Vec<Profile>,
}

/// A profile; which fields it has follows from its mode.
#[expect(clippy::struct_field_names, reason = "the file's names")]
#[derive(Default, Deserialize)]
#[serde(default)]
struct Profile {
    name: Option<String>,
    mode: Option<String>,
    access_key_id: Option<String>,
    access_key_secret: Option<String>,
    sts_token: Option<String>,
    ram_role_name: Option<String>,
    ram_role_arn: Option<String>,
    ram_session_name: Option<String>,
    role_session_name: Option<String>,
    expired_seconds: Option<u64>,
    policy: Option<String>,
    external_id: Option<String>,
    sts_region: Option<String>,
    enable_vpc: Option<bool>,
    source_profile: Option<String>,
    oidc_provider_arn: Option<String>,
    oidc_token_file: Option<String>,
}

/// Whether a text can only be such a file and not one of the other form.
pub(super) fn is_one(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// The origin that a profile names: the given one, the environment's, or the file's current one.
pub(super) fn parse(text: &str, profile: Option<&str>, environment: &Environment) -> Result<Origin, Absence> {
    // The parser's own words would repeat the line, and with it a secret.
    let configuration: Configuration = serde_json::from_str(text)
        .map_err(|_| Absence::broken("it is not a configuration file of the aliyun CLI"))?;
    let name =
        profile.or_else(|| environment.get("ALIBABA_CLOUD_PROFILE")).or(configuration.current.as_deref());
    let name =
        name.filter(|name| !name.is_empty()).ok_or_else(|| Absence::broken("it has no current profile"))?;
    configuration.origin(name, environment, MAX_CHAIN)
}

impl Configuration {
    fn origin(&self, name: &str, environment: &Environment, depth: usize) -> Result<Origin, Absence> {
        let broken = |why: &str| Absence::broken(format!("profile {name:?}: {why}"));
        let within = |absence: Absence| broken(&absence.why);
        let profile = self.profiles.iter().find(|profile| profile.name.as_deref() == Some(name));
        let profile = profile.ok_or_else(|| broken("this profile does not exist"))?;
        match profile.mode.as_deref().unwrap_or_default() {
            "AK" => profile.key(environment).map(Origin::Key).map_err(&broken),
            "StsToken" => {
                let key = profile.key(environment).map_err(&broken)?;
                let token = set(profile.sts_token.as_ref())
                    .or_else(|| environment.get("ALIBABA_CLOUD_SECURITY_TOKEN"))
                    .ok_or_else(|| broken("it has no sts_token"))?;
                let secret = key.access_key_secret.expose();
                Ok(Origin::Key(AccessKey::temporary(&key.access_key_id, secret, token, None)))
            }
            "EcsRamRole" => {
                ram_role::origin(set(profile.ram_role_name.as_ref()), environment).map_err(&within)
            }
            "OIDC" => oidc::role(
                set(profile.oidc_provider_arn.as_ref()),
                set(profile.oidc_token_file.as_ref()),
                profile.session(),
                environment,
            )
            .map_err(&within),
            "RamRoleArn" => {
                let by = Origin::Key(profile.key(environment).map_err(&broken)?);
                profile.assumed(by, environment).map_err(&within)
            }
            "ChainableRamRoleArn" => {
                let source =
                    set(profile.source_profile.as_ref()).ok_or_else(|| broken("it has no source_profile"))?;
                let depth =
                    depth.checked_sub(1).ok_or_else(|| broken("its source_profile leads back to itself"))?;
                profile.assumed(self.origin(source, environment, depth)?, environment).map_err(&within)
            }
            mode => Err(broken(&format!("mode {mode:?} is not supported"))),
        }
    }
}

impl Profile {
    /// The key, with that half from the environment which the profile leaves out: so do the SDKs.
    fn key(&self, environment: &Environment) -> Result<AccessKey, &'static str> {
        let half = |own: Option<&String>, variable: &str| {
            set(own).or_else(|| environment.get(variable)).map(str::to_owned)
        };
        let id = half(self.access_key_id.as_ref(), "ALIBABA_CLOUD_ACCESS_KEY_ID");
        let secret = half(self.access_key_secret.as_ref(), "ALIBABA_CLOUD_ACCESS_KEY_SECRET");
        Ok(AccessKey::permanent(
            &id.ok_or("it has no access_key_id")?,
            &secret.ok_or("it has no access_key_secret")?,
        ))
    }

    fn session(&self) -> RoleSessionParts<'_> {
        RoleSessionParts {
            role_arn: set(self.ram_role_arn.as_ref()),
            // The SDKs do not agree on the field's name.
            name: set(self.ram_session_name.as_ref()).or(set(self.role_session_name.as_ref())),
            seconds: self.expired_seconds,
            policy: set(self.policy.as_ref()),
            external_id: set(self.external_id.as_ref()),
            sts_region: set(self.sts_region.as_ref()),
            sts_vpc: self.enable_vpc,
        }
    }

    fn assumed(&self, by: Origin, environment: &Environment) -> Result<Origin, Absence> {
        Ok(Origin::Assumed(Box::new(AssumedRole { by, session: self.session().complete(environment)? })))
    }
}

/// A field that has something in it. The CLI writes fields that do not apply as empty texts.
fn set(field: Option<&String>) -> Option<&str> {
    field.map(String::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"current": "static", "profiles": [
        {"name": "static", "mode": "AK", "access_key_id": "AK1", "access_key_secret": "s1", "sts_token": "",
         "region_id": "cn-hangzhou", "expired_seconds": 900, "process_command": ""},
        {"name": "token", "mode": "StsToken", "access_key_id": "STS.1", "access_key_secret": "s2", "sts_token": "t"},
        {"name": "role", "mode": "RamRoleArn", "access_key_id": "AK1", "access_key_secret": "s1",
         "ram_role_arn": "acs:ram::1:role/a", "ram_session_name": "me", "expired_seconds": 900, "sts_region": "cn-beijing"},
        {"name": "node", "mode": "EcsRamRole", "ram_role_name": "NodeRole"},
        {"name": "pod", "mode": "OIDC", "ram_role_arn": "acs:ram::1:role/b", "oidc_provider_arn": "p",
         "oidc_token_file": "/t"},
        {"name": "chain", "mode": "ChainableRamRoleArn", "source_profile": "node", "ram_role_arn": "acs:ram::1:role/c"},
        {"name": "circle", "mode": "ChainableRamRoleArn", "source_profile": "circle", "ram_role_arn": "r"},
        {"name": "browser", "mode": "CloudSSO"},
        {"name": "empty", "mode": "AK", "access_key_id": ""}]}"#;

    fn origin(profile: Option<&str>) -> Result<Origin, Absence> {
        parse(FILE, profile, &Environment::default())
    }

    #[test]
    fn each_mode_names_its_origin() {
        for (profile, name, identity) in [
            (None, "static_ak", "key AK1"),
            (Some("static"), "static_ak", "key AK1"),
            (Some("token"), "static_sts", "key STS.1"),
            (Some("role"), "ram_role_arn/static_ak", "role/a me 900"),
            (Some("node"), "ecs_ram_role", "ecs_ram_role NodeRole"),
            (Some("pod"), "oidc_role_arn", "role/b"),
            (Some("chain"), "ram_role_arn/ecs_ram_role", "role/c"),
        ] {
            let origin = origin(profile).unwrap();
            assert_eq!(origin.name(), name);
            assert!(origin.identity().contains(identity), "{}", origin.identity());
        }
    }

    #[test]
    fn the_environment_chooses_the_profile_before_the_file_does() {
        let environment: Environment = [("ALIBABA_CLOUD_PROFILE", "node")].into_iter().collect();
        assert_eq!(parse(FILE, None, &environment).unwrap().name(), "ecs_ram_role");
        assert_eq!(parse(FILE, Some("token"), &environment).unwrap().name(), "static_sts");
    }

    #[test]
    fn a_profile_that_cannot_be_used_says_why_without_its_secrets() {
        for (profile, words) in [
            ("circle", "back to itself"),
            ("browser", "CloudSSO"),
            ("empty", "access_key_id"),
            ("other", "does not exist"),
        ] {
            let absence = origin(Some(profile)).unwrap_err();
            assert!(
                absence.configured && absence.why.contains(words) && absence.why.contains(profile),
                "{absence:?}"
            );
        }
    }

    #[test]
    fn a_file_of_another_shape_is_refused_without_repeating_it() {
        for text in ["{", "[]", r#"{"profiles": "s1"}"#, r#"{"profiles": [{"access_key_secret": 17}]}"#, "{}"]
        {
            let absence = parse(text, None, &Environment::default()).unwrap_err();
            assert!(
                absence.configured && !absence.why.contains("s1") && !absence.why.contains("17"),
                "{absence:?}"
            );
        }
    }
}
