//! A node: a simulated cloud, a store, a configuration.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ecs_simulator::{LOOPBACK_AUTHORITY, LOOPBACK_CERTIFICATE, LOOPBACK_KEY, Simulator, World};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::{Answer, Calling};

/// A node with one network.
#[derive(Debug)]
pub struct Node {
    /// The cloud.
    pub cloud: Arc<Simulator>,
    /// The `ipam` section of the network, to be changed at will.
    pub ipam: Map<String, Value>,
    /// The network's name.
    pub network: String,
    /// The network's `cniVersion`.
    pub version: String,
    plugin: PathBuf,
    directory: TempDir,
    claims: Claims,
}

/// What calls as root leave in `/run` about the ENIs of a node's cloud: a server of its own stands for that.
#[derive(Debug)]
struct Claims(String);

impl Drop for Claims {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Claims {
    /// Nobody else's.
    fn files(&self) -> Vec<PathBuf> {
        let all = fs::read_dir("/run/aliyun-eni-ipam").into_iter().flatten().flatten();
        let of_this = all.filter(|it| it.file_name().to_str().is_some_and(|name| name.ends_with(&self.0)));
        of_this.map(|it| it.path()).collect()
    }

    fn remove(&self) {
        for file in self.files() {
            // One that stays does no harm.
            let _ = fs::remove_file(file);
        }
    }
}

/// One entry of `list --json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Record(pub Value);

impl Node {
    /// The ENI whose secondary addresses pods get.
    pub const ENI: &'static str = World::SECONDARY_ENI;

    /// A node in the simulator's usual world.
    #[must_use]
    pub fn new(plugin: impl AsRef<Path>) -> Self {
        Self::in_world(plugin, World::single_node())
    }

    /// A node in a world of the test's own.
    ///
    /// # Panics
    /// When the simulator or a temporary directory cannot be had.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn in_world(plugin: impl AsRef<Path>, world: World) -> Self {
        Self::in_cloud(plugin, Simulator::start(world).expect("the simulator listens"))
    }

    /// A node in the simulator's usual world, whose API it reaches over TLS: `caFile` names the authority.
    ///
    /// # Panics
    /// When the simulator or a temporary directory cannot be had.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn over_tls(plugin: impl AsRef<Path>) -> Self {
        let cloud = Simulator::start_tls(World::single_node(), LOOPBACK_CERTIFICATE, LOOPBACK_KEY);
        let mut node = Self::in_cloud(plugin, cloud.expect("the simulator listens"));
        let authority = node.directory().join("authority.pem");
        fs::write(&authority, LOOPBACK_AUTHORITY).expect("there is room for a file");
        node.set("caFile", authority.display().to_string());
        node
    }

    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    fn in_cloud(plugin: impl AsRef<Path>, cloud: Simulator) -> Self {
        let cloud = Arc::new(cloud);
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        fs::create_dir_all(directory.path().join("cni/results")).expect("there is room for a cache");
        let endpoint = cloud.endpoint();
        let ipam = json!({
            "type": "aliyun-eni-ipam",
            "networkInterfaceId": Self::ENI,
            "endpoint": endpoint,
            "metadataEndpoint": cloud.metadata_endpoint(),
            "credentials": {"source": "env"},
            "dataDir": directory.path().join("store"),
            "logFile": directory.path().join("log"),
            "logLevel": "debug",
            "timeoutSeconds": 10,
        });
        let (_, authority) = endpoint.split_once("://").expect("an endpoint is a URL");
        let claims = Claims(format!("@{}", authority.trim_end_matches('/')));
        Self {
            cloud,
            ipam: ipam.as_object().cloned().unwrap_or_default(),
            network: "pods".into(),
            version: "1.1.0".into(),
            plugin: plugin.as_ref().to_owned(),
            directory,
            claims,
        }
    }

    /// Changes one key of the configuration.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.set(key, value);
        self
    }

    /// Changes one key of the configuration.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.ipam.insert(key.into(), value.into());
    }

    /// The network configuration as the calling plugin passes it on.
    #[must_use]
    pub fn config(&self) -> Value {
        json!({"cniVersion": self.version, "name": self.network, "type": "ptp", "ipam": self.ipam})
    }

    /// The plugin's binary.
    #[must_use]
    pub fn plugin(&self) -> &Path {
        &self.plugin
    }

    /// The directory of this node: the store is `store` in it and the log is `log`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// `dataDir`.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.directory().join("store")
    }

    /// What the plugin has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory().join("log")).unwrap_or_default()
    }

    /// A call of the plugin, to be refined before it is made.
    pub fn call(&self, command: &str, container: &str) -> Calling<'_> {
        Calling::new(self, command, container)
    }

    /// ADD.
    #[must_use]
    pub fn add(&self, container: &str) -> Answer {
        self.call("ADD", container).run()
    }

    /// DEL, as the first one of a pod: the network namespace is still there.
    #[must_use]
    pub fn del(&self, container: &str) -> Answer {
        self.call("DEL", container).run()
    }

    /// The network configuration as it lies on a node's disk. Its main plugin is one that needs nobody to route the pods of a
    /// secondary ENI.
    #[must_use]
    pub fn conflist(&self) -> Value {
        self.conflist_of(&[json!({"type": "ipvlan", "ipam": self.ipam})])
    }

    /// The same with `ptp` as the main plugin, which every machine can run.
    #[must_use]
    pub fn ptp_conflist(&self) -> Value {
        self.conflist_of(&[json!({"type": "ptp", "ipam": self.ipam})])
    }

    /// The same with these plugins.
    #[must_use]
    pub fn conflist_of(&self, plugins: &[Value]) -> Value {
        json!({"cniVersion": self.version, "name": self.network, "plugins": plugins})
    }

    /// Runs an operator's command with this node's configuration and nobody there to answer a question.
    #[must_use]
    pub fn operator(&self, arguments: &[&str]) -> Answer {
        self.command(arguments).run()
    }

    /// Runs an operator's command with the configuration of this file or directory.
    #[must_use]
    pub fn operator_with(&self, config: &Path, arguments: &[&str]) -> Answer {
        let config = config.display().to_string();
        self.program(&[arguments, &["--config", &config]].concat()).run()
    }

    /// An operator's command with this node's configuration, to be refined before it is run.
    ///
    /// # Panics
    /// When the configuration cannot be written.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn command(&self, arguments: &[&str]) -> Calling<'_> {
        let config = self.directory().join("pods.conflist");
        fs::write(&config, self.conflist().to_string()).expect("the configuration can be written");
        self.program(&[arguments, &["--config", &config.display().to_string()]].concat())
    }

    /// Runs the plugin with these arguments, as a person does, to be refined before it is run.
    pub fn program(&self, arguments: &[&str]) -> Calling<'_> {
        Calling::with_arguments(self, arguments)
    }

    /// What `list --json` says.
    ///
    /// # Panics
    /// When `list` fails.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let listed = self.operator(&["list", "--json"]).json();
        listed["records"].as_array().into_iter().flatten().cloned().map(Record).collect()
    }

    /// How many records there are in each state: assigning, active, releasing, quarantined.
    #[must_use]
    pub fn counts(&self) -> [usize; 4] {
        let records = self.records();
        ["assigning", "active", "releasing", "quarantined"]
            .map(|state| records.iter().filter(|record| record.0["state"] == state).count())
    }

    /// The secondary addresses that the ENI has according to the cloud.
    #[must_use]
    pub fn on_eni(&self) -> BTreeSet<IpAddr> {
        // An ENI that a test has taken away has none.
        self.cloud.with_world(|world| {
            world.enis.get(Self::ENI).map(|eni| eni.addresses.clone()).unwrap_or_default()
        })
    }

    /// The addresses that the store names.
    #[must_use]
    pub fn recorded(&self) -> BTreeSet<IpAddr> {
        self.records().iter().flat_map(Record::addresses).collect()
    }

    /// Whether an ADD has claimed an ENI for this node's store, which a boot would make forgotten.
    #[must_use]
    pub fn has_claims(&self) -> bool {
        !self.claims.files().is_empty()
    }

    /// `/run` is empty after a boot, and before the first ADD.
    pub fn remove_claims(&self) {
        self.claims.remove();
    }

    /// What a failed expectation shows.
    #[must_use]
    pub fn scene(&self) -> Scene {
        Scene { cloud: Arc::clone(&self.cloud), directory: self.directory().to_owned() }
    }
}

/// Where a call was made: displayed, it is every file of the store with its content, the log, what the cloud was asked
/// and what the ENI has.
#[derive(Clone, Debug)]
pub struct Scene {
    cloud: Arc<Simulator>,
    directory: PathBuf,
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.directory.join("store"), f)?;
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        writeln!(f, "--- log\n{log}--- the cloud was asked")?;
        for entry in self.cloud.ledger() {
            writeln!(f, "{}", entry.to_json())?;
        }
        let enis = self.cloud.with_world(|world| world.enis.clone());
        enis.values().try_for_each(|eni| writeln!(f, "--- on {}: {:?}", eni.id, eni.addresses))
    }
}

fn show(directory: &Path, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            show(&path, f)?;
        } else {
            // Temporary keys are kept in the cache: no secret goes into a test's output.
            let secret = path.parent().is_some_and(|parent| parent.ends_with("cache"));
            let content = if secret { "...".into() } else { fs::read_to_string(&path).unwrap_or_default() };
            writeln!(f, "--- {}\n{}", path.display(), content.trim_end())?;
        }
    }
    Ok(())
}

impl Record {
    /// The state.
    #[must_use]
    pub fn state(&self) -> &str {
        self.0["state"].as_str().unwrap_or_default()
    }

    /// The addresses.
    ///
    /// # Panics
    /// When one is none.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let addresses = self.0["addresses"].as_array().into_iter().flatten();
        addresses.map(|address| address.as_str().and_then(|it| it.parse().ok()).expect("an address"))
    }
}
