//! The client: its parts put together, and what its callers may ask beside the actions.

use std::cell::RefCell;
use std::rc::Rc;

use super::settings::Settings;
use crate::base::access_key::FoundKey;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::cloud::credentials;
use crate::cloud::credentials::{Provider, Services};
use crate::cloud::http::endpoint::Choice;
use crate::cloud::http::{Endpoint, Http};
use crate::cloud::metadata::Metadata;
use crate::cloud::rpc::{Action, Answer, Api, Asked, Clock, Error, ErrorKind, Failed};

/// A client of the ECS API. It makes one attempt a call; whether to make another is its caller's decision, who knows
/// what the address is doing meanwhile. Only what ECS refuses as stale is sent again at once, with what it lacked.
#[derive(Debug)]
pub struct Client {
    api: Rc<Api>,
    endpoint: Choice,
    metadata: Rc<Metadata>,
    credentials: Provider,
}

impl Client {
    /// A client by `settings`. Dials nothing and reads no file.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let metadata = Rc::new(Metadata::new(settings.metadata_endpoint, &settings.environment));
        let api = Rc::new(Api {
            http: Http::new(settings.ca_file.clone(), settings.proxy),
            signature: settings.signature,
            clock: Clock::default(),
            asked: RefCell::default(),
        });
        let services = Services::new(
            Rc::clone(&api),
            Rc::clone(&metadata),
            settings.ca_file,
            settings.sts,
            settings.cache_dir,
        );
        let credentials = Provider::new(settings.credentials, settings.environment, services);
        Self { api, endpoint: settings.endpoint, metadata, credentials }
    }

    /// The instance metadata of this node.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The server that calls about `region` go to.
    #[must_use]
    pub fn endpoint(&self, region: &RegionId) -> Endpoint {
        self.endpoint.endpoint(region)
    }

    /// The server on this machine that stands for the cloud of `region`, if one does: its ENIs are not those of the same names
    /// elsewhere.
    #[must_use]
    pub fn cloud_on_this_machine(&self, region: &RegionId) -> Option<String> {
        let endpoint = self.endpoint(region);
        endpoint.is_loopback().then(|| endpoint.authority())
    }

    /// The seconds that the clock of ECS is ahead of this node's (behind, when negative), once it has answered.
    #[must_use]
    pub fn clock_skew(&self) -> Option<i64> {
        self.api.clock.skew()
    }

    /// What was asked of ECS, and of STS for a key, since this was called last.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        self.api.asked.take()
    }

    /// The key that calls are signed with, and where it came from: for whoever looks into trouble.
    ///
    /// # Errors
    /// When no source has a key.
    pub fn credentials(&self, deadline: Deadline) -> Result<FoundKey, credentials::Error> {
        self.credentials.find(None, deadline)
    }

    /// Whether the configured source of credentials is there, as far as this node knows by itself: nobody is asked.
    ///
    /// # Errors
    /// When no source names a key, or somebody who gives one out.
    pub fn check_credentials(&self) -> Result<(), credentials::Error> {
        self.credentials.locate()
    }

    /// Whether keys come from the role of the instance, and so from metadata, as far as this node knows by itself.
    #[must_use]
    pub fn has_role_of_instance(&self) -> bool {
        self.credentials.is_role_of_instance()
    }

    /// Calls an action about an ENI.
    pub(super) fn call(
        &self,
        region: &RegionId,
        eni: &EniId,
        action: &Action,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        self.call_in(region, action, deadline).map_err(|error| error.about(eni))
    }

    /// Calls an action about nothing but a region.
    pub(super) fn call_in(
        &self,
        region: &RegionId,
        action: &Action,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        // Without a key, ECS has not done it: either it was not asked, or it has just refused.
        let no_key = |error: credentials::Error| Error {
            kind: ErrorKind::NotSent,
            transient: error.transient,
            ..Error::not_sent(action.name, &error.to_string())
        };
        let key = self.credentials.find(None, deadline).map_err(no_key)?;
        let renew = |refused: &_| self.credentials.find(Some(refused), deadline);
        self.api.call_fresh(&self.endpoint(region), action, key, deadline, renew).map_err(|failed| {
            match failed {
                Failed::Call(error) => error,
                Failed::Key(error) => no_key(error),
            }
        })
    }
}
