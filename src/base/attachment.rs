//! Who has an address: the attachment of a container to a network, and the pod that it belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One interface of one container: an ADD makes it and a DEL removes it. The network's name is not part of it, because a
/// network may be renamed between the two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// `CNI_CONTAINERID`, whole.
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
}

impl Attachment {
    /// Stands for the owner of addresses that no pod ever had: orphans, and addresses that an ADD returned.
    #[must_use]
    pub fn nobody() -> Self {
        Self { container_id: String::new(), ifname: String::new() }
    }
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.container_id, self.ifname)
    }
}

/// A Kubernetes pod. What the runtime does not name is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// `K8S_POD_NAMESPACE`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `K8S_POD_NAME`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `K8S_POD_UID`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// The name behind its namespace. Podman's pods have no namespace: theirs is the name alone. Where neither is known, the UID tells
/// which pod it is.
impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, name, uid } = self;
        match (namespace.as_str(), name.as_str()) {
            ("", "") => f.write_str(uid),
            ("", name) => f.write_str(name),
            (namespace, name) => write!(f, "{namespace}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_without_a_namespace_is_shown_by_its_name_alone() {
        for (namespace, name, uid, shown) in [
            ("default", "web-0", "uid-1", "default/web-0"),
            ("", "web-0", "uid-1", "web-0"),
            ("", "", "uid-1", "uid-1"),
            ("default", "", "", "default/"),
        ] {
            let pod = Pod { namespace: namespace.into(), name: name.into(), uid: uid.into() };
            assert_eq!(pod.to_string(), shown);
        }
    }
}
