//! The commands of a person on a node whose pods are routed: what they say of what was taken away, and what they put back.

use std::net::IpAddr;
use std::path::PathBuf;

use std::fs;

use harness::{Answer, Need};
use serde_json::{Value, json};

use crate::chained::Machine;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces]:
        what_is_taken_away_is_named_by_routes_and_doctor_and_repaired,
        a_rule_that_no_pod_needs_is_left_over_unless_somebody_is_seen_to_use_its_address,
        a_flush_repairs_and_says_so_once,
        while_metadata_does_not_tell_of_an_eni_nothing_is_compared_or_repaired,
        nothing_is_removed_without_a_yes_while_a_pod_needs_it,
        all_is_removed_where_nothing_is_configured_any_more,
        without_an_entry_in_plugins_there_is_nothing_to_compare,
        an_interface_that_is_gone_fails_until_it_is_back,
        routes_of_the_main_table_by_a_secondary_eni_fail,
        a_network_manager_that_configures_a_secondary_eni_fails;
}

const TABLE: u32 = 1_000_000_002;

/// The address of a pod that both ADDs have set up.
fn pod(machine: &Machine, container: &str) -> IpAddr {
    let result = machine.add(container);
    result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap().parse().unwrap()
}

/// The network's configuration on disk, with the entry that routes pods.
fn configuration(machine: &Machine) -> PathBuf {
    let node = &machine.node;
    let entry = json!({"type": "aliyun-eni-ipam", "dataDir": node.store(),
                       "metadataEndpoint": node.ipam["metadataEndpoint"], "logFile": node.directory().join("log")});
    let file = node.directory().join("pods.conflist");
    fs::write(&file, node.conflist_of(&[json!({"type": "ptp", "ipam": node.ipam}), entry]).to_string())
        .unwrap();
    file
}

fn run_with(machine: &Machine, config: &str, arguments: &[&str]) -> Answer {
    machine.on(machine.node.program(&[arguments, &["--config", config]].concat())).run()
}

fn run(machine: &Machine, arguments: &[&str]) -> Answer {
    run_with(machine, configuration(machine).to_str().unwrap(), arguments)
}

/// Expects the node's routes to be as they should be.
#[track_caller]
fn expect_whole(machine: &Machine) {
    let answer = run(machine, &["routes"]);
    assert_eq!(answer.status(), 0, "{}{}", answer.stdout(), answer.stderr());
    assert!(answer.stdout().ends_with("the node's routes are as they should be\n"), "{}", answer.stdout());
}

/// The lines of `doctor` about `name`.
fn doctor(machine: &Machine, name: &str) -> Vec<String> {
    let text = run(machine, &["doctor"]).stdout();
    text.lines().filter(|line| line.split_whitespace().nth(1) == Some(name)).map(str::to_owned).collect()
}

fn what_is_taken_away_is_named_by_routes_and_doctor_and_repaired() {
    let machine = Machine::new();
    let address = pod(&machine, "c1");
    expect_whole(&machine);
    let answer = run(&machine, &["routes", "--json"]).json();
    let secondary =
        answer["enis"].as_array().unwrap().iter().find(|it| it["primary"] == false).unwrap().clone();
    assert_eq!((&secondary["table"], &secondary["pods"]), (&json!(TABLE), &json!([address])));
    assert_eq!(secondary["link"], "eth1");
    assert!(doctor(&machine, "routes")[0].starts_with("ok"));
    for (taken, named) in [
        (format!("rule del pref 2048 from {address} lookup {TABLE}"), format!("from {address} ")),
        ("rule del pref 512".to_owned(), "512: ".to_owned()),
        ("rule del pref 600".to_owned(), "600: ".to_owned()),
        (format!("route flush table {TABLE}"), format!("table {TABLE}")),
        ("link set eth1 group 0".to_owned(), "eth1".to_owned()),
        ("link set eth1 down".to_owned(), "eth1".to_owned()),
    ] {
        machine.name_space.ip(&taken);
        let answer = run(&machine, &["routes"]);
        assert_eq!(answer.status(), 1, "{taken}: {}{}", answer.stdout(), answer.stderr());
        assert!(
            answer.stdout().lines().any(|it| it.contains(&named) && it.ends_with("is missing")),
            "{taken}: {}",
            answer.stdout()
        );
        let lines = doctor(&machine, "routes");
        assert!(lines[0].starts_with("fail") && lines[0].contains(&named), "{taken}: {lines:?}");
        let answer = run(&machine, &["routes", "--repair"]);
        assert_eq!(answer.status(), 0, "{taken}: {}{}", answer.stdout(), answer.stderr());
        expect_whole(&machine);
    }
}

fn a_rule_that_no_pod_needs_is_left_over_unless_somebody_is_seen_to_use_its_address() {
    let machine = Machine::new();
    let _ = pod(&machine, "c1");
    let rule = format!("rule add pref 2048 from 192.168.0.99 lookup {TABLE} protocol kernel");
    machine.name_space.ip(&rule);
    machine.name_space.ip(&format!("rule add pref 2048 from 192.168.0.98 lookup {TABLE}"));
    let answer = run(&machine, &["routes"]);
    assert_eq!(answer.status(), 1, "{}", answer.stdout());
    assert!(
        answer.stdout().contains("192.168.0.99") && answer.stdout().contains("is left over"),
        "{}",
        answer.stdout()
    );
    assert!(doctor(&machine, "routes")[0].starts_with("warn  routes         left over"));
    // A pod of a store that was lost has a route of its own.
    machine
        .name_space
        .ip("link add veth9 type veth peer name peer9\nlink set peer9 up\nlink set veth9 up\nroute add 192.168.0.99/32 dev veth9");
    expect_whole(&machine);
    assert!(machine.rules().iter().any(|it| it.contains("192.168.0.99")));
    machine.name_space.ip("link del veth9");
    assert_eq!(run(&machine, &["routes", "--repair"]).status(), 0);
    let rules = machine.rules().join("\n");
    // Somebody else's is none of ours.
    assert!(!rules.contains("192.168.0.99") && rules.contains("192.168.0.98"), "{rules}");
}

fn a_flush_repairs_and_says_so_once() {
    let machine = Machine::new();
    let address = pod(&machine, "c1");
    machine.name_space.ip(&format!("rule del pref 2048 from {address}"));
    let answer = run(&machine, &["flush", "--json"]);
    assert_eq!(answer.status(), 0, "{}{}", answer.stdout(), answer.stderr());
    assert!(
        answer.json()["routes"][0].as_str().unwrap().contains(&address.to_string()),
        "{}",
        answer.stdout()
    );
    expect_whole(&machine);
    let answer = run(&machine, &["flush"]);
    assert_eq!((answer.status(), answer.stdout().as_str()), (0, "nothing to release\n"));
}

fn while_metadata_does_not_tell_of_an_eni_nothing_is_compared_or_repaired() {
    let mut machine = Machine::new();
    let address = pod(&machine, "c1");
    machine.node.set("metadataEndpoint", "http://127.0.0.1:1");
    // It has told of all in this boot.
    expect_whole(&machine);
    fs::remove_file(machine.node.store().join("cache/enis.json")).unwrap();
    machine.name_space.ip(&format!("rule del pref 2048 from {address}"));
    for arguments in [&["routes"][..], &["routes", "--repair"], &["flush"]] {
        let answer = run(&machine, arguments);
        assert_eq!(answer.status(), 1, "{arguments:?}: {}", answer.stdout());
        let said = format!("{}{}", answer.stdout(), answer.stderr());
        assert!(said.contains("metadataEndpoint") && !said.contains("as they should be"), "{said}");
    }
    let doctor = run(&machine, &["doctor"]).stdout();
    let line = doctor.lines().find(|line| line.contains("routes") && line.contains("metadata"));
    assert!(line.is_some(), "{doctor}");
    assert_eq!(machine.rules(), [""; 0]);
}

fn nothing_is_removed_without_a_yes_while_a_pod_needs_it() {
    let machine = Machine::new();
    let address = pod(&machine, "c1");
    let answer = run(&machine, &["routes", "--remove"]);
    assert_eq!(answer.status(), 1, "{}", answer.stdout());
    assert!(answer.stderr().contains(&format!("{address}: pod default/web-0")), "{}", answer.stderr());
    expect_whole(&machine);
    let answer = run(&machine, &["routes", "--remove", "--yes"]);
    assert_eq!(answer.status(), 0, "{}{}", answer.stdout(), answer.stderr());
    let rules = machine.name_space.show("rule show");
    assert!(!rules.contains("10000000"), "{rules}");
    assert_eq!(run(&machine, &["routes"]).status(), 1);
    // Nobody is left to be asked for.
    assert_eq!(run(&machine, &["routes", "--remove"]).stdout(), "the kernel has nothing of this plugin\n");
    assert_eq!(run(&machine, &["routes", "--repair"]).status(), 0);
    expect_whole(&machine);
}

fn all_is_removed_where_nothing_is_configured_any_more() {
    let machine = Machine::new();
    let _ = pod(&machine, "c1");
    fs::remove_dir_all(machine.node.store()).unwrap();
    let answer = run_with(&machine, "/nonexistent", &["routes", "--remove"]);
    assert_eq!(answer.status(), 0, "{}{}", answer.stdout(), answer.stderr());
    let rules = machine.name_space.show("rule show");
    assert!(!rules.contains("10000000") && !rules.contains("suppress_ifgroup"), "{rules}");
}

fn without_an_entry_in_plugins_there_is_nothing_to_compare() {
    let machine = Machine::new();
    for arguments in [&["routes"][..], &["routes", "--repair"]] {
        let answer = machine.on(machine.node.command(arguments)).run();
        assert_eq!(answer.status(), 0, "{}", answer.stderr());
        assert!(answer.stdout().contains("\"type\":\"aliyun-eni-ipam\""), "{}", answer.stdout());
    }
    assert_eq!(
        machine.on(machine.node.command(&["routes", "--json"])).run().json()["routed"],
        Value::Bool(false)
    );
}

fn an_interface_that_is_gone_fails_until_it_is_back() {
    let machine = Machine::new();
    let _ = pod(&machine, "c1");
    machine.name_space.ip("link del eth1");
    let lines = doctor(&machine, "link");
    assert!(lines.len() == 1 && lines[0].starts_with("fail") && lines[0].contains("eni-"), "{lines:?}");
    assert_eq!(run(&machine, &["routes", "--repair"]).status(), 1);
    machine.attach("eth1", harness::World::SECONDARY_ENI);
    assert!(doctor(&machine, "routes")[0].starts_with("fail"));
    let answer = run(&machine, &["routes", "--repair"]);
    assert_eq!(answer.status(), 0, "{}{}", answer.stdout(), answer.stderr());
    expect_whole(&machine);
    assert!(doctor(&machine, "link").is_empty());
}

fn routes_of_the_main_table_by_a_secondary_eni_fail() {
    let machine = Machine::new();
    let _ = pod(&machine, "c1");
    assert!(doctor(&machine, "main-table").is_empty());
    machine.name_space.ip("route add default via 192.168.0.253 dev eth1 metric 100 onlink");
    let lines = doctor(&machine, "main-table");
    assert!(
        lines[0].starts_with("fail")
            && lines[0].contains("eth1")
            && lines[0].contains("default via 192.168.0.253"),
        "{lines:?}"
    );
}

fn a_network_manager_that_configures_a_secondary_eni_fails() {
    let machine = Machine::new();
    let _ = pod(&machine, "c1");
    let config = configuration(&machine).display().to_string();
    // A `/run` of the test's own.
    let script = |file: &str| {
        format!(
            "mount -t tmpfs none /run && mkdir -p /run/systemd/netif /run/systemd/network && touch /run/systemd/netif/state && \
             printf '{file}' > /run/systemd/network/10-all.network && exec \"$0\" \"$@\""
        )
    };
    let managers = |file: &str| {
        let under = [
            &machine.name_space.enter()[..],
            &["unshare", "--mount", "sh", "-c", &script(file)].map(str::to_owned),
        ]
        .concat();
        let answer = machine.node.program(&["doctor", "--config", &config]).under("nsenter", &under).run();
        let text = answer.stdout();
        text.lines().filter(|line| line.contains(" managers ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = managers("[Match]\\nName=eth*\\n[Network]\\nDHCP=yes\\n");
    assert!(
        lines.len() == 1 && lines[0].starts_with("fail") && lines[0].contains("10-all.network"),
        "{lines:?}"
    );
    assert!(managers("[Match]\\nName=eth1\\n[Link]\\nUnmanaged=yes\\n").is_empty());
    assert!(managers("[Match]\\nName=eth0\\n[Network]\\nDHCP=yes\\n").is_empty());
}
