//! A node of its own for a test: a real containerd with its CRI plugin, as kubelet would use it.
//!
//! ```ignore
//! let node = Containerd::start(&[("aliyun-eni-ipam", plugin)]);
//! node.write_conflist("pods", &conflist);
//! let pod = node.run_pod("web-0");
//! assert_eq!(node.pod_netns_addresses(&pod), [node.pod_ip(&pod)]);
//! node.stop_pod(&pod);
//! node.remove_pod(&pod);
//! ```
//!
//! Where a method does not return a `Result`, a failure panics with the command, its output and the end of
//! containerd's log.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harness::needs;
use serde_json::Value;
use tempfile::TempDir;

use crate::isolation::Isolation;
use crate::tools::{self, Failure, PATIENCE, Running, holds_within, run, start};

/// As `setup` named it.
const IMAGE: &str = "localhost/pause:test";

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What kubelet allows for a call that has no reason to be slow.
const USUAL_DEADLINE: Duration = Duration::from_mins(1);

/// Writes its process id, as it is inside, and becomes containerd.
const START: &str = r#"echo $$ >/run/containerd/pid && exec containerd --config "$1""#;

static NODES: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Containerd {
    // Dropped in this order: first all processes end, then their files go.
    isolation: Isolation,
    server: Child,
    directory: TempDir,
    cgroup: String,
    pods: AtomicU32,
}

impl Containerd {
    /// Starts a node that has the standard CNI plugins and, under the names given, these.
    #[track_caller]
    pub(crate) fn start(plugins: &[(&str, &Path)]) -> Self {
        let directory = TempDir::with_prefix("containerd-").expect("temporary directory");
        let own = |name: &str| directory.path().join(name);
        for name in ["net.d", "cni"] {
            fs::create_dir(own(name)).expect("directory of the node");
        }
        tools::link_plugins(&own("bin"), plugins).expect("CNI plugins");
        fs::write(own("config.toml"), configuration(&own("root"))).expect("containerd's configuration");

        let isolation = boot(directory.path());
        let server = spawn(&isolation, directory.path());
        let cgroup = format!("/cni-test-{}-{}", process::id(), NODES.fetch_add(1, Ordering::Relaxed));
        let mut node = Self { isolation, server, directory, cgroup, pods: AtomicU32::new(0) };

        node.await_answer();
        for namespace in ["k8s.io", "default"] {
            let mut import = node.ctr(namespace);
            import.args(["images", "import", "--snapshotter", "native"]).arg(needs::pause_image());
            node.succeed(run(&mut import));
        }
        node
    }

    /// Puts a network configuration into place, new or instead of the one of this file name, and waits until
    /// containerd uses it. Of several files containerd uses the first by name alone.
    #[track_caller]
    pub(crate) fn write_conflist(&self, name: &str, conflist: &Value) {
        let text = conflist.to_string();
        fs::write(self.conflist(name), &text).expect("network configuration");
        let used = || {
            let status = self.status();
            status["networks"].as_array().is_some_and(|all| all.iter().any(|one| *one == text))
        };
        self.require(holds_within(PATIENCE, used), "containerd to load the network configuration");
    }

    /// Removes a network configuration, the only one, and waits until containerd has none.
    #[track_caller]
    pub(crate) fn remove_conflist(&self, name: &str) {
        fs::remove_file(self.conflist(name)).expect("network configuration");
        let gone = || self.status()["conditions"]["NetworkReady"]["status"] == false;
        self.require(holds_within(PATIENCE, gone), "containerd to forget the network configuration");
    }

    /// The file of a network configuration, as seen from the test.
    pub(crate) fn conflist(&self, name: &str) -> PathBuf {
        self.directory.path().join("net.d").join(format!("{name}.conflist"))
    }

    #[track_caller]
    fn status(&self) -> Value {
        self.succeed(self.cri(&["status"], USUAL_DEADLINE))
    }

    /// Starts a pod and returns its sandbox's id, the container id of its CNI calls. Pods of the same name
    /// differ in their uid.
    #[track_caller]
    pub(crate) fn run_pod(&self, name: &str) -> String {
        self.succeed(self.run_pod_with_deadline(name, USUAL_DEADLINE))
    }

    /// Starts a pod with these options of the CRI client.
    #[track_caller]
    pub(crate) fn run_pod_with(&self, name: &str, options: &[&str]) -> String {
        self.succeed(self.try_run_pod(name, options, USUAL_DEADLINE))
    }

    /// Starts a pod for a client that waits only so long.
    pub(crate) fn run_pod_with_deadline(&self, name: &str, deadline: Duration) -> Result<String, Failure> {
        self.try_run_pod(name, &[], deadline)
    }

    /// Begins to start a pod. A client that is ended before the outcome has given up.
    #[track_caller]
    pub(crate) fn begin_to_run_pod(&self, name: &str) -> Running {
        self.succeed(start(&mut self.run_command(name, &[], USUAL_DEADLINE)))
    }

    fn try_run_pod(&self, name: &str, options: &[&str], deadline: Duration) -> Result<String, Failure> {
        let answer = parse(&run(&mut self.run_command(name, options, deadline))?);
        Ok(text(&answer["id"]))
    }

    fn run_command(&self, name: &str, options: &[&str], deadline: Duration) -> Command {
        let uid = format!("uid-{name}-{}", self.pods.fetch_add(1, Ordering::Relaxed));
        let words = [&["run", name, "--uid", &uid, "--cgroup-parent", &self.cgroup], options].concat();
        self.cri_command(&words, deadline)
    }

    #[track_caller]
    pub(crate) fn stop_pod(&self, id: &str) {
        self.succeed(self.stop_pod_with_deadline(id, USUAL_DEADLINE));
    }

    /// Stops a pod, which may fail.
    pub(crate) fn try_stop_pod(&self, id: &str) -> Result<(), Failure> {
        self.stop_pod_with_deadline(id, USUAL_DEADLINE)
    }

    /// Stops a pod for a client that waits only so long.
    pub(crate) fn stop_pod_with_deadline(&self, id: &str, deadline: Duration) -> Result<(), Failure> {
        self.cri(&["stop", id], deadline).map(drop)
    }

    /// Begins to stop a pod. A client that is ended before the outcome has given up.
    #[track_caller]
    pub(crate) fn begin_to_stop_pod(&self, id: &str) -> Running {
        self.succeed(start(&mut self.cri_command(&["stop", id], USUAL_DEADLINE)))
    }

    /// Removes a pod; one that still runs is stopped.
    #[track_caller]
    pub(crate) fn remove_pod(&self, id: &str) {
        self.succeed(self.try_remove_pod(id));
    }

    /// Removes a pod, which may fail.
    pub(crate) fn try_remove_pod(&self, id: &str) -> Result<(), Failure> {
        self.cri(&["remove", id], USUAL_DEADLINE).map(drop)
    }

    /// Kills a pod's only process, as the kernel does when memory is short, and waits until containerd has
    /// noticed.
    #[track_caller]
    pub(crate) fn kill_pod(&self, id: &str) {
        self.succeed(run(self.ctr("k8s.io").args(["tasks", "kill", "--signal", "SIGKILL", id])));
        let not_ready = || {
            let list = self.succeed(self.cri(&["list"], USUAL_DEADLINE));
            let mut pods = list.as_array().into_iter().flatten();
            pods.any(|pod| pod["id"] == id && pod["state"] == "SANDBOX_NOTREADY")
        };
        self.require(holds_within(PATIENCE, not_ready), "containerd to notice the pod's end");
    }

    /// The ids of all pods that containerd knows.
    #[track_caller]
    pub(crate) fn pods(&self) -> Vec<String> {
        let list = self.succeed(self.cri(&["list"], USUAL_DEADLINE));
        list.as_array().into_iter().flatten().map(|pod| text(&pod["id"])).collect()
    }

    /// The network namespaces that containerd has made. A pod's goes when a DEL has succeeded.
    #[track_caller]
    pub(crate) fn network_namespaces(&self) -> Vec<String> {
        self.run(&["ls", "/run/netns"]).lines().map(str::to_owned).collect()
    }

    /// The pod's first address, as containerd reports it.
    #[track_caller]
    pub(crate) fn pod_ip(&self, id: &str) -> String {
        text(&self.pod_network(id)["ip"])
    }

    /// The pod's addresses as the kernel has them in the pod's network namespace.
    #[track_caller]
    pub(crate) fn pod_netns_addresses(&self, id: &str) -> Vec<String> {
        let netns = text(&self.pod_network(id)["netns"]);
        self.succeed(self.isolation.netns_addresses(&netns))
    }

    fn pod_network(&self, id: &str) -> Value {
        self.succeed(self.cri(&["pod-ip", id], USUAL_DEADLINE))
    }

    /// Runs a short-lived container with `ctr run --cni` and returns its output: the interfaces and addresses
    /// it saw. ctr calls CNI itself: its ADD comes before the container starts, its DEL when the container
    /// has ended.
    pub(crate) fn ctr_run(&self, id: &str) -> Result<String, Failure> {
        let mut command = self.ctr("default");
        // An empty cgroup is none.
        command.args(["run", "--cni", "--rm", "--snapshotter", "native", "--cgroup", "", IMAGE, id]);
        run(command.args(["/pause", "addresses"]))
    }

    /// Kills containerd as a crash would, pods and plugins going on, and starts it again.
    #[track_caller]
    pub(crate) fn kill9_and_restart(&mut self) {
        let pid = run(self.isolation.command("cat").arg("/run/containerd/pid"));
        let pid = self.succeed(pid);
        self.succeed(run(self.isolation.command("kill").args(["-KILL", pid.trim()])));
        self.server.wait().expect("end of containerd");
        self.server = spawn(&self.isolation, self.directory.path());
        self.await_answer();
    }

    /// Ends all that runs, pods included, and starts the node again with its disks as they were, `/run` empty
    /// and another boot id.
    #[track_caller]
    pub(crate) fn reboot(&mut self) {
        self.isolation.end();
        self.server.wait().expect("end of containerd");
        self.isolation = boot(self.directory.path());
        self.server = spawn(&self.isolation, self.directory.path());
        self.await_answer();
    }

    /// The boot id that processes on the node see.
    #[track_caller]
    pub(crate) fn boot_id(&self) -> String {
        self.succeed(run(self.isolation.command("cat").arg(BOOT_ID))).trim().to_owned()
    }

    /// Runs a command on the node and returns its output.
    #[track_caller]
    pub(crate) fn run(&self, command: &[&str]) -> String {
        self.succeed(run(self.isolation.command(command[0]).args(&command[1..])))
    }

    /// The node's `/var/lib/cni`, as seen from the test: host-local and others keep their state there.
    pub(crate) fn cni_state(&self) -> PathBuf {
        self.directory.path().join("cni")
    }

    /// The node's directory of CNI plugins, as seen from the test.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    /// The parent of all cgroups of the node.
    pub(crate) fn cgroup(&self) -> &str {
        &self.cgroup
    }

    /// Gives the node the image in this archive.
    #[track_caller]
    pub(crate) fn import(&self, archive: &Path) {
        let mut import = self.ctr("k8s.io");
        import.args(["images", "import", "--snapshotter", "native"]).arg(archive);
        self.succeed(run(&mut import));
    }

    /// What the CRI client answers to these words.
    #[track_caller]
    pub(crate) fn ask(&self, words: &[&str]) -> Value {
        self.succeed(self.cri(words, USUAL_DEADLINE))
    }

    /// Whether containerd has a network configuration, by which the kubelet calls the node ready.
    #[track_caller]
    pub(crate) fn is_network_ready(&self) -> bool {
        self.status()["conditions"]["NetworkReady"]["status"] == true
    }

    /// All that containerd has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("containerd.log")).unwrap_or_default()
    }

    #[track_caller]
    fn await_answer(&mut self) {
        let answers = holds_within(PATIENCE, || {
            let ended = self.server.try_wait().ok().flatten().is_some();
            ended || run(self.ctr("default").arg("version")).is_ok()
        });
        let runs = self.server.try_wait().ok().flatten().is_none();
        self.require(answers && runs, "containerd to answer");
    }

    fn ctr(&self, namespace: &str) -> Command {
        let mut command = self.isolation.command("ctr");
        command.args(["--namespace", namespace]);
        command
    }

    fn cri_command(&self, words: &[&str], deadline: Duration) -> Command {
        let mut command = self.isolation.command(needs::python());
        command.arg(tools::cri_client()).args(words);
        command.args(["--timeout", &deadline.as_secs_f64().to_string()]);
        command
    }

    fn cri(&self, words: &[&str], deadline: Duration) -> Result<Value, Failure> {
        run(&mut self.cri_command(words, deadline)).map(|answer| parse(&answer))
    }

    #[track_caller]
    fn succeed<T>(&self, result: Result<T, Failure>) -> T {
        result.unwrap_or_else(|failure| panic!("{failure}\n{}", self.log_tail()))
    }

    #[track_caller]
    fn require(&self, met: bool, what: &str) {
        assert!(met, "waited in vain for {what}\n{}", self.log_tail());
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(40)..];
        format!("--- the end of containerd's log ---\n{}", tail.join("\n"))
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.isolation.end();
        // nsenter, which ends with the containerd that it started.
        let _ = self.server.wait();
        remove_cgroups(&self.cgroup);
    }
}

/// Starts the node's namespaces. Inside, all is where it is on any node; shims and network namespaces have
/// fixed places anyway.
fn boot(directory: &Path) -> Isolation {
    let own = |name: &str| Some(directory.join(name));
    fs::copy("/proc/sys/kernel/random/uuid", directory.join("boot_id")).expect("boot id of the node");
    Isolation::start(&[
        ("/etc/cni/net.d", own("net.d")),
        ("/opt/cni/bin", own("bin")),
        ("/var/lib/cni", own("cni")),
        (BOOT_ID, own("boot_id")),
        ("/run/containerd", None),
        ("/run/netns", None),
    ])
    .expect("namespaces of the node")
}

fn spawn(isolation: &Isolation, directory: &Path) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(directory.join("containerd.log"));
    let log = log.expect("containerd's log");
    let errors = log.try_clone().expect("containerd's log");
    isolation
        .daemon("sh")
        .args(["-c", START, "sh"])
        .arg(directory.join("config.toml"))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .expect("containerd")
}

/// Without `restrict_oom_score_adj`, pods cannot start where root lacks `CAP_SYS_RESOURCE`. The native
/// snapshotter copies files instead of stacking file systems, which does not work everywhere.
fn configuration(root: &Path) -> String {
    format!(
        r#"version = 2
root = "{root}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.overlayfs"]

[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{IMAGE}"

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/cni/bin"
  conf_dir = "/etc/cni/net.d"
"#,
        root = root.display()
    )
}

/// Cgroups outlive their processes. With the first version of cgroups each controller has a tree of its own.
fn remove_cgroups(name: &str) {
    let top = Path::new("/sys/fs/cgroup");
    let controllers = fs::read_dir(top).into_iter().flatten().flatten().map(|entry| entry.path());
    for tree in controllers.chain([top.to_owned()]) {
        let parent = tree.join(name.trim_start_matches('/'));
        for child in fs::read_dir(&parent).into_iter().flatten().flatten() {
            // Most entries are the kernel's files, and the controllers of one tree share its directories.
            let _ = fs::remove_dir(child.path());
        }
        let _ = fs::remove_dir(parent);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn parse(answer: &str) -> Value {
    serde_json::from_str(answer).unwrap_or_else(|error| panic!("cri.py printed {answer:?}: {error}"))
}
