//! The life of a node: Debian's containerd with the package, from its installation to its purge.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use harness::simulator::{Effect, Fault};
use harness::{HANGS, Need, Node, RoutedNode, Within, needs};
use serde_json::{Value, json};

use crate::debian::{Debian, succeed};
use crate::load::{CALLS, call, go_on, started, under_load};
use crate::package::newer;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces, Need::Containerd, Need::DebianPackage]:
        no_call_fails_in_an_upgrade_and_only_the_store_is_left_after_a_purge;
}

/// Where the package has the plugin keep what it knows.
const STORE: &str = "/var/lib/cni/aliyun-eni-ipam";

/// What others leave that run on the node: containerd and its plugins, systemd, and `dpkg` and `apt` whatever they install.
const OF_OTHERS: [&str; 17] = [
    "/etc/cni",
    "/run/containerd",
    "/run/log/journal",
    "/run/netns",
    "/run/systemd",
    "/run/test",
    "/tmp",
    "/var/cache/apt/",
    "/var/cache/man/",
    "/var/lib/apt/",
    "/var/lib/cni/results",
    "/var/lib/containerd",
    "/var/lib/dpkg/",
    "/var/log/apt/",
    "/var/log/dpkg.log",
    "/var/lib/systemd/timers/",
    "/var/tmp",
];

const SOCKET: &str = "/run/containerd/containerd.sock";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";
const FLUSH: &str = "aliyun-eni-ipam-flush.service";

/// Inserted into Debian's configuration of containerd. Without `restrict_oom_score_adj`, pods cannot start where root lacks
/// `CAP_SYS_RESOURCE`. The native snapshotter copies files instead of stacking file systems, which does not work everywhere.
const SANDBOX: &str = r#"    restrict_oom_score_adj = true
    sandbox_image = "localhost/pause:test"
    [plugins."io.containerd.grpc.v1.cri".containerd]
      snapshotter = "native"
"#;

/// Stands in Debian's configuration.
const CRI: &str = "  [plugins.\"io.containerd.grpc.v1.cri\"]\n";

/// Where Debian's containerd looks for plugins.
const PLUGINS: &str = "bin_dir = \"/usr/lib/cni\"";

/// A Debian and the cloud that it is in.
struct Machine {
    // Dropped in this order: the callers before the called.
    debian: Debian,
    node: Within<Node>,
}

impl Machine {
    fn boot() -> Self {
        // The simulator's threads are in the node's network.
        let RoutedNode { mut node, name_space } = RoutedNode::new(env!("CARGO_BIN_EXE_aliyun-eni-ipam"));
        let debian = Debian::booted(&name_space, configure_containerd);
        node.set("credentials", json!({"source": "ecs-ram-role"}));
        node.set("routes", json!([{"dst": "0.0.0.0/0"}]));
        // As seen from outside, where the test reads it.
        node.set("dataDir", debian.on_disk(STORE).display().to_string());
        // The newest that Debian's plugins know.
        node.version = "1.0.0".into();
        debian.copy(&needs::pause_image(), "/run/test/pause.tar");
        debian.run("ctr --namespace k8s.io images import --snapshotter native /run/test/pause.tar");
        Self { debian, node }
    }

    /// The configuration as it is on the node: where the store and the log are is left to the plugin.
    fn conflist(&self) -> Value {
        let mut ipam = self.node.ipam.clone();
        ipam.retain(|key, _| key != "dataDir" && key != "logFile");
        let chained = json!({
            "type": "aliyun-eni-ipam",
            "metadataEndpoint": ipam["metadataEndpoint"],
            "logLevel": ipam["logLevel"],
        });
        self.node.conflist_of(&[json!({"type": "ptp", "ipam": ipam}), chained])
    }

    fn write(&self, path: &str, content: &str) {
        fs::write(self.debian.seen(path), content).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Asks containerd what kubelet asks it.
    #[track_caller]
    fn cri(&self, words: &[&str]) -> Value {
        let mut command = Command::new(needs::python());
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtime/cri.py"));
        command.args(["--socket", &self.debian.seen(SOCKET).display().to_string()]).args(words);
        let printed = succeed(&mut command);
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{words:?}: {printed}: {error}"))
    }

    /// Waits for what containerd does by itself.
    #[track_caller]
    fn eventually(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let end = Instant::now() + HANGS;
        while !condition(self) {
            let log = || self.debian.attempt("journalctl --unit containerd --no-pager --lines 30").1;
            assert!(Instant::now() < end, "it never came to be that {what}\n{}", log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn is_network_ready(&self) -> bool {
        self.cri(&["status"])["conditions"]["NetworkReady"]["status"] == true
    }

    /// Starts a pod: its id, and its address as containerd reports it and as the kernel has it in the pod.
    #[track_caller]
    fn run_pod(&self, name: &str) -> (String, IpAddr) {
        let pod = self.cri(&["run", name]);
        let pod = pod["id"].as_str().expect("the pod's id").to_owned();
        let network = self.cri(&["pod-ip", &pod]);
        let (ip, netns) = (network["ip"].as_str(), network["netns"].as_str());
        let (ip, netns) = (ip.expect("an address"), netns.expect("a network namespace"));
        let inside = self.debian.run(&format!("nsenter --net={netns} ip -oneline address show dev eth0"));
        assert!(inside.contains(&format!(" {ip}/")), "{ip}: {inside}");
        (pod, ip.parse().expect("an address"))
    }

    fn remove_pod(&self, pod: &str) {
        self.cri(&["stop", pod]);
        self.cri(&["remove", pod]);
    }

    /// The version of the package that is installed.
    fn version(&self) -> String {
        self.debian.run("dpkg-query --show --showformat='${Version}' aliyun-eni-ipam")
    }

    /// Runs the service of the timer: what systemd calls the result.
    fn flush(&self) -> String {
        let (_, printed) = self.debian.attempt(&format!("systemctl start {FLUSH}"));
        let result = self.debian.run(&format!("systemctl show --property=Result --value {FLUSH}"));
        assert!(
            result.trim() != "exit-code",
            "{printed}{}",
            self.debian.attempt("journalctl --no-pager -n 20").1
        );
        result.trim().to_owned()
    }

    fn inode(&self) -> String {
        self.debian.run("stat --format=%i /opt/cni/bin/aliyun-eni-ipam")
    }

    /// Has `dpkg` replace the plugin by that of another version while pods come and go, and while calls of the plugin that is
    /// replaced have begun: the addresses that these get.
    fn replace_under_load(&self, name: &str, file: &str, version: &str) -> Vec<IpAddr> {
        let (debian, node): (_, &Node) = (&self.debian, &self.node);
        let containers: Vec<_> = (0..10).map(|number| format!("{name}-begun-{number}")).collect();
        let begun = started(debian, node, &containers);
        let inode = self.inode();
        let load = under_load(debian, node, name, |calls| {
            // As often as it takes for enough calls to be made meanwhile: each time the file is another one.
            while calls() < CALLS {
                debian.run(&format!("dpkg --install {file}"));
            }
            assert_eq!(self.version(), version);
        });
        assert_ne!(self.inode(), inode, "the file is another one");
        assert!(load.meanwhile >= CALLS, "{load:?}");
        println!(
            "{name}: {} ADDs and {} DELs, {} of them while dpkg ran ({:?}), and {} ADDs of the replaced file: none failed",
            load.pods,
            load.pods,
            load.meanwhile,
            load.event,
            begun.len()
        );
        go_on(begun)
    }
}

fn configure_containerd(root: &Path) {
    let file = root.join("etc/containerd/config.toml");
    let debians = fs::read_to_string(&file).expect("Debian's configuration of containerd");
    assert!(debians.contains(CRI) && debians.contains(PLUGINS), "{debians}");
    fs::write(&file, debians.replace(CRI, &format!("{CRI}{SANDBOX}"))).expect("containerd's configuration");
}

fn no_call_fails_in_an_upgrade_and_only_the_store_is_left_after_a_purge() {
    let machine = Machine::boot();
    let before = machine.debian.files();
    machine.debian.install();
    let first = machine.version();
    // Without a network there is nothing to do, and no failure.
    assert_eq!(machine.flush(), "exec-condition");
    assert!(!machine.is_network_ready(), "the package places no network");

    // The conflist comes last, once `doctor` finds nothing that fails.
    machine.write("/root/pods.conflist", &machine.conflist().to_string());
    println!(
        "{}",
        machine.debian.run(
            "aliyun-eni-ipam install --plugin-dir /usr/lib/cni /root/pods.conflist && rm /root/pods.conflist"
        )
    );
    machine.debian.run("dpkg --verify aliyun-eni-ipam");
    machine.eventually("containerd is ready", Machine::is_network_ready);
    let (pod, address) = machine.run_pod("web-0");
    machine.node.expect_in_use([address]);

    // Upgrade and downgrade, while pods come and go.
    let directory = tempfile::tempdir().expect("temporary directory");
    machine.debian.copy(&newer(directory.path()), "/run/test/newer.deb");
    let mut living: BTreeSet<_> = [address].into();
    living.extend(machine.replace_under_load("upgrade", "/run/test/newer.deb", &format!("{first}+test1")));
    machine.node.expect_in_use(living.clone());
    living.extend(machine.replace_under_load("downgrade", "/run/test/package.deb", &first));
    machine.node.expect_in_use(living.clone());
    assert_eq!(living.len(), 21, "no two have the same address");

    // What a DEL has to leave to others, systemd's timer has done, by a service that is confined.
    machine.debian.run("systemctl is-active aliyun-eni-ipam-flush.timer");
    let container = "upgrade-begun-0";
    machine.node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    call(&machine.debian, &machine.node, "DEL", container).run().ok();
    assert_eq!(machine.node.counts()[2], 1, "the release is recorded");
    machine.node.cloud.clear_faults();
    assert_eq!(machine.flush(), "success");
    living.retain(|address| machine.node.on_eni().contains(address));
    assert_eq!(living.len(), 20);
    machine.node.expect_in_use(living.clone());

    // Pods that have addresses keep the package from being removed, and nothing has changed then.
    let (removed, why) = machine.debian.attempt("apt-get purge --yes aliyun-eni-ipam");
    assert!(!removed && why.contains("drain the node"), "{why}");
    let (other_pod, other_address) = machine.run_pod("web-1");
    machine.node.expect_in_use(living.iter().copied().chain([other_address]));

    // The drain.
    for pod in [pod, other_pod] {
        machine.remove_pod(&pod);
    }
    for replaced in ["upgrade", "downgrade"] {
        for number in 0..10 {
            let container = format!("{replaced}-begun-{number}");
            call(&machine.debian, &machine.node, "DEL", &container).run().ok();
        }
    }
    machine.node.expect_in_use([]);

    println!("{}", machine.debian.run("apt-get purge --yes aliyun-eni-ipam"));
    machine.eventually("containerd has no network", |it| !it.is_network_ready());
    let of_others = |path: &&String| OF_OTHERS.iter().any(|it| path.starts_with(it));
    let left: Vec<_> =
        machine.debian.files().difference(&before).filter(|it| !of_others(it)).cloned().collect();
    let is_of_store = |path: &String| path.starts_with(STORE) || STORE.starts_with(path.as_str());
    let (store, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(is_of_store);
    println!("left: {} files and directories of the store, {} others", store.len(), rest.len());
    assert_eq!(rest, Vec::<String>::new());
    assert!(!store.is_empty());
    machine.node.expect_in_use([]);
}
