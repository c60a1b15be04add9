//! The settings of the way to ECS, and of who asks.

use std::path::Path;

use super::address::region;
use super::error::Error;
use super::value::Reader;
use crate::base::environment::Environment;
use crate::cloud::credentials::{Source, StsServer};
use crate::cloud::ecs::Settings;
use crate::cloud::http::endpoint::Choice;
use crate::cloud::http::{Endpoint, Proxy};

/// How to reach ECS, and as whom.
#[derive(Clone, Debug)]
pub struct CloudSettings(Settings);

impl CloudSettings {
    pub(super) fn read(ipam: &Reader<'_>) -> Result<Self, Error> {
        let mut settings = Settings { environment: Environment::inherited(), ..Settings::default() };
        let allow_insecure = ipam.flag("allowInsecureEndpoint")?;
        if let Some(text) = ipam.string("endpoint", "the URL of the ECS API")? {
            settings.endpoint = Choice::parse(text, allow_insecure)
                .map_err(|error| ipam.error("endpoint", &format!("the URL of the ECS API: {error}")))?;
        }
        if let Some(text) = ipam.string("metadataEndpoint", "the URL of the metadata service")? {
            settings.metadata_endpoint = Endpoint::parse_any(text).map_err(|error| {
                ipam.error("metadataEndpoint", &format!("the URL of the metadata service: {error}"))
            })?;
        }
        let proxy =
            "\"env\" or the URL of an HTTP proxy, with its scheme, such as \"http://proxy.example.com:3128\"";
        if let Some(proxy) = ipam.read_secret("proxy", proxy, |value| Proxy::parse(value.as_str()?).ok())? {
            settings.proxy = proxy;
        }
        if let Some(method) = ipam.choice("signatureMethod", &["HMAC-SHA1", "ACS3-HMAC-SHA256"])? {
            settings.signature =
                method.parse().map_err(|_| ipam.error("signatureMethod", "a known method"))?;
        }
        settings.ca_file = ipam.absolute_path("caFile")?;
        (settings.credentials, settings.sts) = credentials(ipam, allow_insecure)?;
        Ok(Self(settings))
    }

    /// The client's settings; temporary keys are neither taken from anywhere nor kept.
    #[must_use]
    pub fn keeping_no_keys(self) -> Settings {
        self.0
    }

    /// The client's settings; temporary keys are kept in `directory`.
    #[must_use]
    pub fn keeping_keys_in(self, directory: &Path) -> Settings {
        Settings { cache_dir: Some(directory.to_owned()), ..self.0 }
    }
}

fn credentials(ipam: &Reader<'_>, allow_insecure: bool) -> Result<(Source, StsServer), Error> {
    let Some(section) =
        ipam.object("credentials", "credentials.", r#"an object such as {"source": "env"}"#)?
    else {
        return Ok((Source::Default, StsServer::ByRule));
    };
    let name = section.choice("source", &["default", "env", "file", "ecs-ram-role", "oidc", "uri"])?;
    let expected = "\"vpc\" or the URL of STS";
    let sts = match section.string("stsEndpoint", expected)? {
        None => StsServer::ByRule,
        Some(text) => StsServer::parse(text, region(ipam).ok().flatten(), allow_insecure)
            .map_err(|error| section.error("stsEndpoint", &format!("{expected}: {error}")))?,
    };
    let source = match name.unwrap_or("default") {
        "env" => Source::Environment,
        "file" => Source::File {
            path: section
                .absolute_path("path")?
                .ok_or_else(|| section.error("path", "the absolute path of the credentials file"))?,
            profile: section.string("profile", "the name of a profile")?.map(str::to_owned),
        },
        "ecs-ram-role" => Source::EcsRamRole {
            role_name: section.string("roleName", "the name of a RAM role")?.map(str::to_owned),
        },
        "oidc" => Source::Oidc,
        "uri" => Source::Uri,
        _ => Source::Default,
    };
    Ok((source, sts))
}
