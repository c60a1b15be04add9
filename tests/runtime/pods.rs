//! Pods come and go: each has an address of the ENI for as long as it lives.

use std::fs;
use std::thread;
use std::time::Duration;

use harness::Need;

use crate::libcni::Libcni;
use crate::stage::{ASSIGN, Stage, UNASSIGN, node, plugin};

harness::tests! {
    needs [Need::Root, Need::Containerd]:
        as_many_addresses_go_as_have_come,
        the_second_del_of_a_pod_asks_the_cloud_nothing,
        pods_that_come_and_go_at_the_same_time_do_not_disturb_each_other,
        a_container_of_ctr_has_its_address_while_it_runs,
        libcni_validates_adds_checks_and_deletes,
        a_check_fails_when_the_record_is_lost,
        an_error_reaches_libcni_with_its_code;
}

fn as_many_addresses_go_as_have_come() {
    let stage = Stage::new();
    let mut pods = Vec::new();
    for name in ["web-0", "web-1", "web-2"] {
        pods.push(stage.runtime.run_pod(name));
        stage.expect_pods(&pods.iter().map(String::as_str).collect::<Vec<_>>());
    }
    while let Some(pod) = pods.pop() {
        stage.runtime.stop_pod(&pod);
        stage.expect_pods(&pods.iter().map(String::as_str).collect::<Vec<_>>());
        stage.runtime.remove_pod(&pod);
        stage.expect_pods(&pods.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!((stage.node.cloud.count(ASSIGN), stage.node.cloud.count(UNASSIGN)), (3, 3));
}

/// Every pod gets two DELs, and the second one has neither a network namespace nor a result to go by.
fn the_second_del_of_a_pod_asks_the_cloud_nothing() {
    let stage = Stage::new();
    let pod = stage.runtime.run_pod("web-0");
    let address = stage.address(&pod);
    let [record] = stage.node.records().try_into().expect("one record");
    assert_eq!(record.0["network"], "pods");
    assert_eq!(record.0["ifname"], "eth0");
    assert_eq!(record.0["pod"], "default/web-0");

    stage.runtime.stop_pod(&pod);
    let asked = stage.node.cloud.ledger();
    let released: Vec<_> = asked.iter().filter(|entry| entry.action == UNASSIGN).collect();
    assert_eq!(released.len(), 1);
    assert_eq!(released[0].addresses, [address]);
    stage.node.expect_in_use([]);

    stage.runtime.remove_pod(&pod);
    assert_eq!(stage.commands(), ["ADD", "DEL", "DEL"]);
    let last = &stage.calls.calls()[2];
    assert!(last.container == pod && last.netns.is_empty() && last.config["prevResult"].is_null());
    assert_eq!(stage.node.cloud.ledger(), asked);
    stage.expect_pods(&[]);
}

fn pods_that_come_and_go_at_the_same_time_do_not_disturb_each_other() {
    let stage = Stage::new();
    // Long enough for calls to meet that do not wait for each other.
    stage.node.cloud.set_latency(Duration::from_millis(200));
    let (stage, names) = (&stage, ["web-0", "web-1", "web-2", "web-3", "web-4", "web-5"]);
    let pods: Vec<String> = thread::scope(|scope| {
        let starting = names.map(|name| scope.spawn(move || stage.runtime.run_pod(name)));
        starting.into_iter().map(|pod| pod.join().expect("the pod starts")).collect()
    });
    stage.expect_pods(&pods.iter().map(String::as_str).collect::<Vec<_>>());

    thread::scope(|scope| {
        for pod in &pods {
            scope.spawn(move || {
                stage.runtime.stop_pod(pod);
                stage.runtime.remove_pod(pod);
            });
        }
    });
    stage.expect_pods(&[]);
    // Those that wait share requests.
    let requests = stage.node.cloud.count(ASSIGN);
    assert!(requests <= names.len(), "{requests}");
}

/// `ctr` calls CNI itself: ADD before the container starts, DEL when it has ended.
fn a_container_of_ctr_has_its_address_while_it_runs() {
    let stage = Stage::new();
    let output = stage.runtime.ctr_run("job-1").unwrap_or_else(|failure| panic!("{failure}"));
    let seen: Vec<_> = output.lines().filter_map(|line| line.strip_prefix("eth0 ")?.parse().ok()).collect();
    let assigned: Vec<_> =
        stage.node.cloud.ledger().into_iter().filter(|entry| entry.action == ASSIGN).collect();
    assert_eq!(assigned.len(), 1);
    assert_eq!(seen.iter().filter(|address| assigned[0].addresses.contains(address)).count(), 1, "{output}");
    assert_eq!(stage.node.cloud.count(UNASSIGN), 1);
    stage.node.expect_in_use([]);
}

/// libcni alone, as CRI-O has it: with a check of the plugins' versions before, and a CHECK in between.
fn libcni_validates_adds_checks_and_deletes() {
    let node = node();
    let cni = Libcni::new(&[("aliyun-eni-ipam", plugin())], &node.ptp_conflist());
    cni.validate().expect("all plugins know the version");
    let netns = cni.add_netns("web-0");

    let result = cni.add("web-0", &netns).expect("ADD");
    let address = cni.netns_addresses(&netns);
    assert_eq!(result["ips"][0]["address"], format!("{}/24", address[0]));
    node.expect_in_use([address[0].parse().expect("an address")]);
    cni.check("web-0", &netns).expect("CHECK");

    cni.del("web-0", &netns).expect("DEL");
    assert!(cni.netns_addresses(&netns).is_empty());
    node.expect_in_use([]);
    cni.del("web-0", "").expect("DEL again");
    node.expect_in_use([]);
    assert_eq!(node.cloud.count(UNASSIGN), 1);
}

fn a_check_fails_when_the_record_is_lost() {
    let node = node();
    let cni = Libcni::new(&[("aliyun-eni-ipam", plugin())], &node.ptp_conflist());
    let netns = cni.add_netns("web-0");
    cni.add("web-0", &netns).expect("ADD");
    fs::remove_dir_all(node.store()).expect("the store is lost");
    let failure = cni.check("web-0", &netns).expect_err("nothing is recorded");
    assert!(failure.stderr.contains(r#""code":103"#), "{failure}");
}

fn an_error_reaches_libcni_with_its_code() {
    let node = node();
    node.cloud.with_world(|world| world.quota.ipv4 = 1);
    let cni = Libcni::new(&[("aliyun-eni-ipam", plugin())], &node.ptp_conflist());
    let netns = cni.add_netns("web-0");
    let failure = cni.add("web-0", &netns).expect_err("the ENI has no room but for its primary address");
    assert!(failure.stderr.contains(r#""code":112,"msg":"no free address is left""#), "{failure}");
    node.expect_in_use([]);
}
