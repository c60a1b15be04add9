//! Keys to sign with: where they come from, and how long they last.
//!
//! A [`Source`] says where to look. Looking finds an origin: a key, or somebody who gives out temporary ones. These are
//! kept for the next process until shortly before they end.

mod assume_role;
mod cache;
mod chain;
mod cli_profile;
mod environment;
mod file;
mod ini_profile;
mod kept;
mod keys;
mod lookup;
mod oidc;
mod ram_role;
mod secret;
mod services;
mod sts;
mod uri;

pub use environment::Environment;
pub use secret::{Credentials, Secret};

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use log::{debug, warn};

use self::cache::Cache;
use self::kept::Kept;
use self::services::Services;
use super::api::Api;
use super::http::Http;
use super::metadata::Metadata;
use super::proxy::Proxy;
use super::resend::Key;
use super::settings::Settings;
use super::text::clean;
use crate::deadline::Deadline;

/// Where keys come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Alibaba Cloud's own chain: the first that has one of the environment, OIDC, the CLI's profile, the SDKs' file,
    /// the instance's RAM role, and a URI.
    #[default]
    Default,
    /// `ALIBABA_CLOUD_ACCESS_KEY_ID` and its companions.
    Environment,
    /// A file in the form of the CLI (`~/.aliyun/config.json`) or of the SDKs (`~/.alibabacloud/credentials`).
    File {
        /// Which.
        path: PathBuf,
        /// The profile or section in it; by default the environment's or the file's own choice.
        profile: Option<String>,
    },
    /// The RAM role of the instance.
    EcsRamRole {
        /// Its name; by default the service is asked.
        role_name: Option<String>,
    },
    /// `AssumeRoleWithOIDC` as RRSA sets it up: `ALIBABA_CLOUD_ROLE_ARN` and its companions.
    Oidc,
    /// The server at `ALIBABA_CLOUD_CREDENTIALS_URI`.
    Uri,
}

/// A key and where it came from.
#[derive(Clone, Debug)]
pub struct Found {
    /// The key.
    pub credentials: Credentials,
    /// Its source, by the name that Alibaba Cloud's SDKs have for it: `env`, `oidc_role_arn`, `cli_profile/static_ak`,
    /// `profile/ram_role_arn/static_ak`, `ecs_ram_role`, `credential_uri`.
    pub source: String,
    /// Whether an earlier process got it.
    pub cached: bool,
}

impl Found {
    pub(super) fn key(self) -> Key {
        Key { credentials: self.credentials, cached: self.cached }
    }
}

/// No key. `Display` says which sources were tried and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    message: String,
    /// Whether the same may succeed later without anybody changing anything.
    pub passing: bool,
}

impl Error {
    fn passing(message: &str) -> Self {
        Self { message: clean(message, 1000), passing: true }
    }

    fn lasting(message: &str) -> Self {
        Self { passing: false, ..Self::passing(message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Finds keys for a client, and remembers the last.
#[derive(Debug)]
pub(super) struct Provider {
    source: Source,
    environment: Environment,
    services: Services,
    last: Mutex<Option<(Kept, String)>>,
}

impl Provider {
    pub(super) fn new(settings: Settings, api: Arc<Api>, metadata: Arc<Metadata>) -> Self {
        let services = Services {
            api,
            metadata,
            direct: Http::new(settings.ca_file, Proxy::None),
            sts_endpoint: settings.sts_endpoint,
            cache: Cache::new(settings.cache_dir),
        };
        Self {
            source: settings.credentials,
            environment: settings.environment,
            services,
            last: Mutex::new(None),
        }
    }

    /// A key that has not ended and is not the `refused` one, if there is another.
    pub(super) fn find(&self, refused: Option<&Credentials>, deadline: Deadline) -> Result<Found, Error> {
        if let Some((kept, source)) = self.last.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
            && kept.is_fresh(SystemTime::now())
            && Some(kept.credentials()) != refused
        {
            return Ok(Found {
                credentials: kept.credentials().clone(),
                source: source.clone(),
                cached: false,
            });
        }
        let found = self.search(refused, deadline)?;
        let kept = Kept::new("", found.credentials.clone(), SystemTime::now());
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((kept, found.source.clone()));
        Ok(found)
    }

    /// Whether any place of the source names an origin. Nobody is asked, so that what a role's service would say stays
    /// open.
    pub(super) fn locate(&self) -> Result<(), Error> {
        let mut failures = Vec::new();
        for (place, locate) in chain::places(&self.source, &self.environment) {
            match locate() {
                Ok(_) => return Ok(()),
                Err(absence) => failures.push(format!("{place}: {}", absence.why)),
            }
        }
        Err(Self::none(&failures, false))
    }

    fn none(tried: &[String], passing: bool) -> Error {
        let message = format!(
            "no credentials found ({}): attach a RAM role to the instance, or set `ipam.credentials`",
            tried.join("; ")
        );
        Error { message: clean(&message, 2000), passing }
    }

    /// Goes through the source's places in their order; the first that has a key wins. One that somebody set up and
    /// that fails is passed over too, as the SDKs do, but not in silence.
    fn search(&self, refused: Option<&Credentials>, deadline: Deadline) -> Result<Found, Error> {
        let mut failures = Vec::new();
        let mut passing = false;
        for (place, located) in chain::places(&self.source, &self.environment) {
            let located = match located() {
                Ok(located) => located,
                Err(absence) => {
                    failures.push((absence.meant, format!("{place}: {}", absence.why)));
                    continue;
                }
            };
            match self.services.obtain(&located.origin, refused, deadline) {
                Ok(Key { credentials, cached }) => {
                    for (_, failure) in failures.iter().filter(|(meant, _)| *meant) {
                        warn!(
                            "using the credentials from {}, because an earlier source failed: {failure}",
                            located.name
                        );
                    }
                    debug!("using the access key {} from {}", credentials.access_key_id, located.name);
                    return Ok(Found { credentials, source: located.name, cached });
                }
                Err(error) => {
                    passing |= error.passing;
                    failures.push((true, format!("{place}: {error}")));
                }
            }
        }
        let tried: Vec<_> = failures.into_iter().map(|(_, failure)| failure).collect();
        Err(Self::none(&tried, passing))
    }
}
