//! The section as the runtime sent it, read one group at a time.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::address::AddressSettings;
use super::cloud::CloudSettings;
use super::error::Error;
use super::keys::UnknownKey;
use super::plugins::TYPE;
use super::reserve::ReserveSettings;
use super::value::Reader;
use crate::base::foreign::ForeignAddresses;
use crate::base::logging::{Format, Settings};

/// What `logLevel` may be.
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// What `logFormat` may be.
const FORMATS: &[&str] = &["text", JSON];

const JSON: &str = "json";

/// The `ipam` section, not yet judged.
#[derive(Clone, Copy, Debug)]
pub struct Ipam<'a>(Reader<'a>);

impl<'a> Ipam<'a> {
    /// The section as the runtime sent it.
    #[must_use]
    pub fn new(section: &'a Map<String, Value>) -> Self {
        Self(Reader::new(section))
    }

    /// The keys that this version does not know, in order. They deserve a warning, not an error.
    #[must_use]
    pub fn unknown_keys(&self) -> Vec<UnknownKey> {
        let own = self.0.keys().filter_map(UnknownKey::of_ipam);
        let credentials = self.0.object("credentials", "credentials.", "").ok().flatten();
        let nested = credentials.iter().flat_map(Reader::keys).filter_map(UnknownKey::of_credentials);
        let mut unknown: Vec<_> = own.chain(nested).collect();
        unknown.sort();
        unknown
    }

    /// `dataDir`.
    pub fn data_directory(&self) -> Result<PathBuf, Error> {
        Ok(self.0.absolute_path("dataDir")?.unwrap_or_else(|| "/var/lib/cni/aliyun-eni-ipam".into()))
    }

    /// `timeoutSeconds`: the whole of one call.
    pub fn timeout(&self) -> Result<Duration, Error> {
        self.0.seconds("timeoutSeconds", 1..=600, 25)
    }

    /// `onReleaseFailure`: whether a DEL fails if its addresses could not be released in time, instead of leaving the release
    /// to later calls.
    pub fn fails_when_not_released(&self) -> Result<bool, Error> {
        Ok(self.0.choice("onReleaseFailure", &["defer", "fail"])? == Some("fail"))
    }

    /// `maxAddressesPerCall`. ECS may take fewer, which is then remembered of the ENI.
    pub fn max_per_request(&self) -> Result<usize, Error> {
        let most = self.0.integer("maxAddressesPerCall", 1..=50, 32)?;
        Ok(usize::try_from(most).unwrap_or(32))
    }

    /// `foreignAddresses`: what is on the ENI for other software.
    pub fn foreign_addresses(&self) -> Result<ForeignAddresses, Error> {
        self.0.blocks("foreignAddresses").map(|blocks| ForeignAddresses::new(blocks.unwrap_or_default()))
    }

    /// `reserve` and `reuseDelaySeconds`.
    pub fn reserve(&self) -> Result<ReserveSettings, Error> {
        ReserveSettings::read(&self.0)
    }

    /// `waitForAddress`: how long an ADD waits until metadata shows the addresses on the ENI.
    pub fn wait_for_address(&self) -> Result<Duration, Error> {
        self.0.seconds("waitForAddress", 0..=60, 0)
    }

    /// `gcGraceSeconds`: GC leaves records alone that are younger.
    pub fn gc_grace(&self) -> Result<Duration, Error> {
        self.0.seconds("gcGraceSeconds", 0..=86_400, 60)
    }

    /// `statusFailsWhenFull`.
    pub fn status_fails_when_full(&self) -> Result<bool, Error> {
        self.0.flag("statusFailsWhenFull")
    }

    /// `metricsFile`.
    pub fn metrics_file(&self) -> Result<Option<PathBuf>, Error> {
        self.0.absolute_path("metricsFile")
    }

    /// `logLevel`, `logFile` and `logFormat`. A value that cannot be used counts as absent: the log must not make a call fail.
    #[must_use]
    pub fn log(&self) -> Settings {
        let level = self.0.choice("logLevel", LEVELS).ok().flatten();
        let file = self.0.absolute_path("logFile").ok().flatten();
        let format = self.0.choice("logFormat", FORMATS).ok().flatten();
        Settings {
            level: level.and_then(|level| level.parse().ok()).unwrap_or(log::LevelFilter::Info),
            file: file.unwrap_or_else(|| "/var/log/aliyun-eni-ipam.log".into()),
            format: if format == Some(JSON) { Format::Json } else { Format::Text },
        }
    }

    /// Whether the log's settings can be used.
    pub(super) fn check_log(&self) -> Result<(), Error> {
        self.0.choice("logLevel", LEVELS)?;
        self.0.absolute_path("logFile")?;
        self.0.choice("logFormat", FORMATS)?;
        Ok(())
    }

    /// Everything about the way to ECS.
    pub fn cloud(&self) -> Result<CloudSettings, Error> {
        CloudSettings::read(&self.0)
    }

    /// Everything about where a pod's address comes from, and the result.
    pub fn address(&self) -> Result<AddressSettings, Error> {
        AddressSettings::read(&self.0)
    }

    /// Reads every group: for the calls that judge the configuration as a whole.
    pub fn check_all(&self) -> Result<(), Error> {
        if self.0.choice("type", &[TYPE])?.is_none() {
            return Err(self.0.error("type", "\"aliyun-eni-ipam\""));
        }
        self.data_directory()?;
        self.timeout()?;
        self.fails_when_not_released()?;
        self.max_per_request()?;
        self.reserve()?;
        self.foreign_addresses()?;
        self.wait_for_address()?;
        self.gc_grace()?;
        self.status_fails_when_full()?;
        self.check_log()?;
        self.metrics_file()?;
        self.cloud()?;
        self.address()?;
        Ok(())
    }
}
