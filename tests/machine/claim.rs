//! Two stores that would share an ENI and do not know of each other. The claim of an ENI is in `/run`, so this needs root; the
//! simulated cloud of each test has ENIs of its own.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;

use harness::{Answer, Calling, Effect, Fault, Need, Node, World};

use crate::node;

harness::tests! {
    needs [Need::Root]:
        the_second_store_on_an_eni_is_refused_and_both_are_named,
        an_eni_is_one_however_the_configuration_finds_it,
        of_two_first_adds_in_two_stores_one_gets_the_eni,
        a_store_without_records_of_the_eni_gives_it_up,
        a_store_that_is_gone_gives_its_enis_up,
        one_store_by_two_names_is_one,
        a_doctor_names_the_store_that_has_claimed_the_eni,
        a_claim_is_roots_alone_and_one_that_cannot_be_read_stops_nothing;
}

const ASSIGN: &str = "AssignPrivateIpAddresses";

/// The directory of a second store.
fn second(node: &Node) -> PathBuf {
    node.directory().join("second")
}

/// A call that uses that one.
fn with_second<'a>(node: &'a Node, verb: &str, container: &str) -> Calling<'a> {
    let directory = second(node).display().to_string();
    node.call(verb, container).config(|config| config["ipam"]["dataDir"] = directory.into())
}

#[track_caller]
fn expect_refused(node: &Node, answer: &Answer) {
    let text = answer.error(113);
    for directory in [node.store(), second(node)] {
        assert!(text.contains(directory.to_str().unwrap()), "{text}");
    }
    assert!(text.contains("set ipam.dataDir"), "{text}");
}

fn the_second_store_on_an_eni_is_refused_and_both_are_named() {
    let node = node();
    let address = node.add("c0").address();
    expect_refused(&node, &with_second(&node, "ADD", "c1").run());
    // Nothing was asked for, and nothing is left behind.
    assert_eq!((node.cloud.count(ASSIGN), node.on_eni()), (1, BTreeSet::from([address])), "{}", node.scene());
    assert_eq!(fs::read_dir(second(&node).join("assigning")).unwrap().count(), 0);
    with_second(&node, "DEL", "c1").run().ok();
    // The first one goes on.
    let _ = node.add("c2").address();
    node.del("c0").ok();
    node.del("c2").ok();
    assert!(node.on_eni().is_empty(), "{}", node.scene());
}

fn an_eni_is_one_however_the_configuration_finds_it() {
    let mut node = node();
    node.set("networkInterfaceId", World::PRIMARY_ENI);
    let _ = node.add("c0").address();
    let directory = second(&node).display().to_string();
    let as_the_primary_one = node.call("ADD", "c1").config(|config| {
        config["ipam"]["dataDir"] = directory.into();
        config["ipam"].as_object_mut().unwrap().remove("networkInterfaceId");
    });
    expect_refused(&node, &as_the_primary_one.run());
}

fn of_two_first_adds_in_two_stores_one_gets_the_eni() {
    for _ in 0..10 {
        let node = node();
        let start = Barrier::new(2);
        let [one, other] = thread::scope(|scope| {
            let adds = [node.call("ADD", "c0"), with_second(&node, "ADD", "c1")];
            let adds = adds.map(|add| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    add.run()
                })
            });
            adds.map(|add| add.join().unwrap())
        });
        assert_eq!(
            [one.status(), other.status()].iter().filter(|it| **it == 0).count(),
            1,
            "{one:?}\n{other:?}"
        );
        assert_eq!((node.cloud.count(ASSIGN), node.on_eni().len()), (1, 1), "{}", node.scene());
    }
}

fn a_store_without_records_of_the_eni_gives_it_up() {
    let node = node();
    let _ = node.add("c0").address();
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    // What is releasing can still take an address away.
    expect_refused(&node, &with_second(&node, "ADD", "c1").run());
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    let _ = with_second(&node, "ADD", "c1").run().address();
    let text = node.add("c2").error(113);
    assert!(text.contains(&format!("belongs to the store {}", second(&node).display())), "{text}");
}

fn a_store_that_is_gone_gives_its_enis_up() {
    let node = node();
    let _ = node.add("c0").address();
    fs::rename(node.store(), second(&node)).unwrap();
    let _ = with_second(&node, "ADD", "c1").run().address();
    with_second(&node, "DEL", "c0").run().ok();
}

fn one_store_by_two_names_is_one() {
    let mut node = node();
    let _ = node.add("c0").address();
    let way = node.directory().join("way");
    symlink(node.directory(), &way).unwrap();
    node.set("dataDir", way.join("store").to_str().unwrap());
    let _ = node.add("c1").address();
}

fn a_doctor_names_the_store_that_has_claimed_the_eni() {
    let mut node = node();
    let _ = node.add("c0").address();
    let stores = |answer: &Answer| {
        let checks = answer.json()["checks"].as_array().cloned().unwrap();
        let stores: Vec<_> = checks.into_iter().filter(|check| check["name"] == "stores").collect();
        assert_eq!(stores.len(), 1, "{answer:?}");
        (stores[0]["status"].as_str().unwrap().to_owned(), stores[0]["detail"].as_str().unwrap().to_owned())
    };
    assert_eq!(stores(&node.operator(&["doctor", "--json"])).0, "ok");
    let first = node.store();
    node.set("dataDir", second(&node).to_str().unwrap());
    let (status, detail) = stores(&node.operator(&["doctor", "--json"]));
    assert_eq!(status, "fail", "{detail}");
    for directory in [first.clone(), second(&node)] {
        assert!(detail.contains(directory.to_str().unwrap()), "{detail}");
    }
    assert!(!second(&node).exists());
    // Nobody's claim counts whose store has nothing of the ENI.
    fs::rename(first, node.directory().join("gone")).unwrap();
    assert_eq!(stores(&node.operator(&["doctor", "--json"])).0, "ok");
}

fn a_claim_is_roots_alone_and_one_that_cannot_be_read_stops_nothing() {
    let node = node();
    let _ = node.add("c0").address();
    let claims = PathBuf::from("/run/aliyun-eni-ipam");
    assert_eq!(fs::metadata(&claims).unwrap().permissions().mode() & 0o7777, 0o700);
    let own = node.cloud.endpoint().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let claim = claims.join(format!("{}@{own}", Node::ENI));
    assert_eq!(fs::metadata(&claim).unwrap().permissions().mode() & 0o7777, 0o600);
    fs::write(&claim, "{").unwrap();
    let _ = node.add("c1").address();
    assert!(fs::read_to_string(&claim).unwrap().contains(node.store().to_str().unwrap()));
}
