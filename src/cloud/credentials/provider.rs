//! Finding a key: the first place of the source that has one.

use std::cell::RefCell;
use std::time::SystemTime;

use log::{debug, warn};

use super::cached_key::CachedKey;
use super::chain;
use super::error::Error;
use super::services::Services;
use super::source::Source;
use crate::base::access_key::{AccessKey, FoundKey};
use crate::base::deadline::Deadline;
use crate::base::environment::Environment;
use crate::base::text::clean;

/// Finds keys for a client, and remembers the last.
#[derive(Debug)]
pub(crate) struct Provider {
    source: Source,
    environment: Environment,
    services: Services,
    last: RefCell<Option<(CachedKey, String)>>,
}

impl Provider {
    pub(crate) fn new(source: Source, environment: Environment, services: Services) -> Self {
        Self { source, environment, services, last: RefCell::new(None) }
    }

    /// A key that has not ended and is not the `refused` one, if there is another.
    pub(crate) fn find(&self, refused: Option<&AccessKey>, deadline: Deadline) -> Result<FoundKey, Error> {
        if let Some((last, source)) = &*self.last.borrow()
            && last.is_fresh(SystemTime::now())
            && Some(&last.key) != refused
        {
            return Ok(FoundKey { key: last.key.clone(), source: source.clone(), cached: false });
        }
        let found = self.search(refused, deadline)?;
        let last = CachedKey { key: found.key.clone(), fetched: SystemTime::now() };
        self.last.replace(Some((last, found.source.clone())));
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
        Err(self.none(&failures, false))
    }

    /// Whether the first origin that is there is the role of the instance, or is opened with its key.
    pub(crate) fn is_role_of_instance(&self) -> bool {
        let places = chain::places(&self.source, &self.environment);
        places.into_iter().find_map(|(_, locate)| locate().ok()).is_some_and(|it| it.origin.asks_metadata())
    }

    fn none(&self, tried: &[String], transient: bool) -> Error {
        let advice = match &self.source {
            Source::Default => "attach a RAM role to the instance, or set `ipam.credentials`",
            Source::Environment => {
                "set it for the container runtime's service, or change `ipam.credentials.source`"
            }
            Source::EcsRamRole { .. } => {
                "attach a RAM role to the instance, or change `ipam.credentials.source`"
            }
            Source::File { .. } | Source::Oidc | Source::Uri => {
                "correct this, or change `ipam.credentials.source`"
            }
        };
        let message = format!("no credentials found ({}): {advice}", tried.join("; "));
        Error { message: clean(&message, 2000), transient }
    }

    /// Goes through the source's places in their order; the first that has a key wins. One that somebody set up and
    /// that fails is passed over too, as the SDKs do, but not in silence.
    fn search(&self, refused: Option<&AccessKey>, deadline: Deadline) -> Result<FoundKey, Error> {
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
            match self.services.obtain(&located.origin, located.name, refused, deadline) {
                Ok(found) => {
                    for (_, failure) in failures.iter().filter(|(configured, _)| *configured) {
                        warn!(
                            "using the credentials from {}, because an earlier source failed: {failure}",
                            found.source
                        );
                    }
                    debug!("using the access key {} from {}", found.key.access_key_id, found.source);
                    return Ok(found);
                }
                Err(error) => {
                    transient |= error.transient;
                    failures.push((true, format!("{place}: {error}")));
                }
            }
        }
        let tried: Vec<_> = failures.into_iter().map(|(_, failure)| failure).collect();
        Err(self.none(&tried, transient))
    }
}
