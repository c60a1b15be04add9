//! Whom to ask for a key, and how.

use std::path::PathBuf;
use std::rc::Rc;

use super::cache::Cache;
use super::error::Error;
use super::origin::Origin;
use super::sts::StsServer;
use super::{assume_role, oidc, ram_role, uri};
use crate::base::access_key::{AccessKey, FoundKey};
use crate::base::deadline::Deadline;
use crate::cloud::http::{Http, Proxy};
use crate::cloud::metadata::Metadata;
use crate::cloud::rpc::Api;

/// The services that give out keys, and the cache before them.
#[derive(Debug)]
pub(crate) struct Services {
    api: Rc<Api>,
    metadata: Rc<Metadata>,
    /// The way to a helper on this host, past any proxy.
    direct: Http,
    sts: StsServer,
    cache: Cache,
}

impl Services {
    /// The services behind `api` and `metadata`; keys are kept in `cache_dir`, where there is one.
    pub(crate) fn new(
        api: Rc<Api>,
        metadata: Rc<Metadata>,
        ca_file: Option<PathBuf>,
        sts: StsServer,
        cache_dir: Option<PathBuf>,
    ) -> Self {
        Self { api, metadata, direct: Http::new(ca_file, Proxy::None), sts, cache: Cache::new(cache_dir) }
    }

    /// A key of `origin`, found as `source`, that is not the `refused` one, if another can be had.
    pub(super) fn obtain(
        &self,
        origin: &Origin,
        source: String,
        refused: Option<&AccessKey>,
        deadline: Deadline,
    ) -> Result<FoundKey, Error> {
        if let Origin::Key(key) = origin {
            return Ok(FoundKey { key: key.clone(), source, cached: false });
        }
        // A simulator and the real service may share a directory, during a trial.
        let identity = format!("{} at {}", origin.identity(), self.metadata.endpoint());
        let fetch = || self.fetch(origin, deadline);
        let (key, cached) = self.cache.obtain(&identity, refused, deadline, fetch)?;
        Ok(FoundKey { key, source, cached })
    }

    fn fetch(&self, origin: &Origin, deadline: Deadline) -> Result<AccessKey, Error> {
        match origin {
            Origin::Key(key) => Ok(key.clone()),
            Origin::RamRole { role_name } => ram_role::fetch(&self.metadata, role_name.as_deref(), deadline),
            Origin::Oidc(role) => {
                let endpoint = self.sts.endpoint(&role.session, &self.metadata, deadline)?;
                oidc::fetch(role, &self.api, &endpoint, deadline)
            }
            Origin::Assumed(role) => {
                let opener =
                    |refused: Option<&AccessKey>| self.obtain(&role.by, role.by.name(), refused, deadline);
                let endpoint = self.sts.endpoint(&role.session, &self.metadata, deadline)?;
                assume_role::fetch(role, &self.api, &endpoint, opener, deadline)
            }
            Origin::Uri(uri) => uri::fetch(uri, &self.direct, deadline),
        }
    }
}
