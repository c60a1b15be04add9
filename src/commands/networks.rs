//! The network configurations on the node's disk, where container runtimes look for them too.

use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::base::logging;
use crate::base::text::reason;
use crate::cni::without_protocol_keys;
use crate::config::{
    AddressSettings, ChainedOptions, Error, Ipam, TYPE, is_chained, is_of_this_plugin, plugins_of,
};

/// The key that names what is on an ENI for other software.
const FOREIGN: &str = "foreignAddresses";

/// A configured network that uses this plugin.
pub(super) struct Network {
    name: String,
    ipam: Map<String, Value>,
    /// The type of the main plugin, which has this section.
    main_plugin: Option<String>,
    chain: Chain,
    /// The file that configures it; empty for [`Network::with_defaults`].
    file: PathBuf,
}

/// Where this plugin stands in `plugins` as the one that routes the pods of the main plugin.
enum Chain {
    Nowhere,
    /// Before the main plugin, where it has nothing to route.
    InFront,
    /// Behind the main plugin, with these keys.
    Behind(Map<String, Value>),
}

/// The contents of a file or a directory of configurations.
pub(super) struct Configuration {
    path: PathBuf,
    /// The files, in the order in which a runtime looks at them.
    pub(super) files: Vec<PathBuf>,
    /// The networks that use this plugin.
    pub(super) networks: Vec<Network>,
    /// The files that are not a readable configuration, each with the reason.
    pub(super) broken: Vec<(PathBuf, String)>,
    /// The other files, and the plugins that they use.
    others: Vec<(PathBuf, String)>,
}

impl Network {
    /// A network without keys, for a node that has no configuration yet.
    pub(super) fn with_defaults() -> Self {
        let ipam = Map::from_iter([("type".to_owned(), TYPE.into())]);
        Self { name: String::new(), ipam, main_plugin: None, chain: Chain::Nowhere, file: PathBuf::new() }
    }

    /// The network whose main plugin is the one at `at`, if its `ipam` is this plugin's.
    fn of(name: &str, plugins: &[Value], at: usize, file: &Path) -> Option<Self> {
        let ipam = plugins[at]["ipam"].as_object().filter(|ipam| is_of_this_plugin(ipam))?;
        let mut behind = plugins[at..].iter().skip(1).filter(|it| is_chained(it));
        let chain = match behind.next().and_then(Value::as_object) {
            Some(keys) => Chain::Behind(without_protocol_keys(keys.clone())),
            None if plugins[..at].iter().any(is_chained) => Chain::InFront,
            None => Chain::Nowhere,
        };
        let main_plugin = plugins[at]["type"].as_str().map(str::to_owned);
        Some(Self { name: name.to_owned(), ipam: ipam.clone(), main_plugin, chain, file: file.to_owned() })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn ipam(&self) -> Ipam<'_> {
        Ipam::new(&self.ipam)
    }

    /// Where its pods' addresses come from.
    pub(super) fn addresses(&self) -> Result<AddressSettings, Error> {
        self.ipam().address().map(|settings| settings.below(self.main_plugin.as_deref()))
    }

    /// The type of the main plugin.
    pub(super) fn main_plugin(&self) -> &str {
        self.main_plugin.as_deref().unwrap_or_default()
    }

    /// The store by its real name, which need not exist yet.
    ///
    /// # Errors
    /// When `dataDir` cannot be used.
    pub(super) fn store_directory(&self) -> Result<PathBuf, Error> {
        self.ipam().data_directory().map(|directory| real(&directory))
    }

    /// The options of the entry behind the main plugin that routes its pods.
    pub(super) fn chained(&self) -> Option<ChainedOptions<'_>> {
        match &self.chain {
            Chain::Behind(keys) => Some(ChainedOptions::new(keys)),
            Chain::InFront | Chain::Nowhere => None,
        }
    }

    /// Whether that entry stands before the main plugin, and none behind it.
    pub(super) fn is_chained_in_front(&self) -> bool {
        matches!(self.chain, Chain::InFront)
    }

    /// Whether the plugin routes this network's pods: the entry behind the main plugin has the same store.
    pub(super) fn is_routed(&self) -> bool {
        let is_same = |one: PathBuf| self.store_directory().is_ok_and(|other| real(&one) == other);
        self.chained().and_then(|chained| chained.data_directory().ok()).is_some_and(is_same)
    }

    /// The entry that routes this network's pods, to be added behind the main plugin, for people.
    pub(super) fn entry(&self) -> Value {
        let mut entry = json!({ "type": TYPE });
        for key in ["dataDir", "metadataEndpoint", "logLevel", "logFile", "logFormat"] {
            if let Some(value) = self.ipam.get(key).filter(|value| !value.is_null()) {
                entry[key] = value.clone();
            }
        }
        entry
    }

    /// The values of these keys, as they stand there.
    pub(super) fn values(&self, keys: &[&str]) -> Vec<Option<&Value>> {
        keys.iter().map(|key| self.ipam.get(*key).filter(|value| !value.is_null())).collect()
    }

    /// Starts the log that the network is configured to have, for the command of this name.
    pub(super) fn start_log(&self, command: &str) {
        logging::start(&self.ipam().log());
        logging::context(logging::Context::of_command(command, self.name()));
    }
}

impl Configuration {
    /// Reads the file or the directory `path`.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        Ok(Self::of_files(path, files(path)?))
    }

    /// Reads the directory as it will be when it has `file` as well, instead of the one of the same name. It need not exist yet.
    pub(super) fn read_with(directory: &Path, file: &Path) -> Result<Self, String> {
        let mut files = if directory.exists() { files(directory)? } else { Vec::new() };
        files.retain(|other| other.file_name() != file.file_name());
        files.push(file.to_owned());
        files.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
        Ok(Self::of_files(directory, files))
    }

    /// Reads these files, in the order in which a runtime looks at them.
    pub(super) fn of_files(path: &Path, files: Vec<PathBuf>) -> Self {
        let path = path.to_owned();
        let mut found = Self { path, files, networks: Vec::new(), broken: Vec::new(), others: Vec::new() };
        for file in &found.files {
            match read(file) {
                Ok((networks, _)) if !networks.is_empty() => found.networks.extend(networks),
                Ok((_, types)) => found.others.push((file.clone(), types)),
                Err(why) => found.broken.push((file.clone(), why)),
            }
        }
        found
    }

    /// The same, where each network leaves to other software what any network of its store does: commands release for all of
    /// them. If one of these lists cannot be used, none can.
    pub(super) fn sharing_foreign_addresses(mut self) -> Self {
        let lists: Vec<_> = self
            .networks
            .iter()
            .filter_map(|it| Some((it.ipam().data_directory().ok()?, it.ipam.get(FOREIGN)?.clone())))
            .filter(|(_, list)| !list.is_null())
            .collect();
        for network in &mut self.networks {
            let Ok(directory) = network.ipam().data_directory() else { continue };
            let of_store = lists.iter().filter(|(of, _)| *of == directory).map(|(_, list)| list.clone());
            let shared = of_store.reduce(|all, list| match (all, list) {
                (Value::Array(all), Value::Array(list)) => Value::Array([all, list].concat()),
                (Value::Array(_), wrong) | (wrong, _) => wrong,
            });
            if let Some(shared) = shared {
                network.ipam.insert(FOREIGN.to_owned(), shared);
            }
        }
        self
    }

    /// The networks that a command is about, as the first one and the others: those called `name`, or all of them.
    pub(super) fn chosen(&self, name: Option<&str>) -> Result<(&Network, Vec<&Network>), String> {
        let mut chosen = self.networks.iter().filter(|network| name.is_none_or(|name| network.name == name));
        match (chosen.next(), name) {
            (Some(first), _) => Ok((first, chosen.collect())),
            (None, Some(name)) if !self.networks.is_empty() => {
                let path = self.path.display();
                Err(format!(
                    "no network `{name}` in {path} uses {TYPE}: choose one of these with --network: {}",
                    self.names()
                ))
            }
            (None, _) => Err(format!(
                "no network in {} uses {TYPE}: {}; set \"ipam\": {{\"type\": \"{TYPE}\"}} in the one that pods use, or name \
                 its file or directory with --config",
                self.path.display(),
                self.seen()
            )),
        }
    }

    /// The error where a command needs one network and more are configured.
    pub(super) fn choose_one(&self) -> String {
        format!("several networks use this plugin ({}): choose one with --network", self.names())
    }

    fn names(&self) -> String {
        self.networks.iter().map(Network::name).collect::<Vec<_>>().join(", ")
    }

    /// Lists the files that were read and do not use this plugin.
    fn seen(&self) -> String {
        let name = |file: &Path| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let others = self.others.iter().map(|(file, types)| format!("{} uses {types}", name(file)));
        let broken = self.broken.iter().map(|(file, why)| format!("{} is broken ({why})", name(file)));
        let seen: Vec<_> = others.chain(broken).collect();
        if seen.is_empty() { "it has no .conf, .conflist or .json file".into() } else { seen.join(", ") }
    }
}

/// The path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    for existing in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (existing.canonicalize(), path.strip_prefix(existing)) {
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    path.to_owned()
}

fn files(config: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot =
        |error| format!("cannot read {}: {error}; name a file or directory with --config", config.display());
    if !fs::metadata(config).map_err(cannot)?.is_dir() {
        return Ok(vec![config.to_owned()]);
    }
    let entries = fs::read_dir(config).map_err(cannot)?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| ["conf", "conflist", "json"].iter().any(|it| extension == *it))
    });
    files.sort();
    Ok(files)
}

/// Reads the networks of one file that use this plugin, and the types of all plugins in it. The file is a list of plugins or
/// a single one.
fn read(file: &Path) -> Result<(Vec<Network>, String), String> {
    let text = fs::read_to_string(file).map_err(|error| reason(&error))?;
    let config: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let name = config["name"].as_str().unwrap_or_default();
    let plugins = plugins_of(&config);
    let networks = (0..plugins.len()).filter_map(|at| Network::of(name, plugins, at, file)).collect();
    let types: Vec<_> = plugins.iter().map(|plugin| PluginType(plugin).to_string()).collect();
    Ok((networks, types.join(" and ")))
}

/// The type of a plugin and of its IPAM plugin, for people.
struct PluginType<'a>(&'a Value);

impl Display for PluginType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0["type"].as_str().unwrap_or("no plugin"))?;
        match self.0["ipam"]["type"].as_str() {
            Some(ipam) => write!(f, " with {ipam}"),
            None => Ok(()),
        }
    }
}
