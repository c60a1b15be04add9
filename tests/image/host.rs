//! A node on which the plugin is installed, with directories of its own for plugins and configurations.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use harness::{Answer, Calling, Node};
use serde_json::Value;

/// The plugin under test.
pub(crate) const PLUGIN: &str = env!("CARGO_BIN_EXE_aliyun-eni-ipam");

/// The name of the plugin in a directory of plugins.
pub(crate) const NAME: &str = "aliyun-eni-ipam";

/// The name of the configuration.
pub(crate) const CONFLIST: &str = "10-pods.conflist";

pub(crate) struct Host {
    pub(crate) node: Node,
}

impl Host {
    pub(crate) fn new() -> Self {
        let host = Self { node: Node::new(PLUGIN) };
        fs::create_dir(host.plugins()).unwrap();
        fs::create_dir(host.net()).unwrap();
        fs::create_dir(host.given().parent().unwrap()).unwrap();
        let main = host.plugins().join("ipvlan");
        fs::write(&main, "#!/bin/sh\n").unwrap();
        fs::set_permissions(main, PermissionsExt::from_mode(0o755)).unwrap();
        host.give(&host.node.conflist());
        host
    }

    /// The directory of plugins.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.node.directory().join("bin")
    }

    /// The directory in which a runtime looks for its configuration.
    pub(crate) fn net(&self) -> PathBuf {
        self.node.directory().join("net.d")
    }

    /// The configuration that a person wants to have placed.
    pub(crate) fn given(&self) -> PathBuf {
        self.node.directory().join("given").join(CONFLIST)
    }

    /// Changes the configuration that a person wants to have placed.
    pub(crate) fn give(&self, conflist: &Value) {
        fs::write(self.given(), conflist.to_string()).unwrap();
    }

    pub(crate) fn binary(&self) -> PathBuf {
        self.plugins().join(NAME)
    }

    pub(crate) fn conflist(&self) -> PathBuf {
        self.net().join(CONFLIST)
    }

    /// Whether the binary and the configuration are there.
    pub(crate) fn has(&self) -> (bool, bool) {
        (self.binary().exists(), self.conflist().exists())
    }

    /// A command with this node's directories.
    pub(crate) fn command(&self, words: &[&str]) -> Calling<'_> {
        let (plugins, net) = (self.plugins().display().to_string(), self.net().display().to_string());
        self.node.program(&[words, &["--plugin-dir", &plugins, "--config", &net]].concat())
    }

    pub(crate) fn installing(&self) -> Calling<'_> {
        self.command(&["install", &self.given().display().to_string()])
    }

    /// Installs all, which has to succeed.
    #[track_caller]
    pub(crate) fn install(&self) -> Answer {
        let answer = self.installing().run();
        if answer.status() != 0 {
            answer.fail("an installation");
        }
        assert_eq!(self.has(), (true, true));
        answer
    }

    pub(crate) fn uninstall(&self, words: &[&str]) -> Answer {
        self.command(&[&["uninstall"], words].concat()).run()
    }

    /// Expects that nothing is left but what others have put there, and the store.
    #[track_caller]
    pub(crate) fn expect_clean(&self) {
        assert_eq!((names(&self.plugins()), names(&self.net())), (vec!["ipvlan".to_owned()], vec![]));
    }

    /// Expects that whatever is there is whole: a runtime may come at any moment.
    #[track_caller]
    pub(crate) fn expect_whole(&self) {
        if let Ok(content) = fs::read(self.binary()) {
            assert!(content == fs::read(PLUGIN).unwrap(), "the binary is not whole");
            assert_eq!(fs::metadata(self.binary()).unwrap().permissions().mode() & 0o777, 0o755);
        }
        if let Ok(content) = fs::read(self.conflist()) {
            assert_eq!(content, fs::read(self.given()).unwrap());
            assert!(self.binary().exists(), "a runtime would find a configuration and no plugin");
        }
        let read = names(&self.net());
        let read = read.iter().filter(|name| !name.starts_with('.'));
        assert!(read.clone().all(|name| name == CONFLIST), "{:?}", read.collect::<Vec<_>>());
    }
}

/// The names in a directory, sorted.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The outcomes of the steps of this name.
pub(crate) fn outcomes(answer: &Answer, name: &str) -> Vec<String> {
    let steps = answer.json()["steps"].as_array().cloned().unwrap_or_default();
    let named = steps.iter().filter(|step| step["name"] == name);
    named.map(|step| step["outcome"].as_str().unwrap_or_default().to_owned()).collect()
}
