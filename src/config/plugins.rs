//! The plugins of a network configuration, and the sections of them that are this plugin's.

use serde_json::{Map, Value};

use crate::cni;

/// The type of this plugin in a configuration.
pub(crate) const TYPE: &str = cni::TYPE;

/// The plugins of a configuration, which is a list of them or a single one.
pub(crate) fn plugins_of(config: &Value) -> &[Value] {
    config["plugins"].as_array().map_or(std::slice::from_ref(config), Vec::as_slice)
}

/// The `ipam` sections of plugins.
pub(crate) fn ipam_sections(plugins: &[Value]) -> impl Iterator<Item = &Map<String, Value>> {
    plugins.iter().filter_map(|plugin| plugin["ipam"].as_object())
}

/// Whether a section is this plugin's.
pub(crate) fn is_of_this_plugin(ipam: &Map<String, Value>) -> bool {
    ipam.get("type").and_then(Value::as_str) == Some(TYPE)
}

/// Whether a plugin is this one as an entry of `plugins`, where it routes the pods of the plugin before it.
pub(crate) fn is_chained(plugin: &Value) -> bool {
    plugin.as_object().is_some_and(cni::is_chained)
}
