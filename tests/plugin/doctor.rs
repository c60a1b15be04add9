//! `doctor`: says what is missing, and changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use harness::simulator::{Permission, TokenMode};
use harness::{Answer, Effect, Fault, Node, World};
use serde_json::Value;

use crate::{node, node_in};

fn doctor(node: &Node) -> Answer {
    node.operator(&["doctor", "--json"])
}

/// The checks with this name and their status, as "status: detail".
fn lines(answer: &Answer, name: &str) -> Vec<String> {
    let checks = answer.json()["checks"].as_array().cloned().unwrap_or_default();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let named = checks.iter().filter(|check| check["name"] == name);
    named.map(|check| format!("{}: {}", text(check, "status"), text(check, "detail"))).collect()
}

/// Expects a check to end so, with all of these words, and the exit status that belongs to it.
#[track_caller]
fn expect(answer: &Answer, name: &str, status: &str, words: &[&str]) {
    let lines = lines(answer, name);
    let fits = |line: &String| line.starts_with(status) && words.iter().all(|word| line.contains(word));
    if !lines.iter().any(fits) || answer.status() != i32::from(status == "fail") {
        answer.fail(&format!("{name} to be {status} with {words:?}, not {lines:?}"));
    }
}

#[test]
fn a_healthy_node_has_a_line_for_everything_and_nothing_is_changed() {
    let node = node().with("ipv6", true);
    let answer = doctor(&node);
    for (name, words) in [
        ("configuration", "pods"),
        ("store", "does not exist yet"),
        ("records", "0 active"),
        ("locks", "no lock is held"),
        ("releases", "no release has failed"),
        ("metadata", World::INSTANCE_ID),
        ("credentials", World::ACCESS_KEY_ID),
        ("endpoint", "answers"),
        ("clock", "within"),
        ("eni", Node::ENI),
        (
            "permissions",
            "UnassignPrivateIpAddresses, AssignPrivateIpAddresses, UnassignIpv6Addresses, AssignIpv6Addresses",
        ),
        ("quota", "1 of 250 IPv4"),
    ] {
        expect(&answer, name, "ok", &[words]);
    }
    assert!(
        answer.json()["checks"].as_array().unwrap().iter().all(|check| check["status"] == "ok"),
        "{answer:?}"
    );
    assert!(!node.store().exists());
    assert!(node.cloud.ledger().iter().all(|entry| !entry.executed), "{}", node.scene());

    let text = node.operator(&["doctor"]);
    assert!(text.status() == 0 && text.stdout().lines().all(|line| line.starts_with("ok ")), "{text:?}");
    assert!(!text.stdout().contains(World::ACCESS_KEY_SECRET));
}

#[test]
fn a_used_node_is_healthy_too_and_keeps_its_addresses() {
    let node = node();
    let address = node.add("c0").address();
    node.cloud.clear_ledger();
    let answer = doctor(&node);
    expect(&answer, "records", "ok", &["1 active"]);
    expect(&answer, "store", "ok", &["mode 700"]);
    expect(&answer, "quota", "ok", &["2 of 250"]);
    assert!(node.on_eni().contains(&address) && node.counts() == [0, 1, 0, 0]);
    assert!(node.cloud.ledger().iter().all(|entry| !entry.executed), "{}", node.scene());
}

#[test]
fn a_permission_that_is_missing_is_named() {
    for missing in ["DescribeNetworkInterfaces", "UnassignPrivateIpAddresses", "AssignPrivateIpAddresses"] {
        let all = ["DescribeNetworkInterfaces", "UnassignPrivateIpAddresses", "AssignPrivateIpAddresses"];
        let others = all.into_iter().filter(|action| *action != missing);
        let mut world = World::single_node();
        world.access_keys.get_mut(World::ACCESS_KEY_ID).unwrap().permission = Permission::only(others);
        let answer = doctor(&node_in(world));
        expect(&answer, "permissions", "fail", &[&format!("grant ecs:{missing}")]);
        expect_endpoint(&answer);
    }
}

/// That ECS refuses something does not mean that it does not answer.
#[track_caller]
fn expect_endpoint(answer: &Answer) {
    assert!(lines(answer, "endpoint")[0].starts_with("ok"), "{answer:?}");
}

#[test]
fn what_cannot_be_tested_is_said_not_to_be() {
    let mut world = World::single_node();
    let permitted = ["DescribeNetworkInterfaces", "UnassignPrivateIpAddresses", "AssignPrivateIpAddresses"];
    world.access_keys.get_mut(World::ACCESS_KEY_ID).unwrap().permission = Permission::only(permitted);
    let node = node_in(world);
    expect(&doctor(&node), "quota", "warn", &["not tested", "ecs:DescribeInstanceTypes"]);
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").effect(Effect::code("InvalidParameter")));
    expect(&doctor(&node), "permissions", "warn", &["not tested", "InvalidParameter"]);
}

#[test]
fn a_configuration_is_judged_whole() {
    let mut node = node().with("colour", "blue");
    expect(&doctor(&node), "configuration", "warn", &["colour"]);
    node.set("resolvConf", "/etc/resolv.conf.of-nobody");
    expect(&doctor(&node), "configuration", "fail", &["/etc/resolv.conf.of-nobody"]);
    node.set("subnet", "192.168.0.1");
    expect(&doctor(&node), "configuration", "fail", &["ipam.subnet", "192.168.0.1"]);
}

#[test]
fn two_networks_that_keep_stores_of_their_own_for_one_eni_are_told_to_share() {
    let node = node();
    let directory = node.directory().join("net.d");
    fs::create_dir(&directory).unwrap();
    let mut second = node.conflist();
    second["name"] = "second".into();
    second["plugins"][0]["ipam"]["dataDir"] = "/elsewhere".into();
    fs::write(directory.join("10-pods.conflist"), node.conflist().to_string()).unwrap();
    fs::write(directory.join("20-second.conflist"), second.to_string()).unwrap();
    let answer = node.operator_with(&directory, &["doctor", "--network", "pods", "--json"]);
    expect(&answer, "stores", "warn", &["second", "/elsewhere", "one dataDir"]);
}

#[test]
fn a_store_that_others_can_get_at_is_said_to_be_one() {
    let node = node();
    let _ = node.add("c0").address();
    fs::set_permissions(node.store(), fs::Permissions::from_mode(0o755)).unwrap();
    expect(&doctor(&node), "store", "warn", &["755"]);
    fs::set_permissions(node.store(), fs::Permissions::from_mode(0o777)).unwrap();
    expect(&doctor(&node), "store", "fail", &["777", "700"]);
}

#[test]
fn records_that_need_a_person_are_counted_and_named() {
    let node = node();
    let _ = node.add("c0").address();
    let path = fs::read_dir(node.store().join("active")).unwrap().next().unwrap().unwrap().path();
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["allocation"]["bootId"] = "another boot".into();
    fs::write(&path, record.to_string()).unwrap();
    expect(&doctor(&node), "records", "warn", &["1 active", "earlier boot"]);
    fs::write(&path, "{").unwrap();
    expect(&doctor(&node), "records", "fail", &[path.to_str().unwrap(), "1 quarantined"]);
}

#[test]
fn a_held_lock_is_named() {
    let node = node();
    let _ = node.add("c0").address();
    let lock = fs::File::open(node.store().join("lock")).unwrap();
    lock.lock().unwrap();
    expect(&doctor(&node), "locks", "warn", &[node.store().join("lock").to_str().unwrap()]);
}

#[test]
fn releases_that_fail_are_told_with_their_reason() {
    let node = node().with("timeoutSeconds", 1);
    for (code, status) in [("ServiceUnavailable", "warn"), ("Forbidden.RAM", "fail")] {
        let _ = node.add("c0").address();
        node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code(code)));
        node.del("c0").ok();
        node.cloud.clear_faults();
        expect(&doctor(&node), "releases", status, &[Node::ENI, code]);
        assert_eq!(node.operator(&["flush"]).status(), 0);
    }
}

#[test]
fn without_credentials_the_sources_are_named() {
    let node = node();
    let answer = node.command(&["doctor", "--json"]).without("ALIBABA_CLOUD_ACCESS_KEY_ID").run();
    expect(&answer, "credentials", "fail", &["ALIBABA_CLOUD_ACCESS_KEY_ID"]);
    assert!(lines(&answer, "endpoint")[0].contains("not tested"), "{answer:?}");
}

#[test]
fn a_temporary_key_is_shown_with_its_end_and_without_its_secret() {
    let mut node = node();
    node.ipam.insert("credentials".into(), serde_json::json!({"source": "ecs-ram-role"}));
    let answer = doctor(&node);
    expect(&answer, "credentials", "ok", &["STS.", "ecs_ram_role", "expires at 20"]);
}

#[test]
fn the_mode_of_the_metadata_service_is_told() {
    let node = node_in(World::single_node().with_token_mode(TokenMode::Required));
    expect(&doctor(&node), "metadata", "ok", &["hardened"]);
    let node = self::node();
    node.cloud.inject_metadata("/latest/api/token", Effect::Empty { status: 404 }, None);
    expect(&doctor(&node), "metadata", "ok", &["normal"]);
    let node = self::node().with("metadataEndpoint", "http://127.0.0.1:1");
    expect(&doctor(&node), "metadata", "fail", &["127.0.0.1:1"]);
}

#[test]
fn an_endpoint_that_does_not_answer_is_named() {
    let node = node().with("endpoint", "http://127.0.0.1:1");
    expect(&doctor(&node), "endpoint", "fail", &["127.0.0.1:1"]);
    let node = self::node();
    node.cloud.inject(Fault::on("DescribeNetworkInterfaces").effect(Effect::Html { status: 502 }));
    expect(&doctor(&node), "endpoint", "fail", &["HTTP 502"]);
}

#[test]
fn a_clock_that_is_wrong_is_told_by_how_much() {
    let node = node();
    node.cloud.set_clock_offset(3600);
    expect(&doctor(&node), "clock", "warn", &["behind that of ECS"]);
}

#[test]
fn an_eni_that_pods_cannot_get_addresses_of_fails() {
    let node = node();
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).service_managed = true);
    expect(&doctor(&node), "eni", "fail", &["cloud service"]);
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = None);
    expect(&doctor(&node), "eni", "fail", &["not attached"]);
    assert_eq!(node.cloud.count("UnassignPrivateIpAddresses"), 0);
}

#[test]
fn an_eni_without_an_address_left_is_worth_a_warning() {
    let node = node_in(World::single_node().with_quota(2, 2));
    let _ = node.add("c0").address();
    expect(&doctor(&node), "quota", "warn", &["2 of 2"]);
}

#[test]
fn without_a_configuration_it_says_where_it_looked_and_checks_what_it_can() {
    let node = node();
    let directory = node.directory().join("net.d");
    fs::create_dir(&directory).unwrap();
    fs::write(
        directory.join("10-other.conf"),
        r#"{"name":"a","type":"bridge","ipam":{"type":"host-local"}}"#,
    )
    .unwrap();
    let missing = node.directory().join("none");
    for (config, why) in
        [(&directory, "10-other.conf uses bridge with host-local"), (&missing, "does not exist")]
    {
        // Nobody is asked for a key, so that nothing is sent even where the metadata service of a real instance answers.
        let config = config.display().to_string();
        let answer = node
            .program(&["doctor", "--json", "--config", &config])
            .without("ALIBABA_CLOUD_ACCESS_KEY_ID")
            .env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
            .env("HOME", node.directory())
            .run();
        expect(&answer, "configuration", "fail", &[&config, "--config"]);
        assert!(lines(&answer, "configuration")[0].contains(why) || why == "does not exist", "{answer:?}");
        assert!(lines(&answer, "binary")[0].starts_with("ok: aliyun-eni-ipam "), "{answer:?}");
        for name in ["store", "metadata", "credentials"] {
            assert_eq!(lines(&answer, name).len(), 1, "{name}: {answer:?}");
        }
        assert!(lines(&answer, "permissions").is_empty(), "{answer:?}");
    }
}

#[test]
fn a_broken_configuration_is_a_line_with_file_and_reason() {
    let node = node();
    let directory = node.directory().join("net.d");
    fs::create_dir(&directory).unwrap();
    let broken = directory.join("10-pods.conflist");
    fs::write(&broken, "{").unwrap();
    for config in [&directory, &broken] {
        let answer = node.operator_with(config, &["doctor"]);
        assert_eq!((answer.status(), answer.stderr()), (1, String::new()));
        let line = format!("fail  configuration  {} is broken: EOF while parsing", broken.display());
        assert!(answer.stdout().contains(&line) && !answer.stdout().contains("--help"), "{answer:?}");
    }
    // Beside the network that is meant it is a warning: it may be another plugin's.
    fs::write(directory.join("20-pods.conflist"), node.conflist().to_string()).unwrap();
    let answer = node.operator_with(&directory, &["doctor", "--json"]);
    expect(&answer, "configuration", "warn", &["10-pods.conflist is broken"]);
}

#[test]
fn off_ecs_it_asks_whether_this_is_an_ecs_instance() {
    let mut node = node().with("metadataEndpoint", "http://127.0.0.1:1");
    let text = "instance metadata does not answer at http://127.0.0.1:1 (";
    node.ipam.remove("networkInterfaceId");
    let answer = doctor(&node);
    expect(&answer, "metadata", "fail", &[text]);
    let keys = "set ipam.regionId, ipam.networkInterfaceId, ipam.subnet, ipam.gateway";
    let eni = format!("warn: not tested: it is not known without instance metadata: {keys}");
    assert_eq!(lines(&answer, "eni"), [eni]);
    assert!(node.add("c0").error(11).contains(text));
}

#[test]
fn a_line_is_printed_when_it_is_known() {
    let node = node();
    node.cloud.inject(Fault::on("DescribeNetworkInterfaces").effect(Effect::Stall));
    let mut running = node.command(&["doctor"]).start();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(running.take_stdout()));
    let first = lines.next().unwrap().unwrap();
    assert!(first.starts_with("ok    binary "), "{first}");
    assert!(running.is_running());
    running.kill();
}
