//! The journal: a real journald takes the plugin's warnings with their fields, and `journalctl` finds them by these.

use std::process::{Child, Command, Stdio};

use aliyun_eni_ipam::logging::FIELDS;
use harness::needs::JOURNALD;
use harness::simulator::World;
use harness::{Effect, Fault, Need, Node, eventually};
use serde_json::Value;

use crate::node;

harness::tests! {
    needs [Need::Root, Need::MountNamespaces, Need::Journald]:
        journalctl_finds_warnings_by_the_pods_name,
        a_journal_that_is_stopped_holds_no_call_up;
}

/// Whoever looks at `/run` there sees nothing of this machine's, and changes nothing there.
const BEGIN: &str =
    "mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/log/journal && exec \"$0\"";

/// A journald of the test's own.
struct Journal(Child);

impl Journal {
    fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", BEGIN, JOURNALD]).stdout(Stdio::null()).stderr(Stdio::null());
        let journal = Self(command.spawn().unwrap());
        eventually("journald listens", || journal.within("test", &["-S", "/run/systemd/journal/socket"]).0);
        journal
    }

    fn enter(&self) -> Vec<String> {
        vec![format!("--mount=/proc/{}/ns/mnt", self.0.id())]
    }

    /// Runs a program where this journald is the system's. Whether it succeeded, and its stdout.
    fn within(&self, program: &str, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new("nsenter");
        let output = command.args(self.enter()).arg(program).args(arguments).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    /// The entries that `journalctl` finds by these matches.
    fn entries(&self, matches: &[&str]) -> Vec<Value> {
        let _ = self.within("journalctl", &["--sync"]);
        let arguments = [&["--no-pager", "-o", "json", "-t", "aliyun-eni-ipam"], matches].concat();
        let (_, text) = self.within("journalctl", &arguments);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A pod whose DEL is deferred.
fn deferred(node: &Node, journal: &Journal) {
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0";
    let call = |verb| node.call(verb, "c1").env("CNI_ARGS", args).under("nsenter", &journal.enter());
    let _ = call("ADD").run().address();
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("Forbidden.RAM")));
    call("DEL").run().ok();
    assert_eq!(node.counts()[2], 1, "{}", node.scene());
}

fn journalctl_finds_warnings_by_the_pods_name() {
    let (node, journal) = (node(), Journal::new());
    deferred(&node, &journal);
    eventually("the warning is there", || !journal.entries(&["CNI_POD=default/web-0"]).is_empty());
    for by in ["CNI_POD=default/web-0", "ADDRESS=192.168.0.1", "ALIYUN_CODE=Forbidden.RAM", "CNI_COMMAND=DEL"]
    {
        assert_eq!(journal.entries(&[by]).len(), 1, "{by}");
    }
    assert!(journal.entries(&["CNI_POD=default/web"]).is_empty());
    let entry = journal.entries(&[]).remove(0);
    let line = node.log().lines().find(|line| line.contains(": deferred ")).unwrap().to_owned();
    let message = entry["MESSAGE"].as_str().unwrap();
    assert!(line.ends_with(message), "{message}\n{line}");
    for (name, value) in
        [("PRIORITY", "4"), ("CNI_CONTAINERID", "c1"), ("CNI_IFNAME", "eth0"), ("ALIYUN_ENI", Node::ENI)]
    {
        assert_eq!(entry[name], value, "{entry}");
    }
    // What the line has, the entry has.
    for field in FIELDS.iter().filter(|field| line.contains(&format!(" {}=", field.name))) {
        assert!(entry[field.journal].is_string(), "{}: {entry}", field.journal);
    }
    assert!(!entry.to_string().contains(World::ACCESS_KEY_SECRET));
}

fn a_journal_that_is_stopped_holds_no_call_up() {
    let (node, journal) = (node(), Journal::new());
    let signal = |name: &str| {
        let status = Command::new("kill").args([name, &journal.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    };
    signal("-STOP");
    deferred(&node, &journal);
    signal("-CONT");
}
