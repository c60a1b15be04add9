//! libcni's cache, as a runtime keeps it beside its calls of the plugin.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::{Answer, Calling, Node};

impl Node {
    /// The directory of libcni's cache, which every call is told in `CNI_CACHE_DIR`. It has its `results`, as on a node with a runtime.
    #[must_use]
    pub fn cni_cache(&self) -> PathBuf {
        self.directory().join("cni")
    }

    /// The file in which libcni remembers the pod's `eth0`.
    #[must_use]
    pub fn cached(&self, container: &str) -> PathBuf {
        self.cni_cache().join(format!("results/{}-{container}-eth0", self.network))
    }

    /// What libcni writes into that file after an ADD with this result.
    #[must_use]
    pub fn cache_document(&self, container: &str, result: &Value) -> Value {
        json!({
            "kind": "cniCacheV1",
            "containerId": container,
            "config": BASE64_STANDARD.encode(self.conflist().to_string()),
            "ifName": "eth0",
            "networkName": self.network,
            "cniArgs": [
                ["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "default"], ["K8S_POD_NAME", container],
                ["K8S_POD_INFRA_CONTAINER_ID", container], ["K8S_POD_UID", format!("uid-{container}")],
            ],
            "result": result,
        })
    }

    /// Writes that file, with a result that has these addresses.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn cache(&self, container: &str, addresses: &[IpAddr]) {
        self.cache_changed(container, addresses, |_| {});
    }

    /// The same with a change.
    ///
    /// # Panics
    /// When it cannot be written.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn cache_changed(&self, container: &str, addresses: &[IpAddr], change: impl FnOnce(&mut Value)) {
        let entry = |it: &IpAddr| match it {
            IpAddr::V4(_) => {
                json!({"address": format!("{it}/24"), "gateway": "192.168.0.253", "interface": 1})
            }
            IpAddr::V6(_) => json!({"address": format!("{it}/64"), "interface": 1}),
        };
        let result = json!({
            "cniVersion": self.version,
            "interfaces": [{"name": "vethtest"}, {"name": "eth0", "sandbox": "/var/run/netns/test"}],
            "ips": addresses.iter().map(entry).collect::<Vec<_>>(),
        });
        let mut document = self.cache_document(container, &result);
        change(&mut document);
        fs::write(self.cached(container), document.to_string()).expect("the cache can be written");
    }

    /// ADD as libcni makes it, which remembers its result.
    #[must_use]
    pub fn add_pod(&self, container: &str) -> Answer {
        self.add_pod_by(container, |call| call)
    }

    /// The same with a call that is refined before it is made.
    #[must_use]
    pub fn add_pod_by<'a>(
        &'a self,
        container: &str,
        refined: impl FnOnce(Calling<'a>) -> Calling<'a>,
    ) -> Answer {
        let args = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={container};K8S_POD_UID=uid-{container}"
        );
        let answer = refined(self.call("ADD", container).env("CNI_ARGS", args)).run();
        if answer.status() == 0 {
            self.cache(container, &answer.addresses());
        }
        answer
    }

    /// DEL as libcni makes it, which forgets the result where it succeeds.
    #[must_use]
    pub fn del_pod(&self, container: &str) -> Answer {
        let answer = self.del(container);
        if answer.status() == 0 {
            self.forget_pod(container);
        }
        answer
    }

    /// Removes the file of libcni's cache.
    pub fn forget_pod(&self, container: &str) {
        // It may be gone already.
        let _ = fs::remove_file(self.cached(container));
    }
}
