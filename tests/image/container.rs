//! The image, run by a real containerd as the kubelet has it run by the manifests: the security context, the mounts and the
//! arguments are read from them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::simulator::World;
use harness::{Effect, Fault, Need, Node, needs};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::containerd::Containerd;
use crate::host::{NAME, PLUGIN};
use crate::manifests::{INSTALL, UNINSTALL, containers, pod_of, root};
use crate::tools::{PATIENCE, holds_within};

harness::tests! {
    needs [Need::StaticBinary]: the_same_binary_gives_the_same_image;
    needs []: what_is_no_static_binary_is_no_image;
    needs [Need::Root, Need::StaticBinary, Need::Buildah]: the_dockerfile_makes_an_image_of_the_binary_alone;
    needs [Need::Root, Need::NetworkNamespaces, Need::Containerd, Need::StaticBinary, Need::KubernetesSchemas]:
        the_daemonset_makes_a_node_ready_releases_what_is_left_and_is_taken_away_again,
        a_node_on_which_a_check_fails_does_not_become_ready;
}

/// The name under which the manifests place the configuration.
const CONFLIST: &str = "10-aliyun-eni-ipam";

/// What kubelet gives a container of a pod that does not ask for more of `/proc`.
const MASKED: [&str; 9] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

fn build(binary: &Path, out: &Path) -> Result<(), String> {
    let output = Command::new(root().join("packaging/image/build")).arg(binary).arg(out).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn the_same_binary_gives_the_same_image() {
    let directory = TempDir::new().unwrap();
    let images = ["one.tar", "other.tar"].map(|name| directory.path().join(name));
    for image in &images {
        build(&needs::static_binary().unwrap(), image).unwrap();
    }
    assert!(fs::read(&images[0]).unwrap() == fs::read(&images[1]).unwrap());
}

fn what_is_no_static_binary_is_no_image() {
    let directory = TempDir::new().unwrap();
    let script = directory.path().join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    assert!(build(&script, &directory.path().join("out")).unwrap_err().contains("no ELF file"));
    if cfg!(target_env = "gnu") {
        assert!(build(Path::new(PLUGIN), &directory.path().join("out")).unwrap_err().contains("not static"));
    }
}

fn the_dockerfile_makes_an_image_of_the_binary_alone() {
    let directory = TempDir::new().unwrap();
    let own = |name: &str| directory.path().join(name);
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    fs::create_dir_all(own("dist").join(architecture)).unwrap();
    fs::copy(needs::static_binary().unwrap(), own("dist").join(architecture).join(NAME)).unwrap();
    let buildah = |words: &[&str]| {
        let mut command = Command::new("buildah");
        command.args(["--storage-driver", "vfs", "--root"]).arg(own("root")).arg("--runroot").arg(own("run"));
        let output = command.args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let dockerfile = root().join("packaging/image/Dockerfile").display().to_string();
    let context = own("dist").display().to_string();
    let platform = format!("linux/{architecture}");
    buildah(&[
        "build",
        "--isolation",
        "chroot",
        "--platform",
        &platform,
        "--file",
        &dockerfile,
        "--tag",
        "built",
        &context,
    ]);
    let container = buildah(&["from", "built"]);
    let mounted = buildah(&["mount", &container]);
    let files = crate::host::names(Path::new(&mounted));
    let files: Vec<_> =
        files.iter().filter(|name| !["dev", "etc", "proc", "sys", "run"].contains(&name.as_str())).collect();
    assert_eq!(files, [NAME]);
    buildah(&["umount", &container]);
}

/// A node that has nothing of the plugin yet.
struct Fresh {
    runtime: Containerd,
    node: Node,
    directory: TempDir,
}

/// A container, and the sandbox in which it runs.
struct Container {
    id: String,
    log: PathBuf,
}

impl Fresh {
    fn new() -> Self {
        let directory = TempDir::with_prefix("image-").unwrap();
        let archive = directory.path().join("image.tar");
        build(&needs::static_binary().unwrap(), &archive).unwrap();
        let runtime = Containerd::start(&[]);
        runtime.import(&archive);
        let mut node = Node::new(PLUGIN);
        node.version = "1.0.0".into();
        node.set("networkInterfaceId", World::PRIMARY_ENI);
        node.set("credentials", json!({"source": "ecs-ram-role"}));
        node.set("routes", json!([{"dst": "0.0.0.0/0"}]));
        // As the test sees it.
        node.set("dataDir", runtime.cni_state().join(NAME).display().to_string());
        Self { runtime, node, directory }
    }

    /// The configuration, as the node sees it.
    fn conflist(&self) -> Value {
        let mut conflist = self.node.ptp_conflist();
        conflist["plugins"][0]["ipam"]["dataDir"] = json!("/var/lib/cni/aliyun-eni-ipam");
        conflist["plugins"][0]["ipam"]["logFile"] = json!("/var/lib/cni/aliyun-eni-ipam.log");
        conflist
    }

    /// The directory on the node that stands for a volume of the pod.
    fn source(&self, pod: &Value, volume: &str) -> String {
        let own = |name: &str| {
            let path = self.directory.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path.display().to_string()
        };
        let volumes = pod["volumes"].as_array().unwrap();
        let found = volumes.iter().find(|it| it["name"] == volume).unwrap();
        match found["hostPath"]["path"].as_str() {
            None => own("config"),
            // The machine's own, in which no test writes.
            Some("/var/log") => own("log"),
            Some(path) if !Path::new(path).exists() => own(&path.replace('/', "-")),
            Some(path) => path.to_owned(),
        }
    }

    /// Starts the container of this name of a manifest's pod, as kubelet asks for it.
    #[track_caller]
    fn start(&self, manifest: &str, name: &str) -> Container {
        let pod = pod_of(manifest);
        let container = containers(&pod).into_iter().find(|it| it["name"] == name).unwrap();
        let context = &container["securityContext"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mounts: Vec<Value> = container["volumeMounts"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|mount| {
                json!({
                    "containerPath": mount["mountPath"],
                    "hostPath": self.source(&pod, &text(&mount["name"])),
                    "readonly": mount["readOnly"] == true,
                })
            })
            .collect();
        let mode = |host: &Value, otherwise: &str| {
            if *host == true { "NODE".to_owned() } else { otherwise.to_owned() }
        };
        let namespaces =
            json!({"network": mode(&pod["hostNetwork"], "POD"), "pid": mode(&pod["hostPID"], "CONTAINER")});
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault");
        let logs = self.directory.path().join(format!("logs-{name}"));
        fs::create_dir_all(&logs).unwrap();
        let description = json!({
            "sandbox": {
                "metadata": {"name": name, "uid": format!("uid-{name}"), "namespace": "kube-system"},
                "logDirectory": logs,
                "linux": {"cgroupParent": self.runtime.cgroup(), "securityContext": {"namespaceOptions": namespaces}},
            },
            "container": {
                "metadata": {"name": name},
                "image": {"image": container["image"]},
                "args": container["args"],
                "mounts": mounts,
                "logPath": "log",
                "linux": {"securityContext": {
                    "capabilities": {
                        "addCapabilities": context["capabilities"]["add"],
                        "dropCapabilities": context["capabilities"]["drop"],
                    },
                    "namespaceOptions": namespaces,
                    "runAsUser": {"value": context["runAsUser"]},
                    "runAsGroup": {"value": context["runAsGroup"]},
                    "readonlyRootfs": context["readOnlyRootFilesystem"],
                    "noNewPrivs": context["allowPrivilegeEscalation"] == false,
                    "maskedPaths": MASKED,
                    "readonlyPaths": READ_ONLY,
                    "seccomp": {"profileType": "RuntimeDefault"},
                }},
            },
        });
        let file = self.directory.path().join(format!("{name}.json"));
        fs::write(&file, description.to_string()).unwrap();
        let started = self.runtime.ask(&["start-container", &file.display().to_string()]);
        Container { id: text(&started["container"]), log: logs.join("log") }
    }

    /// Waits for the end of a container, and returns its exit status and what it has printed.
    #[track_caller]
    fn wait(&self, container: &Container) -> (i64, String) {
        let state = || self.runtime.ask(&["container", &container.id]);
        let ended = holds_within(PATIENCE, || state()["state"] == "CONTAINER_EXITED");
        let printed = fs::read_to_string(&container.log).unwrap_or_default();
        assert!(ended, "it has not ended: {printed}");
        (state()["exitCode"].as_i64().unwrap(), printed)
    }

    /// Runs the container to its end.
    #[track_caller]
    fn run(&self, manifest: &str, name: &str) -> (i64, String) {
        self.wait(&self.start(manifest, name))
    }

    fn configure(&self, conflist: &Value) {
        let directory = self.directory.path().join("config");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{CONFLIST}.conflist")), conflist.to_string()).unwrap();
    }

    fn has(&self) -> (bool, bool) {
        (self.runtime.plugins().join(NAME).exists(), self.runtime.conflist(CONFLIST).exists())
    }

    #[track_caller]
    fn expect_ready(&self, ready: bool) {
        assert!(
            holds_within(PATIENCE, || self.runtime.is_network_ready() == ready),
            "{}",
            self.runtime.log()
        );
    }
}

fn the_daemonset_makes_a_node_ready_releases_what_is_left_and_is_taken_away_again() {
    let fresh = Fresh::new();
    assert!(!fresh.runtime.is_network_ready());
    fresh.configure(&fresh.conflist());
    let (status, printed) = fresh.run(INSTALL, "install");
    assert_eq!((status, fresh.has()), (0, (true, true)), "{printed}");
    fresh.expect_ready(true);

    let pod = fresh.runtime.run_pod("web-0");
    let address = fresh.runtime.pod_ip(&pod).parse().unwrap();
    let has_address = || fresh.node.cloud.addresses(World::PRIMARY_ENI).contains(&address);
    assert!(has_address());
    fresh.node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("Forbidden.RAM")));
    fresh.runtime.remove_pod(&pod);
    assert_eq!(fresh.node.counts(), [0, 0, 1, 0]);
    fresh.node.cloud.clear_faults();
    let flush = fresh.start(INSTALL, "flush");
    let released = holds_within(PATIENCE, || fresh.node.counts() == [0, 0, 0, 0] && !has_address());
    assert!(released, "{}", fs::read_to_string(&flush.log).unwrap_or_default());
    let _ = fresh.runtime.ask(&["stop-container", &flush.id]);
    // Neither killed nor ended by the signal, which the first process of a container does not get without a handler.
    let (status, printed) = fresh.wait(&flush);
    assert_eq!(status, 0, "{printed}");
    assert!(printed.contains("released 1 address"), "{printed}");

    let (status, printed) = fresh.run(UNINSTALL, "uninstall");
    assert_eq!((status, fresh.has()), (0, (false, false)), "{printed}");
    fresh.expect_ready(false);
}

fn a_node_on_which_a_check_fails_does_not_become_ready() {
    let fresh = Fresh::new();
    let mut conflist = fresh.conflist();
    conflist["plugins"][0]["ipam"]["metadataEndpoint"] = json!("http://127.0.0.1:1");
    fresh.configure(&conflist);
    let (status, printed) = fresh.run(INSTALL, "install");
    assert_eq!((status, fresh.has()), (1, (true, false)), "{printed}");
    assert!(printed.contains("fail  metadata"), "{printed}");
    assert!(!fresh.runtime.is_network_ready());
}
