//! A store that is lost while pods live: what libcni remembers of them and the host's routes to them keep their addresses theirs.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use harness::{Answer, Need};
use serde_json::{Value, json};

use crate::stage::{Stage, UNASSIGN};

harness::tests! {
    needs [Need::Root, Need::Containerd]:
        pods_of_a_lost_store_are_recorded_again_from_what_containerd_remembers,
        where_containerd_has_forgotten_the_hosts_route_keeps_a_pods_address,
        a_store_from_a_backup_takes_nothing_from_the_pod_that_has_the_address_since;
}

/// A command with this node's cache of libcni.
pub(crate) fn operator(stage: &Stage, words: &[&str]) -> Answer {
    let cache = stage.runtime.cni_state();
    stage.node.command(&[words, &["--json"]].concat()).env("CNI_CACHE_DIR", cache).run()
}

fn lose(stage: &Stage) {
    fs::remove_dir_all(stage.node.store()).expect("the store is lost");
}

fn addresses(entries: &Value) -> BTreeSet<IpAddr> {
    let text = |it: &Value| it["address"].as_str().or(it.as_str()).and_then(|it| it.parse().ok());
    entries.as_array().into_iter().flatten().filter_map(text).collect()
}

fn pods_of_a_lost_store_are_recorded_again_from_what_containerd_remembers() {
    let stage = Stage::new();
    let pods = ["web-0", "web-1", "web-2"].map(|pod| stage.runtime.run_pod(pod));
    let before = stage.node.on_eni();
    let records = stage.node.records();
    lose(&stage);

    let seen = operator(&stage, &["reconcile", "--release-orphans", "--yes"]);
    assert_eq!((seen.status(), &seen.json()["unseen"]), (1, &json!([])), "{seen:?}");
    assert_eq!(addresses(&seen.json()["enis"][0]["inUse"]), before);
    assert_eq!((stage.node.on_eni(), stage.node.cloud.count(UNASSIGN)), (before.clone(), 0));

    let adopted = operator(&stage, &["reconcile", "--adopt"]);
    assert_eq!((adopted.status(), addresses(&adopted.json()["adopted"])), (0, before), "{adopted:?}");
    stage.expect_pods(&pods.each_ref().map(String::as_str));
    for (again, first) in stage.node.records().iter().zip(&records) {
        for key in ["network", "ifname", "pod", "networkInterfaceId", "regionId"] {
            assert_eq!(again.0[key], first.0[key], "{key}");
        }
    }
    for (at, pod) in pods.iter().enumerate() {
        stage.runtime.stop_pod(pod);
        stage.expect_pods(&pods[at + 1..].iter().map(String::as_str).collect::<Vec<_>>());
        stage.runtime.remove_pod(pod);
    }
    assert_eq!(stage.node.cloud.count(UNASSIGN), pods.len());
}

fn where_containerd_has_forgotten_the_hosts_route_keeps_a_pods_address() {
    let stage = Stage::new();
    let [kept, forgotten] = ["web-0", "web-1"].map(|pod| stage.runtime.run_pod(pod));
    let (on_eni, address) = (stage.node.on_eni(), stage.address(&forgotten));
    lose(&stage);
    let results = stage.runtime.cni_state().join("results");
    fs::remove_file(results.join(format!("pods-{forgotten}-eth0"))).expect("libcni's file");
    fs::write(results.join("pods-half-eth0"), r#"{"kind":"cniCache"#).expect("a file");

    for words in [&["reconcile", "--release-orphans", "--yes"][..], &["reconcile", "--adopt"]] {
        let answer = operator(&stage, words);
        let in_use = answer.json()["enis"][0]["inUse"].as_array().cloned().unwrap_or_default();
        let entry = in_use.iter().find(|it| it["address"] == json!(address)).expect("the address");
        assert!(entry["by"].as_str().is_some_and(|by| by.contains("route")), "{answer:?}");
        assert!(answer.status() == 1 && stage.node.on_eni() == on_eni, "{answer:?}");
        assert!(answer.json()["unseen"].to_string().contains("pods-half-eth0"));
    }
    assert_eq!(stage.node.recorded(), BTreeSet::from([stage.address(&kept)]));

    // When it has ended, nothing shows that anybody uses its address, and the person decides.
    for pod in [&kept, &forgotten] {
        stage.runtime.stop_pod(pod);
        stage.runtime.remove_pod(pod);
    }
    let answer = operator(&stage, &["reconcile", "--release-orphans", "--yes"]);
    assert_eq!(answer.json()["released"], json!([address]), "{answer:?}");
    stage.expect_pods(&[]);
}

fn a_store_from_a_backup_takes_nothing_from_the_pod_that_has_the_address_since() {
    let stage = Stage::with(|node| {
        node.cloud.with_world(|world| world.policy = harness::simulator::AddressPolicy::LowestFree);
    });
    let old = stage.runtime.run_pod("old");
    let address = stage.address(&old);
    let record = fs::read_dir(stage.node.store().join("active")).expect("records").flatten().next();
    let (name, content) =
        record.map(|it| (it.file_name(), fs::read(it.path()).expect("a record"))).expect("one");
    stage.runtime.stop_pod(&old);
    stage.runtime.remove_pod(&old);
    let new = stage.runtime.run_pod("new");
    assert_eq!(stage.address(&new), address);

    lose(&stage);
    let active = stage.node.store().join("active");
    fs::create_dir_all(&active).expect("the store");
    for directory in [stage.node.store(), active.clone()] {
        fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .expect("its mode");
    }
    fs::write(active.join(name), content).expect("the record");
    stage.node.let_time_pass(std::time::Duration::from_mins(10));

    let refused = operator(&stage, &["release", &address.to_string(), "--yes"]);
    assert_eq!(refused.status(), 1, "{refused:?}");
    let seen = operator(&stage, &["reconcile"]);
    assert_eq!(seen.json()["enis"][0]["conflicts"][0]["address"], json!(address), "{seen:?}");
    let adopted = operator(&stage, &["reconcile", "--adopt"]);
    assert_eq!(adopted.status(), 0, "{adopted:?}");
    stage.node.del(&old).ok();
    stage.expect_pods(&[&new]);
    stage.runtime.stop_pod(&new);
    stage.runtime.remove_pod(&new);
    stage.expect_pods(&[]);
}
