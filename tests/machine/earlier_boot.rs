//! What `flush` does with records of an earlier boot. It depends on how long the machine has been up, and on what the kernel says
//! of this boot, so each call sees files of the test's own in place of the kernel's.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::IpAddr;
use std::time::Duration;

use harness::{Answer, Calling, EARLIER_BOOT, Effect, Fault, Need, Node, World, eventually};
use serde_json::{Value, json};

use crate::node;

harness::tests! {
    needs [Need::MountNamespaces, Need::NetworkNamespaces]:
        an_address_that_this_host_has_a_route_to_is_kept;
    needs [Need::MountNamespaces]:
        a_flush_releases_what_an_earlier_boot_left_and_says_so,
        a_flush_leaves_the_first_ten_minutes_after_a_boot_to_the_runtime,
        a_flush_where_nobody_knows_how_long_the_machine_has_been_up_releases_nothing,
        a_del_that_comes_before_the_flush_is_all_that_happens,
        a_wall_clock_that_was_set_makes_no_difference,
        a_pod_whose_add_comes_before_the_flush_keeps_its_address,
        a_record_that_an_add_takes_over_while_the_flush_waits_stays,
        an_address_that_another_pod_has_by_the_cache_is_kept_and_ones_own_proves_nothing,
        in_a_container_that_shows_a_boot_of_its_own_nothing_is_released_for_it,
        a_record_that_was_made_in_such_a_container_is_never_of_an_earlier_boot,
        a_node_that_was_cloned_or_has_anothers_store_takes_nothing_by_a_flush,
        where_the_enis_link_is_not_nothing_is_released,
        a_hundred_pods_of_before_share_requests,
        what_one_flush_does_not_get_done_the_next_one_goes_on_with,
        doctor_counts_what_an_earlier_boot_left_and_says_what_becomes_of_it;
}

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

const LONG: Duration = Duration::from_mins(10);

/// A node with these pods, that has been booted since.
fn rebooted(count: usize) -> (Node, Vec<IpAddr>) {
    let node = node();
    let addresses = (0..count).map(|number| node.add(&format!("c{number}")).address()).collect();
    node.reboot();
    node.cloud.clear_ledger();
    (node, addresses)
}

fn flush(node: &Node) -> Calling<'_> {
    node.command(&["flush", "--json"]).up_for(LONG)
}

/// What `flush --json` says of an earlier boot.
fn said(answer: &Answer) -> Value {
    answer.json()["earlierBoot"].clone()
}

/// Nothing has been released, nor will it be.
#[track_caller]
fn expect_untouched(node: &Node, addresses: &[IpAddr]) {
    assert_eq!(node.on_eni(), addresses.iter().copied().collect(), "{}", node.scene());
    assert_eq!(node.counts(), [0, addresses.len(), 0, 0], "{}", node.scene());
    assert_eq!(node.cloud.count(UNASSIGN), 0, "{}", node.scene());
}

#[track_caller]
fn expect_nothing_left(node: &Node) {
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

fn a_flush_releases_what_an_earlier_boot_left_and_says_so() {
    let (node, addresses) = rebooted(2);
    let living = node.add("new").address();
    let answer = flush(&node).run();
    assert_eq!(answer.status(), 0, "{answer:?}");
    assert_eq!(answer.json()["released"], json!(addresses));
    assert_eq!(said(&answer), json!({"begun": addresses, "waiting": [], "kept": []}));
    assert_eq!((node.on_eni(), node.counts()), (BTreeSet::from([living]), [0, 1, 0, 0]), "{}", node.scene());

    node.reboot();
    let text = node.command(&["flush"]).up_for(LONG).run().stdout();
    assert!(text.starts_with("released 1 address on "), "{text}");
    assert!(text.contains(&format!("left by an earlier boot, and no pod's any more: {living}\n")), "{text}");
    expect_nothing_left(&node);
}

fn a_flush_leaves_the_first_ten_minutes_after_a_boot_to_the_runtime() {
    let (node, addresses) = rebooted(1);
    let up = Duration::from_mins(9);
    let answer = node.command(&["flush", "--json"]).up_for(up).run();
    assert_eq!(answer.status(), 0, "{answer:?}");
    assert_eq!(said(&answer), json!({"begun": [], "waiting": addresses, "kept": []}));
    let text = node.command(&["flush"]).up_for(up).run().stdout();
    assert!(
        text.contains("nothing was released\n") && text.contains("from ten minutes after boot on"),
        "{text}"
    );
    expect_untouched(&node, &addresses);
}

fn a_flush_where_nobody_knows_how_long_the_machine_has_been_up_releases_nothing() {
    let (node, addresses) = rebooted(1);
    let answer = node.command(&["flush", "--json"]).with_uptime("a while\n").run();
    assert_eq!(said(&answer)["waiting"], json!(addresses), "{answer:?}");
    expect_untouched(&node, &addresses);
}

fn a_del_that_comes_before_the_flush_is_all_that_happens() {
    let (node, _) = rebooted(1);
    node.del("c0").ok();
    expect_nothing_left(&node);
    assert_eq!(flush(&node).run().stdout(), node.operator(&["flush", "--json"]).stdout());
}

fn a_wall_clock_that_was_set_makes_no_difference() {
    let (node, addresses) = rebooted(1);
    let active = fs::read_dir(node.store().join("active")).unwrap().next().unwrap().unwrap().path();
    let mut record: Value = serde_json::from_slice(&fs::read(&active).unwrap()).unwrap();
    // Made in years to come.
    record["allocation"]["since"] = "2199-01-01T00:00:00Z".into();
    record["clock"]["bootBegan"] = "2198-01-01T00:00:00Z".into();
    record.as_object_mut().unwrap().remove("digest");
    fs::write(&active, record.to_string()).unwrap();
    assert_eq!(said(&flush(&node).run())["begun"], json!(addresses));
    expect_nothing_left(&node);
}

fn a_pod_whose_add_comes_before_the_flush_keeps_its_address() {
    let (node, addresses) = rebooted(2);
    assert_eq!(node.add("c0").address(), addresses[0]);
    assert_eq!(said(&flush(&node).run())["begun"], json!(addresses[1..]));
    assert_eq!(node.on_eni(), BTreeSet::from([addresses[0]]), "{}", node.scene());
    assert_eq!((node.counts(), node.cloud.count(ASSIGN)), ([0, 1, 0, 0], 0));
}

/// Whether a process of this name blocks on a file's lock: the kernel has it in a line.
fn waits_for_a_lock(pid: u32) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("->") && line.split_whitespace().any(|it| it == pid.to_string()))
}

fn a_record_that_an_add_takes_over_while_the_flush_waits_stays() {
    let (node, addresses) = rebooted(1);
    let lock = File::open(node.store().join("lock")).unwrap();
    lock.lock().unwrap();
    let flush = flush(&node).start();
    eventually("the flush has read the record, and waits", || waits_for_a_lock(flush.pid()));
    // As the ADD leaves it, which has had the lock before.
    let active = fs::read_dir(node.store().join("active")).unwrap().next().unwrap().unwrap().path();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let text = fs::read_to_string(&active).unwrap();
    fs::write(&active, text.replace(EARLIER_BOOT, boot.trim())).unwrap();
    lock.unlock().unwrap();
    let answer = flush.wait();
    assert_eq!((answer.status(), said(&answer)), (0, json!({"begun": [], "waiting": [], "kept": []})));
    expect_untouched(&node, &addresses);
}

fn an_address_that_this_host_has_a_route_to_is_kept() {
    let (node, addresses) = rebooted(1);
    // In a network of its own the call does not reach the cloud, which it need not.
    let script = format!(
        "ip link add veth1 type veth peer name eth0 && ip link set veth1 up && ip link set eth0 up && \
         ip route add {}/32 dev veth1 && exec \"$0\" \"$@\"",
        addresses[0]
    );
    let arguments = ["--net", "sh", "-c", &script].map(str::to_owned);
    let answer = flush(&node).under("unshare", &arguments).run();
    let kept = &said(&answer)["kept"];
    assert_eq!((answer.status(), &kept[0]["addresses"]), (1, &json!(addresses)), "{answer:?}");
    assert!(kept[0]["why"].as_str().unwrap().contains("a route to"), "{kept}");
    let text = node.command(&["flush"]).up_for(LONG).under("unshare", &arguments).run();
    assert!(text.stdout().starts_with("nothing was released\n"), "{text:?}");
    assert!(text.status() == 1 && text.stdout().contains(&addresses[0].to_string()), "{text:?}");
    expect_untouched(&node, &addresses);
}

fn an_address_that_another_pod_has_by_the_cache_is_kept_and_ones_own_proves_nothing() {
    let node = node();
    let addresses: Vec<_> = ["c0", "c1", "c2"].iter().map(|pod| node.add(pod).address()).collect();
    node.cache("c0", &addresses[..1]);
    node.reboot();
    node.cache("another", &addresses[1..2]);
    // An earlier version has answered an ADD of this boot with it.
    node.cache("c2", &addresses[2..]);
    let answer = flush(&node).run();
    let kept = &said(&answer)["kept"];
    assert_eq!((answer.status(), kept.as_array().unwrap().len()), (1, 2), "{answer:?}");
    let files = ["another", "c2"].map(|pod| node.cached(pod).display().to_string());
    assert!(files.iter().all(|file| kept.to_string().contains(file)), "{kept}");
    assert_eq!(node.on_eni(), addresses[1..].iter().copied().collect(), "{}", node.scene());
    assert_eq!(node.counts(), [0, 2, 0, 0]);
}

/// Living pods, and a container whose manager mounts a file over the kernel's.
fn in_a_container_that_shows_a_boot_of_its_own_nothing_is_released_for_it() {
    let node = node();
    let address = node.add("c0").address();
    node.cloud.clear_ledger();
    let answer = flush(&node).with_boot_id(EARLIER_BOOT).run();
    assert_eq!((answer.status(), said(&answer)), (0, json!({"begun": [], "waiting": [], "kept": []})));
    expect_untouched(&node, &[address]);
    // Nor is an ADD in there sure that the pod does not live. It makes the record one that nobody releases for its boot.
    assert_eq!(node.call("ADD", "c0").with_boot_id(EARLIER_BOOT).run().address(), address);
    assert!(node.cloud.ledger().is_empty(), "{}", node.scene());
    node.reboot();
    let _ = flush(&node).run();
    expect_untouched(&node, &[address]);
}

fn a_record_that_was_made_in_such_a_container_is_never_of_an_earlier_boot() {
    let node = node();
    let address = node.call("ADD", "c0").with_boot_id(EARLIER_BOOT).run().address();
    let answer = flush(&node).run();
    assert_eq!((answer.status(), said(&answer)), (0, json!({"begun": [], "waiting": [], "kept": []})));
    expect_untouched(&node, &[address]);
}

fn a_node_that_was_cloned_or_has_anothers_store_takes_nothing_by_a_flush() {
    let (node, addresses) = rebooted(3);
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = Some("i-the-original".into()));
    let answer = flush(&node).run();
    assert_eq!(answer.status(), 1, "{answer:?}");
    let why = answer.json()["releasing"][0]["lastError"].as_str().unwrap().to_owned();
    assert!(why.contains("i-the-original") && why.contains("delete"), "{why}");
    assert_eq!(node.cloud.count(UNASSIGN), 0, "{}", node.scene());
    assert_eq!((node.on_eni().len(), node.recorded().len()), (3, addresses.len()));
}

/// As in a sandbox with a kernel of its own, or after the ENI was detached.
fn where_the_enis_link_is_not_nothing_is_released() {
    let node = node();
    // Every machine has a link with this hardware address.
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).mac = "00:00:00:00:00:00".into());
    let address = node.add("c0").address();
    node.reboot();
    node.cloud.clear_ledger();
    let known = node.store().join(format!("cache/link-{}.json", Node::ENI));
    let text = fs::read_to_string(&known).unwrap();
    assert!(text.contains("\"link\":\"lo\""), "{text}");
    fs::write(&known, text.replace("00:00:00:00:00:00", "00:16:3e:00:00:77")).unwrap();
    let answer = flush(&node).run();
    assert_eq!(
        (answer.status(), &said(&answer)["kept"][0]["addresses"]),
        (1, &json!([address])),
        "{answer:?}"
    );
    expect_untouched(&node, &[address]);
    fs::write(&known, text).unwrap();
    assert_eq!(flush(&node).run().status(), 0);
    expect_nothing_left(&node);
}

/// A node with so many pods of before.
fn with_many(count: usize) -> Node {
    let node = Node::in_world(harness::plugin!(), World::single_node().with_quota(200, 200));
    for number in 0..count {
        let _ = node.add(&format!("c{number}")).address();
    }
    node.reboot();
    node.cloud.clear_ledger();
    node
}

fn a_hundred_pods_of_before_share_requests() {
    let node = with_many(110).with("timeoutSeconds", 120);
    let answer = flush(&node).run();
    assert_eq!((answer.status(), said(&answer)["begun"].as_array().unwrap().len()), (0, 110));
    assert!(node.cloud.count(UNASSIGN) <= 11, "{} requests", node.cloud.count(UNASSIGN));
    expect_nothing_left(&node);
}

fn what_one_flush_does_not_get_done_the_next_one_goes_on_with() {
    let mut node = with_many(30);
    // It has no time for a second request.
    node.set("timeoutSeconds", 2);
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::Delay(Duration::from_secs(1))));
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::Stall));
    assert_eq!(flush(&node).run().status(), 1, "{}", node.scene());
    assert!(!node.on_eni().is_empty());
    node.cloud.clear_faults();
    node.set("timeoutSeconds", 120);
    assert_eq!(flush(&node).run().status(), 0, "{}", node.scene());
    expect_nothing_left(&node);
}

fn doctor_counts_what_an_earlier_boot_left_and_says_what_becomes_of_it() {
    let (node, _) = rebooted(2);
    let _ = node.add("new").address();
    let doctor = node.operator(&["doctor"]).stdout();
    let line = doctor.lines().find(|line| line.contains("records")).unwrap();
    assert!(line.starts_with("warn") && line.contains("3 active"), "{line}");
    assert!(line.contains("active ones of an earlier boot: 2,"), "{line}");
    assert!(line.contains("from ten minutes after boot on"), "{line}");
    let _ = flush(&node).run();
    let doctor = node.operator(&["doctor"]).stdout();
    assert!(doctor.lines().any(|line| line.starts_with("ok") && line.contains("1 active")), "{doctor}");
}
