//! A container runtime, as far as CNI is concerned: it runs the plugins of a list one after the other.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use harness::needs::STANDARD_PLUGINS;
use harness::{NameSpace, World};
use serde_json::{Map, Value, json};

/// An attachment of a pod to a network, as the runtime keeps it between ADD and DEL.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    /// The network's configuration.
    pub(crate) conflist: Value,
    pub(crate) container: String,
    /// The path of the pod's network namespace.
    pub(crate) netns: PathBuf,
    /// What is passed as `portMappings`.
    pub(crate) ports: Value,
}

impl Attachment {
    /// ADD, in a node's namespace; the result, or what failed.
    pub(crate) fn add(&self, node: &NameSpace) -> Result<Value, String> {
        let mut result = None;
        for plugin in self.plugins() {
            result = Some(self.call(node, "ADD", plugin, result.as_ref())?);
        }
        result.ok_or_else(|| "the list has no plugin".to_owned())
    }

    /// CHECK. That of Debian's `portmap` looks for IPv4 addresses among the rules of IPv6, and is left out.
    pub(crate) fn check(&self, node: &NameSpace, result: &Value) -> Result<(), String> {
        let mut plugins = self.plugins().filter(|plugin| plugin["type"] != "portmap");
        plugins.try_for_each(|plugin| self.call(node, "CHECK", plugin, Some(result)).map(drop))
    }

    /// DEL, with the result of ADD where there was one.
    pub(crate) fn del(&self, node: &NameSpace, result: Option<&Value>) -> Result<(), String> {
        self.plugins().rev().try_for_each(|plugin| self.call(node, "DEL", plugin, result).map(drop))
    }

    fn plugins(&self) -> impl DoubleEndedIterator<Item = &Map<String, Value>> {
        self.conflist["plugins"].as_array().unwrap().iter().map(|plugin| plugin.as_object().unwrap())
    }

    /// One call of one plugin. What it prints is `null` where it prints nothing.
    fn call(
        &self,
        node: &NameSpace,
        verb: &str,
        plugin: &Map<String, Value>,
        previous: Option<&Value>,
    ) -> Result<Value, String> {
        let mut config = plugin.clone();
        for key in ["cniVersion", "name"] {
            config.insert(key.into(), self.conflist[key].clone());
        }
        if config.remove("capabilities").is_some_and(|it| it["portMappings"] == true) {
            config.insert("runtimeConfig".into(), json!({"portMappings": self.ports}));
        }
        if let Some(previous) = previous {
            config.insert("prevResult".into(), previous.clone());
        }
        let kind = plugin["type"].as_str().unwrap();
        let mut command = node.command(program(kind));
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", &self.container)
            .env("CNI_NETNS", &self.netns)
            .env("CNI_IFNAME", "eth0")
            .env("CNI_PATH", format!("{}:{STANDARD_PLUGINS}", own().parent().unwrap().display()))
            .env("ALIBABA_CLOUD_ACCESS_KEY_ID", World::ACCESS_KEY_ID)
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", World::ACCESS_KEY_SECRET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(Value::from(config).to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
        if output.status.success() {
            Ok(serde_json::from_str(&stdout).unwrap_or(Value::Null))
        } else {
            Err(format!("{verb} of {kind} for {}: {stdout}{stderr}", self.container))
        }
    }
}

/// The plugin under test.
pub(crate) fn own() -> &'static Path {
    harness::plugin!()
}

/// Where the plugin of this type is.
fn program(kind: &str) -> PathBuf {
    let standard = Path::new(STANDARD_PLUGINS).join(kind);
    if standard.exists() { standard } else { own().with_file_name(kind) }
}
