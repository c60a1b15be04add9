//! The network configuration on the node's disk, where container runtimes look for it too.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::complain;
use crate::config::Ipam;

/// A configured network that uses this plugin.
pub(super) struct Network {
    name: String,
    ipam: Map<String, Value>,
}

impl Network {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn ipam(&self) -> Ipam<'_> {
        Ipam::new(&self.ipam)
    }

    /// The networks of the file or the directory `config`.
    pub(super) fn find(config: &Path) -> Result<Vec<Self>, String> {
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        for file in files(config)? {
            match read(&file) {
                Ok(networks) => found.extend(networks),
                // Most files of a directory are other plugins' business.
                Err(why) if file != config => unread.push(why),
                Err(why) => return Err(why),
            }
        }
        for why in unread {
            complain(&format!("{why}: passed over"));
        }
        Ok(found)
    }

    /// The first of those of `found` that are meant, and the others: all, or those that are called `name`.
    pub(super) fn chosen<'n>(
        found: &'n [Self],
        name: Option<&str>,
    ) -> Result<(&'n Self, Vec<&'n Self>), String> {
        let mut chosen = found.iter().filter(|network| name.is_none_or(|name| network.name == name));
        if let Some(first) = chosen.next() {
            return Ok((first, chosen.collect()));
        }
        let which = name.map_or_else(|| "no network".into(), |name| format!("no network {name:?}"));
        Err(format!("{which} there uses this plugin: name its file or directory with --config"))
    }
}

fn files(config: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |error| {
        format!("{} cannot be read ({error}): name a file or directory with --config", config.display())
    };
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

/// The networks of one file that use this plugin: a list of plugins, or a single one.
fn read(file: &Path) -> Result<Vec<Network>, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| cannot(&error))?;
    let config: Value = serde_json::from_str(&text).map_err(|error| cannot(&error))?;
    let name = config["name"].as_str().unwrap_or_default();
    let plugins = config["plugins"].as_array().map_or(std::slice::from_ref(&config), Vec::as_slice);
    let ours = plugins.iter().filter_map(|plugin| plugin["ipam"].as_object());
    let ours = ours.filter(|ipam| ipam.get("type").and_then(Value::as_str) == Some("aliyun-eni-ipam"));
    Ok(ours.map(|ipam| Network { name: name.to_owned(), ipam: ipam.clone() }).collect())
}
