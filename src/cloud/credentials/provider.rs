//! Finding a key: the first place of the source that has one.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use log::{debug, warn};

use super::cached_key::CachedKey;
use super::chain;
use super::error::Error;
use super::services::Services;
use super::source::Source;
use crate::base::access_key::Credentials;
use crate::base::deadline::Deadline;
use crate::base::environment::Environment;
use crate::base::text::clean;
use crate::cloud::rpc::Key;

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
    pub(crate) fn key(self) -> Key {
        Key { credentials: self.credentials, cached: self.cached }
    }
}

/// Finds keys for a client, and remembers the last.
#[derive(Debug)]
pub(crate) struct Provider {
    source: Source,
    environment: Environment,
    services: Services,
    last: Mutex<Option<(CachedKey, String)>>,
}

impl Provider {
    pub(crate) fn new(source: Source, environment: Environment, services: Services) -> Self {
        Self { source, environment, services, last: Mutex::new(None) }
    }

    /// A key that has not ended and is not the `refused` one, if there is another.
    pub(crate) fn find(&self, refused: Option<&Credentials>, deadline: Deadline) -> Result<Found, Error> {
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
        let kept = CachedKey::new("", found.credentials.clone(), SystemTime::now());
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((kept, found.source.clone()));
        Ok(found)
    }

    /// Whether any place of the source names an origin. Nobody is asked, so that what a role's service would say stays
    /// open.
    pub(crate) fn locate(&self) -> Result<(), Error> {
        let mut failures = Vec::new();
        for (place, locate) in chain::places(&self.source, &self.environment) {
            match locate() {
                Ok(_) => return Ok(()),
                Err(absence) => failures.push(format!("{place}: {}", absence.why)),
            }
        }
        Err(Self::none(&failures, false))
    }

    fn none(tried: &[String], transient: bool) -> Error {
        let message = format!(
            "no credentials found ({}): attach a RAM role to the instance, or set `ipam.credentials`",
            tried.join("; ")
        );
        Error { message: clean(&message, 2000), transient }
    }

    /// Goes through the source's places in their order; the first that has a key wins. One that somebody set up and
    /// that fails is passed over too, as the SDKs do, but not in silence.
    fn search(&self, refused: Option<&Credentials>, deadline: Deadline) -> Result<Found, Error> {
        let mut failures = Vec::new();
        let mut transient = false;
        for (place, located) in chain::places(&self.source, &self.environment) {
            let located = match located() {
                Ok(located) => located,
                Err(absence) => {
                    failures.push((absence.configured, format!("{place}: {}", absence.why)));
                    continue;
                }
            };
            match self.services.obtain(&located.origin, refused, deadline) {
                Ok(Key { credentials, cached }) => {
                    for (_, failure) in failures.iter().filter(|(configured, _)| *configured) {
                        warn!(
                            "using the credentials from {}, because an earlier source failed: {failure}",
                            located.name
                        );
                    }
                    debug!("using the access key {} from {}", credentials.access_key_id, located.name);
                    return Ok(Found { credentials, source: located.name, cached });
                }
                Err(error) => {
                    transient |= error.transient;
                    failures.push((true, format!("{place}: {error}")));
                }
            }
        }
        let tried: Vec<_> = failures.into_iter().map(|(_, failure)| failure).collect();
        Err(Self::none(&tried, transient))
    }
}
