//! CNI calls through libcni, the library that container runtimes call plugins with, without a container
//! runtime: the verbs that containerd does not use, and exact control over the order of calls.

use std::fs;
use std::path::Path;

use harness::needs;
use serde_json::Value;
use tempfile::TempDir;

use crate::isolation::Isolation;
use crate::tools::{self, Failure, run};

pub(crate) struct Libcni {
    isolation: Isolation,
    directory: TempDir,
}

impl Libcni {
    /// Prepares one network for calls of the standard CNI plugins and, under the names given, these. The
    /// plugins find a `/var/lib/cni` of their own.
    #[track_caller]
    pub(crate) fn new(plugins: &[(&str, &Path)], conflist: &Value) -> Self {
        let directory = TempDir::with_prefix("libcni-").expect("temporary directory");
        let own = |name: &str| directory.path().join(name);
        tools::link_plugins(&own("bin"), plugins).expect("CNI plugins");
        fs::create_dir(own("cni")).expect("directory of the network");
        let isolation = Isolation::start(&[("/var/lib/cni", Some(own("cni"))), ("/run/netns", None)]);
        let libcni = Self { isolation: isolation.expect("namespaces"), directory };
        libcni.write_conflist(conflist);
        libcni
    }

    /// Replaces the network's configuration.
    pub(crate) fn write_conflist(&self, conflist: &Value) {
        fs::write(self.directory.path().join("conflist"), conflist.to_string())
            .expect("network configuration");
    }

    /// Makes a network namespace, which ends with this value, and returns its path.
    #[track_caller]
    pub(crate) fn add_netns(&self, name: &str) -> String {
        let made = run(self.isolation.command("ip").args(["netns", "add", name]));
        made.unwrap_or_else(|failure| panic!("{failure}"));
        format!("/run/netns/{name}")
    }

    /// Ends a network namespace before its time, as a reboot does.
    #[track_caller]
    pub(crate) fn delete_netns(&self, name: &str) {
        let deleted = run(self.isolation.command("ip").args(["netns", "delete", name]));
        deleted.unwrap_or_else(|failure| panic!("{failure}"));
    }

    /// The addresses in a network namespace, as the kernel has them.
    #[track_caller]
    pub(crate) fn netns_addresses(&self, netns: &str) -> Vec<String> {
        self.isolation.netns_addresses(netns).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// ADD for the container's interface `eth0`; returns the result of the network's last plugin.
    pub(crate) fn add(&self, container: &str, netns: &str) -> Result<Value, Failure> {
        let result = self.call(&["add", container, netns])?;
        Ok(serde_json::from_str(&result).unwrap_or_else(|error| panic!("{result:?}: {error}")))
    }

    pub(crate) fn check(&self, container: &str, netns: &str) -> Result<(), Failure> {
        self.call(&["check", container, netns]).map(drop)
    }

    /// DEL; an empty `netns` is how runtimes call when it is gone.
    pub(crate) fn del(&self, container: &str, netns: &str) -> Result<(), Failure> {
        self.call(&["del", container, netns]).map(drop)
    }

    /// Asks every plugin of the network whether it knows the network's CNI version.
    pub(crate) fn validate(&self) -> Result<(), Failure> {
        self.call(&["validate"]).map(drop)
    }

    fn call(&self, words: &[&str]) -> Result<String, Failure> {
        let mut command = self.isolation.command(needs::libcni());
        command.arg("-path").arg(self.directory.path().join("bin"));
        command.arg(words[0]).arg(self.directory.path().join("conflist")).args(&words[1..]);
        run(&mut command)
    }

    /// The `/var/lib/cni` of the plugins, as seen from the test.
    pub(crate) fn cni_state(&self) -> std::path::PathBuf {
        self.directory.path().join("cni")
    }
}
