//! A CNI IPAM plugin for Alibaba Cloud ECS: a pod's address is a secondary private IP of one of the node's elastic
//! network interfaces (ENIs).
//!
//! The product is the binary; `README.md` is for those who use it. This library is its inside, public only for the tests,
//! and may change at any time.
//!
//! # From a call to its answer
//!
//! A container runtime starts the plugin with `CNI_*` variables and a document on stdin. [`cni::read_call`] checks both.
//! [`verbs::serve`] does what the call asks for and passes the answer on to be printed:
//!
//! ```
//! use aliyun_eni_ipam::{cni, verbs};
//!
//! let environment = cni::Environment { command: Some("VERSION".into()), ..Default::default() };
//! let call = cni::read_call(&environment, r#"{"cniVersion": "1.1.0"}"#.as_bytes()).expect("a call");
//!
//! let mut answer = None;
//! let mut print = |document: &serde_json::Value| {
//!     answer = Some(document.clone());
//!     Ok(())
//! };
//! verbs::serve(&call, &mut print).expect("VERSION needs neither a store nor a cloud");
//!
//! let answer = answer.expect("an answer");
//! assert_eq!(answer["cniVersion"], "1.1.0");
//! assert_eq!(answer["supportedVersions"][0], "0.1.0");
//! ```
//!
//! A call that makes no sense is answered with a document, too. It has an error code of the CNI specification:
//!
//! ```
//! use aliyun_eni_ipam::cni;
//!
//! let refusal = cni::read_call(&cni::Environment::default(), "{}".as_bytes()).expect_err("no CNI_COMMAND");
//! assert_eq!(refusal.to_json()["code"], 4);
//! ```
//!
//! # The modules
//!
//! From the top down, and imports run in no other direction:
//!
//! - [`verbs`] serves the calls of container runtimes, `commands` the commands of people;
//! - `pool` gets addresses from ECS and gives them back: whoever holds an ENI's lock releases for everybody;
//! - `config` reads the `ipam` section of a network configuration, `failure` turns what went wrong into CNI errors;
//! - `store` keeps the records, `routes` talks to the kernel's network, `cloud` to Alibaba Cloud, [`cni`] speaks the protocol,
//!   and none of the four knows another;
//! - `base` is for all.
//!
//! `ARCHITECTURE.md` has the promises, the life of a DEL, and the reasons.

mod base;
mod cloud;
pub mod cni;
mod commands;
mod config;
mod context;
mod failure;
mod metrics;
mod node;
mod pool;
mod routes;
mod store;
pub mod verbs;

pub use base::logging;
pub use base::text::plain_words;
pub use commands::run as run_command;
pub use config::Ipam;
pub use failure::{Failure, UnusableEni};

/// What the tests look at directly, by the paths of the rooms that it comes from.
pub mod inside {
    /// Ids and other small things that all rooms use.
    pub mod base {
        pub use crate::base::access_key::{AccessKey, FoundKey};
        pub use crate::base::deadline::Deadline;
        pub use crate::base::eni::EniId;
        pub use crate::base::environment::Environment;
        pub use crate::base::random::hex128;
        pub use crate::base::region::{Family, RegionId};
        #[cfg(feature = "simulation")]
        pub use crate::base::simulation;
    }

    /// The ECS API, credentials, and instance metadata.
    pub mod cloud {
        pub use crate::cloud::credentials::{Source, StsServer};
        pub use crate::cloud::ecs::{Client, EniKind, Quota, Settings, Want, ownership};
        pub use crate::cloud::http::Proxy;
        pub use crate::cloud::http::endpoint::{Choice, Endpoint};
        pub use crate::cloud::metadata;
        pub use crate::cloud::rpc::{Disposition, Error, ErrorKind, SignatureMethod, codes, signature};
    }

    /// The commands for people.
    pub mod commands {
        pub use crate::commands::command_line;
        #[cfg(feature = "simulation")]
        pub use crate::commands::flush_silently;
    }

    /// The `ipam` object.
    pub mod config {
        pub use crate::config::{CREDENTIALS_KEYS, Error, Ipam, KEYS, Key, ReserveSettings};
    }

    /// The kernel's network.
    pub mod routes {
        pub use crate::routes::Error;
    }

    /// The records.
    pub mod store {
        pub use crate::store::{Error, State, Store};
    }
}
