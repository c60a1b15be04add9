//! The harness itself, seen working with the standard IPAM plugin, host-local. What the tests say of
//! host-local's leaks holds for host-local alone.

use std::fs;
use std::path::Path;

use harness::Need;
use serde_json::{Value, json};

use crate::containerd::Containerd;
use crate::libcni::Libcni;
use crate::tools::{IMPATIENT, PATIENCE, holds_within};
use crate::wrapper::Wrapper;

harness::tests! {
    needs [Need::Root, Need::Containerd]:
        pod_has_its_address_until_it_is_removed,
        short_container_sees_its_address,
        failed_add_is_reported_to_the_client,
        deadline_of_add_is_overtaken_by_del,
        deadline_of_del_starts_another_beside_it,
        pod_outlives_a_crash_of_containerd,
        pod_is_deleted_after_a_reboot,
        libcni_adds_checks_and_deletes;
}

const HOST_LOCAL: &str = "/usr/lib/cni/host-local";

/// Pods of all tests share the machine's routing table: each test has a subnet of its own.
fn conflist(ipam: &str, subnet: &str) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{
            "type": "ptp",
            "ipam": {"type": ipam, "ranges": [[{"subnet": subnet}]], "routes": [{"dst": "0.0.0.0/0"}]},
        }],
    })
}

/// The addresses that host-local holds: one file each.
fn reserved(cni_state: &Path) -> Vec<String> {
    let entries = fs::read_dir(cni_state.join("networks/pods")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("10."))
        .collect()
}

/// A pod's life, as kubelet leads it.
fn pod_has_its_address_until_it_is_removed() {
    let ipam = Wrapper::new(Path::new(HOST_LOCAL));
    let node = Containerd::start(&[("wrapped", &ipam.path())]);
    node.write_conflist("pods", &conflist("wrapped", "10.98.1.0/24"));

    let pod = node.run_pod("web-0");
    assert_eq!(node.pods(), [pod.as_str()]);
    assert_eq!(node.pod_ip(&pod), "10.98.1.2");
    assert_eq!(node.pod_netns_addresses(&pod), ["10.98.1.2"]);
    assert_eq!(reserved(&node.cni_state()), ["10.98.1.2"]);

    node.stop_pod(&pod);
    node.remove_pod(&pod);
    assert!(node.pods().is_empty());
    assert!(reserved(&node.cni_state()).is_empty());

    // Two DELs for one ADD: the first with the network namespace and the result, the second with neither.
    let calls = ipam.calls();
    assert!(calls.iter().all(|call| call.container == pod));
    assert_eq!(calls.iter().map(|call| call.command.as_str()).collect::<Vec<_>>(), ["ADD", "DEL", "DEL"]);
    assert!(calls[1].netns.starts_with("/var/run/netns/cni-") && calls[2].netns.is_empty());
    assert!(calls[1].config["prevResult"].is_object() && calls[2].config["prevResult"].is_null());
}

fn short_container_sees_its_address() {
    let node = Containerd::start(&[]);
    node.write_conflist("pods", &conflist("host-local", "10.98.2.0/24"));

    let output = node.ctr_run("job-1").unwrap_or_else(|failure| panic!("{failure}\n{}", node.log()));
    assert!(output.lines().any(|line| line == "eth0 10.98.2.2"), "{output}");
    assert!(reserved(&node.cni_state()).is_empty());
}

fn failed_add_is_reported_to_the_client() {
    let node = Containerd::start(&[]);
    let mut conflist = conflist("host-local", "10.98.3.0/24");
    let range = &mut conflist["plugins"][0]["ipam"]["ranges"][0][0];
    range["rangeStart"] = json!("10.98.3.9");
    range["rangeEnd"] = json!("10.98.3.9");
    node.write_conflist("pods", &conflist);
    let pod = node.run_pod("web-0");
    assert_eq!(node.pod_ip(&pod), "10.98.3.9");

    let refused = [node.run_pod_with_deadline("web-1", PATIENCE).map(drop), node.ctr_run("job-1").map(drop)];
    for result in refused {
        let failure = result.expect_err("no address is left");
        assert!(failure.stderr.contains("no IP addresses available in range set"), "{failure}");
    }
    assert_eq!(node.pods(), [pod]);
    assert_eq!(reserved(&node.cni_state()), ["10.98.3.9"]);
}

/// The client gives up on a slow ADD. The cleanup's DEL overtakes it, and what it reserves afterwards is
/// nobody's.
fn deadline_of_add_is_overtaken_by_del() {
    let ipam = Wrapper::new(Path::new(HOST_LOCAL));
    let node = Containerd::start(&[("wrapped", &ipam.path())]);
    node.write_conflist("pods", &conflist("wrapped", "10.98.4.0/24"));

    ipam.hold("ADD");
    // On a busy machine the deadline may come before the ADD: kubelet, too, tries again.
    let add_has_begun = holds_within(PATIENCE, || {
        let failure = node.run_pod_with_deadline("web-0", IMPATIENT).expect_err("the ADD is held");
        assert!(failure.is_deadline(), "{failure}");
        ipam.count("ADD") == 1
    });
    assert!(add_has_begun, "{}", node.log());
    assert!(holds_within(PATIENCE, || ipam.count("DEL") > 0 && node.pods().is_empty()), "{}", node.log());
    assert!(reserved(&node.cni_state()).is_empty());

    ipam.release("ADD");
    assert!(holds_within(PATIENCE, || reserved(&node.cni_state()) == ["10.98.4.2"]), "{}", node.log());
}

/// The client gives up on a slow DEL and repeats it while the first one still runs.
fn deadline_of_del_starts_another_beside_it() {
    let ipam = Wrapper::new(Path::new(HOST_LOCAL));
    let node = Containerd::start(&[("wrapped", &ipam.path())]);
    node.write_conflist("pods", &conflist("wrapped", "10.98.5.0/24"));
    let pod = node.run_pod("web-0");

    ipam.hold("DEL");
    let two_dels_wait = holds_within(PATIENCE, || {
        let failure = node.stop_pod_with_deadline(&pod, IMPATIENT).expect_err("the DEL is held");
        assert!(failure.is_deadline(), "{failure}");
        ipam.count("DEL") == 2
    });
    assert!(two_dels_wait, "{}", node.log());
    assert_eq!(reserved(&node.cni_state()), ["10.98.5.2"]);

    ipam.release("DEL");
    node.stop_pod(&pod);
    node.remove_pod(&pod);
    assert!(reserved(&node.cni_state()).is_empty());
}

fn pod_outlives_a_crash_of_containerd() {
    let mut node = Containerd::start(&[]);
    node.write_conflist("pods", &conflist("host-local", "10.98.6.0/24"));
    let pod = node.run_pod("web-0");

    node.kill9_and_restart();
    assert_eq!(node.pods(), [pod.as_str()]);
    assert_eq!(node.pod_netns_addresses(&pod), ["10.98.6.2"]);

    node.stop_pod(&pod);
    node.remove_pod(&pod);
    assert!(reserved(&node.cni_state()).is_empty());
}

/// After a reboot the pod's network namespace is gone, and the runtime still knows the pod and its result.
fn pod_is_deleted_after_a_reboot() {
    let ipam = Wrapper::new(Path::new(HOST_LOCAL));
    let mut node = Containerd::start(&[("wrapped", &ipam.path())]);
    node.write_conflist("pods", &conflist("wrapped", "10.98.8.0/24"));
    let pod = node.run_pod("web-0");
    let boot = node.boot_id();

    node.reboot();
    assert_ne!(node.boot_id(), boot);
    assert_eq!(node.pods(), [pod.as_str()]);
    assert_eq!(ipam.count("DEL"), 0);

    node.stop_pod(&pod);
    let calls = ipam.calls();
    assert!(calls[1].command == "DEL" && calls[1].netns.is_empty());
    assert_eq!(calls[1].config["prevResult"]["ips"][0]["address"], "10.98.8.2/24");
    node.remove_pod(&pod);
    assert!(reserved(&node.cni_state()).is_empty());
}

fn libcni_adds_checks_and_deletes() {
    let cni = Libcni::new(&[], &conflist("host-local", "10.98.7.0/24"));
    cni.validate().expect("all plugins know the version");
    let netns = cni.add_netns("web-0");

    let result = cni.add("web-0", &netns).expect("ADD");
    assert_eq!(result["ips"][0]["address"], "10.98.7.2/24");
    assert_eq!(cni.netns_addresses(&netns), ["10.98.7.2"]);
    cni.check("web-0", &netns).expect("CHECK");

    cni.delete_netns("web-0");
    cni.del("web-0", "").expect("DEL");
    cni.del("web-0", "").expect("DEL again");
    assert!(reserved(&cni.cni_state()).is_empty());

    cni.write_conflist(&conflist("host-local", "10.98.7.0/31"));
    let netns = cni.add_netns("web-1");
    let failure = cni.add("web-1", &netns).expect_err("no address");
    assert!(failure.stderr.contains(r#""code":999"#), "{failure}");
}
