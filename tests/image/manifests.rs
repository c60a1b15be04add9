//! The manifests of packaging/kubernetes, as the API's schemas and the tests of the image see them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Need, needs};
use serde_json::Value;

harness::tests! {
    needs [Need::KubernetesSchemas]:
        the_api_accepts_the_manifests,
        all_containers_have_the_same_least_privileges,
        the_image_is_of_this_version,
        the_configuration_is_the_example;
}

/// The oldest and the newest version of Kubernetes that the manifests are for.
const VERSIONS: [&str; 2] = ["1.28", "1.37"];

pub(crate) const INSTALL: &str = "aliyun-eni-ipam.yaml";
pub(crate) const UNINSTALL: &str = "uninstall.yaml";

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn path(name: &str) -> PathBuf {
    root().join("packaging/kubernetes").join(name)
}

/// The objects of a manifest.
pub(crate) fn read(name: &str) -> Vec<Value> {
    let script = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let python = needs::kubernetes_validate().with_file_name("python3");
    let output = Command::new(python).args(["-c", script]).arg(path(name)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the pods of a `DaemonSet` are.
pub(crate) fn pod_of(name: &str) -> Value {
    let objects = read(name);
    let set = objects.into_iter().find(|object| object["kind"] == "DaemonSet");
    set.unwrap()["spec"]["template"]["spec"].clone()
}

pub(crate) fn containers(pod: &Value) -> Vec<Value> {
    let of = |key: &str| pod[key].as_array().cloned().unwrap_or_default();
    [of("initContainers"), of("containers")].concat()
}

fn the_api_accepts_the_manifests() {
    for version in VERSIONS {
        let mut command = Command::new(needs::kubernetes_validate());
        command.args(["--strict", "--kubernetes-version", version]).args([INSTALL, UNINSTALL].map(path));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn all_containers_have_the_same_least_privileges() {
    let contexts: BTreeSet<String> = [INSTALL, UNINSTALL]
        .iter()
        .flat_map(|name| containers(&pod_of(name)))
        .map(|container| container["securityContext"].to_string())
        .collect();
    assert_eq!(contexts.len(), 1, "{contexts:?}");
    let context: Value = serde_json::from_str(contexts.first().unwrap()).unwrap();
    assert_eq!(context["capabilities"], serde_json::json!({"drop": ["ALL"], "add": ["NET_ADMIN"]}));
    assert_eq!(
        (&context["allowPrivilegeEscalation"], &context["readOnlyRootFilesystem"]),
        (&false.into(), &true.into())
    );
    for name in [INSTALL, UNINSTALL] {
        let pod = pod_of(name);
        assert_eq!((&pod["automountServiceAccountToken"], &pod["hostPID"]), (&false.into(), &Value::Null));
    }
}

fn the_image_is_of_this_version() {
    let image = concat!("aliyun-eni-ipam:", env!("CARGO_PKG_VERSION"));
    for container in [INSTALL, UNINSTALL].iter().flat_map(|name| containers(&pod_of(name))) {
        assert_eq!(container["image"], image);
    }
}

fn the_configuration_is_the_example() {
    let objects = read(INSTALL);
    let data = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap()["data"].clone();
    let example = fs::read_to_string(root().join("conf-examples/10-ptp-primary-eni.conflist")).unwrap();
    let text = data["10-aliyun-eni-ipam.conflist"].as_str().unwrap();
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parse(text), parse(&example));
}
