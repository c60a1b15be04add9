//! The options of an entry of `plugins` that is this plugin's: as one of a chain it has few.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::Ipam;
use super::error::Error;
use super::value::Reader;
use crate::base::suggestion::meant;
use crate::cloud::http::Endpoint;

/// All of them.
const KEYS: &[&str] = &["dataDir", "metadataEndpoint", "logLevel", "logFile", "logFormat"];

/// An entry of a chain, not yet judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainedOptions<'a> {
    entry: Reader<'a>,
    /// What has the same name in both roles means the same.
    ipam: Ipam<'a>,
}

impl<'a> ChainedOptions<'a> {
    /// The entry without the keys of the protocol.
    pub(crate) fn new(entry: &'a Map<String, Value>) -> Self {
        Self { entry: Reader::new(entry), ipam: Ipam::new(entry) }
    }

    /// `dataDir`, where the IPAM plugin of the same network has its records.
    pub(crate) fn data_directory(&self) -> Result<PathBuf, Error> {
        self.ipam.data_directory().map_err(Error::of_a_chain)
    }

    /// `metadataEndpoint`, if it is there.
    pub(crate) fn metadata_endpoint(&self) -> Result<Option<Endpoint>, Error> {
        const WHAT: &str = "the URL of the metadata service";
        let read = || {
            let Some(text) = self.entry.string("metadataEndpoint", WHAT)? else { return Ok(None) };
            let refusal = |error| self.entry.error("metadataEndpoint", &format!("{WHAT}: {error}"));
            Endpoint::parse_any(text).map(Some).map_err(refusal)
        };
        read().map_err(Error::of_a_chain)
    }

    /// Reads all: for the calls that judge the configuration as a whole.
    pub(crate) fn check_all(&self) -> Result<(), Error> {
        self.data_directory()?;
        self.metadata_endpoint()?;
        self.ipam.check_log().map_err(Error::of_a_chain)
    }

    /// What the log says of each key that this version does not know.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let unknown = self.entry.keys().filter(|key| !KEYS.contains(key));
        let warning = |key| {
            let meant = meant(key, KEYS).map(|meant| format!("; did you mean {meant}?"));
            format!("the chained plugin has the key {key}, which has no effect{}", meant.unwrap_or_default())
        };
        unknown.map(warning).collect()
    }
}
