//! `release`, and what all commands have in common.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use harness::{Answer, Effect, Fault, Node};
use serde_json::json;

use crate::node;

const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// A node whose pods `c0`, `c1` and so on have these addresses.
fn with_pods(count: usize) -> (Node, Vec<IpAddr>) {
    let node = node();
    let addresses = (0..count).map(|number| node.add(&format!("c{number}")).address()).collect();
    node.cloud.clear_ledger();
    (node, addresses)
}

fn release(node: &Node, addresses: &[IpAddr], options: &[&str]) -> Answer {
    let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
    let words = ["release"].into_iter().chain(addresses.iter().map(String::as_str));
    node.operator(&words.chain(options.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn a_release_gives_up_the_named_records_and_no_other() {
    let (node, addresses) = with_pods(3);
    let answer = release(&node, &addresses[..2], &["--yes", "--json"]);
    assert_eq!(answer.result(), json!({"released": addresses[..2], "left": [], "causes": []}));
    assert_eq!(node.on_eni(), BTreeSet::from([addresses[2]]));
    assert_eq!(node.counts(), [0, 1, 0, 0]);
    // The DELs of these pods, when they come, have nothing to do.
    node.cloud.clear_ledger();
    node.del("c0").ok();
    assert!(node.cloud.ledger().is_empty());
}

#[test]
fn a_release_asks_first_and_says_whose_address_it_is() {
    let (node, addresses) = with_pods(1);
    let words = ["release", &addresses[0].to_string()];
    let conversation = node.command(&words).ask();
    let question = conversation.question();
    for word in [&addresses[0].to_string(), Node::ENI, "c0", "eth0"] {
        assert!(question.contains(word), "{question}");
    }
    assert_eq!(conversation.answer("no").status(), 1);
    assert_eq!(node.counts(), [0, 1, 0, 0]);
    // Nobody there to answer is no consent either.
    assert_eq!(node.operator(&words).status(), 1);
    assert!(node.cloud.ledger().is_empty());

    let answer = node.command(&words).ask().answer("yes");
    assert_eq!(answer.status(), 0, "{answer:?}");
    assert_eq!(answer.stdout(), format!("released {}\n", addresses[0]));
    assert!(node.on_eni().is_empty() && node.records().is_empty());
}

#[test]
fn a_release_of_an_address_that_no_active_record_names_does_nothing_at_all() {
    let (node, addresses) = with_pods(1);
    let stranger: IpAddr = "192.168.0.77".parse().unwrap();
    let answer = release(&node, &[addresses[0], stranger], &["--yes"]);
    assert_eq!(answer.status(), 1);
    assert!(answer.stderr().contains("192.168.0.77") && !answer.stderr().contains(&addresses[0].to_string()));
    assert_eq!(node.counts(), [0, 1, 0, 0]);
    assert!(node.cloud.ledger().is_empty());

    // What is being released already is no active record's any more.
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    let answer = release(&node, &addresses, &["--yes"]);
    assert_eq!(answer.status(), 1);
    assert!(answer.stderr().contains("flush"), "{answer:?}");
}

#[test]
fn a_record_of_both_families_goes_whole_and_the_question_says_so() {
    let node = node().with("ipv6", true);
    let addresses = node.add("c0").addresses();
    let conversation = node.command(&["release", &addresses[0].to_string(), "--json"]).ask();
    assert!(conversation.question().contains(&format!("{} goes with it", addresses[1])));
    let answer = conversation.answer("y");
    assert_eq!(answer.result(), json!({"released": addresses, "left": [], "causes": []}));
    assert!(node.on_eni().is_empty() && node.records().is_empty());
}

#[test]
fn a_flush_says_which_address_of_which_eni_is_left_and_why() {
    let (node, addresses) = with_pods(1);
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    let flushed = node.operator(&["flush"]);
    let expected = format!("{} on {} is still releasing", addresses[0], Node::ENI);
    assert_eq!(flushed.status(), 1);
    assert!(
        flushed.stdout().contains(&expected) && flushed.stdout().contains("Forbidden.RAM"),
        "{flushed:?}"
    );
}

#[test]
fn a_flush_says_what_it_released_and_that_nothing_is_left() {
    let (node, _) = with_pods(3);
    assert_eq!(node.operator(&["flush"]).stdout(), "nothing to release\n");
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    for pod in ["c0", "c1", "c2"] {
        node.del(pod).ok();
    }
    let left = node.operator(&["flush", "--json"]).json();
    assert_eq!((&left["released"], &left["left"]), (&json!([]), &json!(3)));
    assert_eq!(left["releasing"][0]["networkInterfaceId"], Node::ENI);
    assert!(left["releasing"][0]["lastError"].as_str().unwrap().contains("Forbidden.RAM"), "{left}");
    let text = node.operator(&["flush"]);
    assert!(text.stdout().starts_with("nothing was released; 3 releases are left:\n"), "{text:?}");
    assert_eq!(text.status(), 1);

    node.cloud.clear_faults();
    let flushed = node.operator(&["flush"]);
    assert_eq!((flushed.status(), flushed.stderr()), (0, String::new()));
    assert_eq!(flushed.stdout(), format!("released 3 addresses on {}; nothing is left\n", Node::ENI));
    assert!(node.on_eni().is_empty() && node.records().is_empty());

    // An address that is a pod's is none that the flush released, whatever else a record says.
    let address = node.add("c3").address();
    let active = fs::read_dir(node.store().join("active")).unwrap().next().unwrap().unwrap().path();
    let name = format!("{}.0123456789abcdef", active.file_name().unwrap().to_str().unwrap());
    fs::copy(&active, node.store().join("releasing").join(name)).unwrap();
    assert_eq!(node.operator(&["flush"]).stdout(), "nothing to release\n");
    assert_eq!((node.on_eni(), node.counts()), (BTreeSet::from([address]), [0, 1, 0, 0]));
}

#[test]
fn a_flush_by_a_timer_serves_every_network_and_goes_on_past_trouble_with_one() {
    let (node, addresses) = with_pods(1);
    let directory = node.directory().join("net.d");
    fs::create_dir(&directory).unwrap();
    let network = |name: &str, data_directory: &Path| {
        let mut conflist = node.conflist();
        conflist["name"] = name.into();
        conflist["plugins"][0]["ipam"]["dataDir"] = data_directory.to_str().unwrap().into();
        fs::write(directory.join(format!("{name}.conflist")), conflist.to_string()).unwrap();
    };
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    let other = node.directory().join("other");
    fs::create_dir(&other).unwrap();
    fs::set_permissions(&other, Permissions::from_mode(0o777)).unwrap();
    network("a", &other);
    network("b", &node.store());
    network("c", &node.store());
    let answer = node.operator_with(&directory, &["flush", "--json"]);
    assert_eq!(
        (answer.status(), answer.json()),
        (
            1,
            json!({
                "released": [addresses[0]], "cleanedUp": 0, "left": 0, "causes": [], "releasing": [],
                "earlierBoot": {"begun": [], "waiting": [], "kept": []}, "surplus": [], "routes": [],
            })
        ),
        "{answer:?}"
    );
    assert!(
        answer.stderr().contains("network \"a\"") && answer.stderr().contains("set it to 700"),
        "{answer:?}"
    );
    assert!(!node.on_eni().contains(&addresses[0]));

    fs::set_permissions(&other, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(node.operator_with(&directory, &["flush"]).status(), 0);
}

#[test]
fn a_pod_that_got_the_address_while_the_person_was_thinking_keeps_it() {
    let (node, addresses) = with_pods(1);
    let conversation = node.command(&["release", &addresses[0].to_string()]).ask();
    node.del("c0").ok();
    let again = node.call("ADD", "c1").env("CNI_ARGS", format!("IP={}", addresses[0])).run().address();
    assert_eq!(again, addresses[0]);
    node.cloud.clear_ledger();
    let answer = conversation.answer("yes");
    assert_eq!(answer.status(), 1);
    assert!(answer.stderr().contains("changed"), "{answer:?}");
    assert_eq!(node.on_eni(), BTreeSet::from([addresses[0]]));
    assert!(node.cloud.ledger().is_empty());
}

#[test]
fn what_ecs_does_not_release_now_is_left_to_later_calls_and_said() {
    let (mut node, addresses) = with_pods(1);
    for how in ["defer", "fail"] {
        node.set("onReleaseFailure", how);
        let address = node.add("c0").address();
        node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
        let answer = release(&node, &[address], &["--yes", "--json"]);
        assert_eq!(answer.status(), 1);
        let said = answer.json();
        assert_eq!((&said["released"], &said["left"]), (&json!([]), &json!([address])), "{said}");
        assert_eq!((said["causes"].as_array().unwrap().len(), &said["causes"][0]["count"]), (1, &json!(1)));
        assert_eq!(node.counts(), [0, 0, 1, 0]);
        node.cloud.clear_faults();
        assert_eq!(node.operator(&["flush"]).status(), 0);
    }
    assert!(!node.on_eni().contains(&addresses[0]));
}

#[test]
fn a_release_is_tried_even_if_others_have_just_given_up() {
    let (node, addresses) = with_pods(2);
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    node.cloud.clear_faults();
    // A DEL would wait for the minute that follows.
    let answer = release(&node, &addresses[1..], &["--yes"]);
    assert_eq!(answer.status(), 0, "{answer:?}");
    assert!(node.on_eni().is_empty(), "{}", node.scene());
}

#[test]
fn a_command_that_nobody_reads_does_its_work_and_does_not_panic() {
    let (node, addresses) = with_pods(1);
    node.cloud.assign(Node::ENI, "192.168.0.77".parse().unwrap());
    let released = ["release", &addresses[0].to_string(), "--yes"];
    for (words, status) in
        [(&["list"][..], 0), (&["reconcile"], 1), (&["doctor"], 0), (&released, 0), (&["--help"], 0)]
    {
        let answer = node.command(words).run_unread();
        assert_eq!(answer.status(), status, "{answer:?}");
        assert!(!answer.stderr().contains("panic"), "{answer:?}");
    }
    assert!(node.records().is_empty());
}

#[test]
fn a_broken_file_of_another_plugin_keeps_nobody_from_anything() {
    let (node, _) = with_pods(1);
    let directory = node.directory().join("net.d");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("10-pods.conflist"), node.conflist().to_string()).unwrap();
    let broken = directory.join("99-other.conf");
    fs::write(&broken, "{").unwrap();
    let listed = node.operator_with(&directory, &["list"]);
    assert!(listed.status() == 0 && listed.stdout().contains("active"), "{listed:?}");
    assert!(listed.stderr().contains("99-other.conf"), "{listed:?}");
    // Where it is what was asked for, it is an error.
    assert_eq!(node.operator_with(&broken, &["list"]).status(), 2);
}

#[test]
fn wrong_usage_is_status_2_and_does_nothing() {
    let (node, addresses) = with_pods(1);
    let address = addresses[0].to_string();
    for words in [
        &["release"][..],
        &["release", "c0", "--yes"],
        &["release", &address, "--release-orphans", "--yes"],
        &["reconcile", "--yes"],
        &["reconcile", &address],
        &["doctor", "--yes"],
        &["relaese", &address],
    ] {
        let answer = node.operator(words);
        assert_eq!(answer.status(), 2, "{answer:?}");
        assert!(answer.stderr().contains("--help") && answer.stdout().is_empty());
    }
    assert!(node.cloud.ledger().is_empty());
}

#[test]
fn a_flush_sweeps_up_the_drafts_of_killed_calls_in_every_directory() {
    let (node, _) = with_pods(1);
    let draft = |directory: &str, name: &str| node.store().join(directory).join(name);
    let directories = ["assigning", "active", "releasing", "eni", "cache"];
    let (old, fresh) = (".0123456789abcdef0123456789abcdef", ".1123456789abcdef0123456789abcdef");
    for directory in directories {
        for name in [old, fresh] {
            fs::write(draft(directory, name), "{").unwrap();
        }
        let long_ago = SystemTime::now() - Duration::from_hours(2);
        File::options().write(true).open(draft(directory, old)).unwrap().set_modified(long_ago).unwrap();
    }
    let cached = fs::read_dir(node.store().join("cache")).unwrap().count();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    for directory in directories {
        assert!(!draft(directory, old).exists(), "{directory}/");
        assert!(draft(directory, fresh).exists(), "{directory}/: its call may still be running");
    }
    // One draft less, and when this flush ran.
    assert_eq!(fs::read_dir(node.store().join("cache")).unwrap().count(), cached);
}
