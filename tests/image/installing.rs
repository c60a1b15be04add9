//! `install`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use harness::{Need, Node};
use serde_json::json;

use crate::host::{Host, NAME, PLUGIN, names, outcomes};

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces]:
        the_binary_and_then_the_configuration_are_placed_whole,
        what_is_there_already_is_left_alone,
        a_check_that_fails_places_no_configuration_and_leaves_the_one_that_is_there,
        a_configuration_is_not_placed_without_the_plugins_that_it_uses,
        a_file_that_no_runtime_would_take_for_this_plugin_is_refused_before_anything_is_placed,
        what_a_package_has_linked_stays,
        another_file_of_the_same_network_and_one_that_comes_first_are_named,
        an_update_replaces_the_binary_while_calls_run;
}

fn the_binary_and_then_the_configuration_are_placed_whole() {
    let host = Host::new();
    let answer = host.install();
    host.expect_whole();
    assert_eq!(names(&host.net()), ["10-pods.conflist"]);
    assert_eq!(names(&host.plugins()), [NAME, "ipvlan"]);
    // It may hold an access key.
    assert_eq!(fs::metadata(host.conflist()).unwrap().permissions().mode() & 0o777, 0o600);
    let stdout = answer.stdout();
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[0].starts_with("done      binary"), "{stdout}");
    assert!(
        lines[lines.len() - 2].starts_with("warn  summary")
            || lines[lines.len() - 2].starts_with("ok    summary"),
        "{stdout}"
    );
    assert!(lines[lines.len() - 1].starts_with("done      conflist"), "{stdout}");
}

fn what_is_there_already_is_left_alone() {
    let host = Host::new();
    host.install();
    let moments =
        || [host.binary(), host.conflist()].map(|file| fs::metadata(file).unwrap().modified().unwrap());
    let before = moments();
    let answer = host.command(&["install", &host.given().display().to_string(), "--json"]).run();
    assert_eq!((answer.status(), moments()), (0, before), "{answer:?}");
    assert_eq!(
        (outcomes(&answer, "binary"), outcomes(&answer, "conflist")),
        (vec!["unchanged".to_owned()], vec!["unchanged".to_owned()])
    );
    assert_eq!(answer.json()["doctor"]["summary"]["fail"], 0);
}

fn a_check_that_fails_places_no_configuration_and_leaves_the_one_that_is_there() {
    let host = Host::new();
    let mut broken = host.node.conflist();
    broken["plugins"][0]["ipam"]["metadataEndpoint"] = json!("http://127.0.0.1:1");
    host.give(&broken);
    let answer = host.installing().run();
    assert_eq!((answer.status(), host.has()), (1, (true, false)), "{answer:?}");
    assert!(
        answer.stdout().contains("fail  metadata") && answer.stdout().contains("is not placed"),
        "{answer:?}"
    );
    assert_eq!(names(&host.net()), [""; 0]);

    host.give(&host.node.conflist());
    host.install();
    let before = fs::read(host.conflist()).unwrap();
    host.give(&broken);
    let answer = host.command(&["install", &host.given().display().to_string(), "--json"]).run();
    assert_eq!(
        (answer.status(), outcomes(&answer, "conflist")),
        (1, vec!["failed".to_owned()]),
        "{answer:?}"
    );
    assert!(fs::read(host.conflist()).unwrap() == before && names(&host.net()).len() == 1);
}

fn a_configuration_is_not_placed_without_the_plugins_that_it_uses() {
    let host = Host::new();
    fs::remove_file(host.plugins().join("ipvlan")).unwrap();
    let answer = host.installing().run();
    assert_eq!((answer.status(), host.has()), (1, (true, false)), "{answer:?}");
    assert!(answer.stdout().contains("fail  plugins") && answer.stdout().contains("ipvlan"), "{answer:?}");
}

fn a_file_that_no_runtime_would_take_for_this_plugin_is_refused_before_anything_is_placed() {
    let host = Host::new();
    let other = host.node.directory().join("10-pods.txt");
    fs::write(&other, host.node.conflist().to_string()).unwrap();
    let nobodys = host.node.directory().join("10-lo.conflist");
    fs::write(&nobodys, json!({"name": "lo", "plugins": [{"type": "loopback"}]}).to_string()).unwrap();
    let broken = host.node.directory().join("10-broken.conflist");
    fs::write(&broken, "{").unwrap();
    for (file, word) in [(other, ".conflist"), (nobodys, "does not use"), (broken, "is broken")] {
        let answer = host.command(&["install", &file.display().to_string()]).run();
        assert_eq!((answer.status(), host.has()), (2, (false, false)), "{answer:?}");
        assert!(answer.stderr().contains(word), "{answer:?}");
    }
}

fn what_a_package_has_linked_stays() {
    let host = Host::new();
    symlink(PLUGIN, host.binary()).unwrap();
    let answer = host.install();
    assert!(fs::symlink_metadata(host.binary()).unwrap().is_symlink());
    assert!(answer.stdout().contains("is a link"), "{answer:?}");
    let answer = host.uninstall(&[]);
    assert_eq!((answer.status(), host.has()), (0, (true, false)), "{answer:?}");
}

fn another_file_of_the_same_network_and_one_that_comes_first_are_named() {
    let host = Host::new();
    fs::write(host.net().join("20-pods.conflist"), host.node.conflist().to_string()).unwrap();
    let first = json!({"name": "lo", "plugins": [{"type": "loopback"}]});
    fs::write(host.net().join("00-lo.conflist"), first.to_string()).unwrap();
    let stdout = host.install().stdout();
    assert!(stdout.contains("20-pods.conflist both configure the network \"pods\""), "{stdout}");
    assert!(stdout.contains("00-lo.conflist comes before 10-pods.conflist"), "{stdout}");
}

fn an_update_replaces_the_binary_while_calls_run() {
    let host = Host::new();
    let old = [fs::read(PLUGIN).unwrap(), b"an older version".to_vec()].concat();
    let put = |content: &[u8]| {
        let draft = host.plugins().join(".old");
        fs::write(&draft, content).unwrap();
        fs::set_permissions(&draft, PermissionsExt::from_mode(0o755)).unwrap();
        fs::rename(draft, host.binary()).unwrap();
    };
    put(&old);
    let node = Node::new(host.binary());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let calls = scope.spawn(|| {
            let mut calls = 0;
            while !done.load(Ordering::Relaxed) || calls < 5 {
                let pod = format!("c{calls}");
                let _ = node.add(&pod).address();
                node.del(&pod).ok();
                calls += 1;
            }
            calls
        });
        for _ in 0..5 {
            put(&old);
            host.install();
            host.expect_whole();
        }
        done.store(true, Ordering::Relaxed);
        assert!(calls.join().unwrap() >= 5);
    });
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
    assert!(!Path::new(&host.plugins().join(".old")).exists());
}
