//! What a client has to be told, as plain data.

use std::path::PathBuf;

use crate::base::environment::Environment;
use crate::cloud::credentials::{Source, StsServer};
use crate::cloud::http::endpoint::Choice;
use crate::cloud::http::{Endpoint, Proxy};
use crate::cloud::metadata;
use crate::cloud::rpc::SignatureMethod;

/// How to reach ECS, and as whom. The region is no part of it: each call names that of its ENI.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server of the ECS API.
    pub endpoint: Choice,
    /// The server of STS, which turns a role into a key.
    pub sts: StsServer,
    /// The instance metadata service.
    pub metadata_endpoint: Endpoint,
    /// A PEM file of roots to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The proxy to take to the API and to STS.
    pub proxy: Proxy,
    /// Where the key comes from.
    pub credentials: Source,
    /// How requests are signed.
    pub signature: SignatureMethod,
    /// The directory in which temporary keys are kept for the next process; without one they are not.
    pub cache_dir: Option<PathBuf>,
    /// The variables that Alibaba Cloud's SDKs obey.
    pub environment: Environment,
}

impl Default for Settings {
    /// What works on an instance with a RAM role, without a variable read.
    fn default() -> Self {
        Self {
            endpoint: Choice::default(),
            sts: StsServer::default(),
            metadata_endpoint: metadata::default_endpoint(),
            ca_file: None,
            proxy: Proxy::default(),
            credentials: Source::default(),
            signature: SignatureMethod::default(),
            cache_dir: None,
            environment: Environment::default(),
        }
    }
}
