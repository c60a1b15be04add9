//! Whom to ask for a key, and how.

use std::sync::Arc;

use super::cache::Cache;
use super::lookup::Origin;
use super::{Credentials, Error, assume_role, oidc, ram_role, uri};
use crate::deadline::Deadline;
use crate::ecs::api::Api;
use crate::ecs::endpoint::Endpoint;
use crate::ecs::http::Http;
use crate::ecs::metadata::Metadata;
use crate::ecs::resend::Key;

/// The services that give out keys, and the cache before them.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) api: Arc<Api>,
    pub(super) metadata: Arc<Metadata>,
    /// The way to a helper on this host, past any proxy.
    pub(super) direct: Http,
    pub(super) sts_endpoint: Option<Endpoint>,
    pub(super) cache: Cache,
}

impl Services {
    /// A key of `origin` that is not the `refused` one, if another can be had.
    pub(super) fn obtain(
        &self,
        origin: &Origin,
        refused: Option<&Credentials>,
        deadline: Deadline,
    ) -> Result<Key, Error> {
        if let Origin::Key(credentials) = origin {
            return Ok(Key { credentials: credentials.clone(), cached: false });
        }
        // A simulator and the real service may share a directory, during a trial.
        let identity = format!("{} at {}", origin.identity(), self.metadata.endpoint());
        self.cache.obtain(&identity, refused, deadline, || self.fetch(origin, deadline))
    }

    fn fetch(&self, origin: &Origin, deadline: Deadline) -> Result<Credentials, Error> {
        match origin {
            Origin::Key(credentials) => Ok(credentials.clone()),
            Origin::RamRole { role_name } => ram_role::fetch(&self.metadata, role_name.as_deref(), deadline),
            Origin::Oidc(role) => oidc::fetch(role, self, deadline),
            Origin::Assumed(role) => assume_role::fetch(role, self, deadline),
            Origin::Uri(uri) => uri::fetch(uri, self, deadline),
        }
    }
}
