//! `uninstall`.

use std::fs;
use std::path::Path;

use harness::{Effect, Fault, Need};
use serde_json::json;

use crate::host::{Host, names, outcomes};

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces]:
        where_nothing_is_there_nothing_is_left_to_do,
        all_goes_but_the_store_and_what_others_have_put_there,
        where_pods_have_addresses_a_person_is_asked_first,
        what_is_pending_and_what_is_kept_for_new_pods_is_released_before_the_binary_goes,
        while_ecs_does_not_release_the_configuration_is_gone_and_the_binary_stays,
        a_program_of_the_same_name_that_is_not_this_plugin_stays,
        what_cannot_be_removed_from_the_runtimes_sight_ends_it_before_anything_else,
        a_new_installation_ends_what_an_uninstallation_has_left;
}

const UNASSIGN: &str = "UnassignPrivateIpAddresses";

fn where_nothing_is_there_nothing_is_left_to_do() {
    let host = Host::new();
    let answer = host.uninstall(&["--json"]);
    assert_eq!(answer.status(), 0, "{answer:?}");
    assert_eq!(outcomes(&answer, "binary"), ["unchanged"]);
    host.expect_clean();
    fs::remove_dir(host.net()).unwrap();
    assert_eq!(host.uninstall(&[]).status(), 0);
}

fn all_goes_but_the_store_and_what_others_have_put_there() {
    let host = Host::new();
    let others = json!({"name": "lo", "plugins": [{"type": "loopback"}]}).to_string();
    fs::write(host.net().join("99-lo.conflist"), &others).unwrap();
    host.install();
    let _ = host.node.add("c0").address();
    host.node.del("c0").ok();
    let answer = host.uninstall(&["--json"]);
    assert_eq!(answer.status(), 0, "{answer:?}");
    assert_eq!(names(&host.net()), ["99-lo.conflist"]);
    assert_eq!(names(&host.plugins()), ["ipvlan"]);
    assert!(host.node.store().is_dir());
    for (name, outcome) in
        [("conflist", "done"), ("releases", "unchanged"), ("routes", "unchanged"), ("binary", "done")]
    {
        assert_eq!(outcomes(&answer, name), [outcome], "{name}: {answer:?}");
    }
    assert_eq!(host.uninstall(&[]).status(), 0);
}

fn where_pods_have_addresses_a_person_is_asked_first() {
    let host = Host::new();
    host.install();
    let address = host.node.add("c0").address();
    // Nobody is there to answer.
    let answer = host.uninstall(&[]);
    assert_eq!((answer.status(), host.has()), (1, (true, true)), "{answer:?}");
    let conversation = host.command(&["uninstall"]).ask();
    assert!(conversation.question().contains(&address.to_string()));
    assert_eq!((conversation.answer("n").status(), host.has()), (1, (true, true)));
    let answer = host.uninstall(&["--yes"]);
    assert_eq!((answer.status(), host.has()), (0, (false, false)), "{answer:?}");
    assert!(host.node.on_eni().contains(&address));
    assert_eq!(host.node.counts(), [0, 1, 0, 0]);
}

fn what_is_pending_and_what_is_kept_for_new_pods_is_released_before_the_binary_goes() {
    let mut host = Host::new();
    host.node.set("reserve", 5);
    host.give(&host.node.conflist());
    host.install();
    for pod in ["c0", "c1"] {
        let _ = host.node.add(pod).address();
    }
    host.node.del("c0").ok();
    host.node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::code("Forbidden.RAM")));
    host.node.set("reserve", 0);
    host.node.del("c1").ok();
    assert_eq!(host.node.counts()[2], 1, "{}", host.node.scene());
    assert!(!host.node.reserved_addresses().is_empty(), "{}", host.node.scene());
    let answer = host.uninstall(&["--json"]);
    assert_eq!((answer.status(), outcomes(&answer, "releases")), (0, vec!["done".to_owned()]), "{answer:?}");
    assert!(host.node.on_eni().is_empty() && host.node.records().is_empty(), "{}", host.node.scene());
    host.expect_clean();
}

fn while_ecs_does_not_release_the_configuration_is_gone_and_the_binary_stays() {
    let host = Host::new();
    host.install();
    let address = host.node.add("c0").address();
    host.node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    host.node.del("c0").ok();
    let answer = host.uninstall(&[]);
    assert_eq!((answer.status(), host.has()), (1, (true, false)), "{answer:?}");
    assert!(answer.stdout().contains(&address.to_string()), "{answer:?}");
    host.node.cloud.clear_faults();
    // It still knows the configuration.
    let answer = host.uninstall(&[]);
    assert_eq!((answer.status(), host.node.on_eni().len()), (0, 0), "{answer:?}");
    host.expect_clean();
}

fn a_program_of_the_same_name_that_is_not_this_plugin_stays() {
    let host = Host::new();
    fs::write(host.binary(), "#!/bin/sh\n").unwrap();
    let answer = host.uninstall(&["--json"]);
    assert_eq!((answer.status(), outcomes(&answer, "binary")), (1, vec!["left".to_owned()]), "{answer:?}");
    assert!(host.binary().exists());
}

fn what_cannot_be_removed_from_the_runtimes_sight_ends_it_before_anything_else() {
    let host = Host::new();
    host.install();
    // A directory in the place where the configuration would be put aside.
    let aside = host.net().join(".10-pods.conflist.uninstalled");
    fs::create_dir_all(aside.join("full")).unwrap();
    let answer = host.uninstall(&["--json"]);
    assert_eq!((answer.status(), host.has()), (1, (true, true)), "{answer:?}");
    assert_eq!(outcomes(&answer, "conflist"), ["failed"]);
    fs::remove_dir_all(aside).unwrap();
    assert_eq!(host.uninstall(&[]).status(), 0);
    host.expect_clean();
}

fn a_new_installation_ends_what_an_uninstallation_has_left() {
    let host = Host::new();
    host.install();
    let _ = host.node.add("c0").address();
    host.node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    host.node.del("c0").ok();
    assert_eq!(host.uninstall(&[]).status(), 1);
    assert_eq!(names(&host.net()), [".10-pods.conflist.uninstalled"]);
    host.node.cloud.clear_faults();
    // `doctor` does not pass over releases that fail.
    assert_eq!(host.node.operator(&["flush"]).status(), 0);
    host.install();
    assert_eq!(names(&host.net()), ["10-pods.conflist"]);
    assert!(Path::new(&host.node.store()).exists());
}
