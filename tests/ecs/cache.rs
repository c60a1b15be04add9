//! Temporary keys that processes leave for each other.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use aliyun_eni_ipam::inside::cloud::Source;
use aliyun_eni_ipam::inside::cloud::{Client, Settings};
use ecs_simulator::{Simulator, World};

use crate::credentials::oidc_environment;
use crate::setup::{eni, region, settings, settings_for, simulator, soon};

const CHILD: &str = "ECS_TEST_CHILD";

fn caching(settings: Settings, directory: &Path) -> Settings {
    Settings {
        credentials: Source::EcsRamRole { role_name: None },
        cache_dir: Some(directory.to_owned()),
        ..settings
    }
}

fn requests_for_keys(simulator: &Simulator) -> usize {
    simulator.metadata_requests().iter().filter(|(_, path, _)| path.contains("/ram/")).count()
}

/// What each process of the next test does. By itself it is nothing.
#[test]
fn one_of_many_processes() {
    let Ok(arguments) = std::env::var(CHILD) else { return };
    let [endpoint, metadata, directory] = arguments.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{arguments}")
    };
    let client = Client::new(caching(settings_for(endpoint, metadata), Path::new(directory)));
    client.describe(&region(), &eni(), soon()).unwrap();
}

#[test]
fn a_hundred_processes_ask_for_one_key() {
    let simulator = simulator();
    let directory = tempfile::tempdir().unwrap();
    let arguments =
        format!("{} {} {}", simulator.endpoint(), simulator.metadata_endpoint(), directory.path().display());
    let children: Vec<_> = (0..100)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "cache::one_of_many_processes"])
                .env(CHILD, &arguments)
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(simulator.count("DescribeNetworkInterfaces"), 100);
    // The name of the role, and its key.
    assert_eq!(requests_for_keys(&simulator), 2);
}

#[test]
fn the_next_process_uses_what_the_last_one_left() {
    let simulator = simulator();
    let directory = tempfile::tempdir().unwrap();
    for cached in [false, true, true] {
        let client = Client::new(caching(settings(&simulator), directory.path()));
        assert_eq!(client.credentials(soon()).unwrap().cached, cached);
    }
    assert_eq!(requests_for_keys(&simulator), 2);
}

#[test]
fn a_key_that_is_refused_everywhere_is_replaced_by_one() {
    let world = World::single_node().with_role_lifetime(Duration::from_secs(4));
    let simulator = Simulator::start(world).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let client = || Client::new(caching(settings(&simulator), directory.path()));
    client().credentials(soon()).unwrap();
    thread::sleep(Duration::from_millis(4200));
    // By its own clock the cache would still serve the key, which ECS now refuses.
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| client().describe(&region(), &eni(), soon()).unwrap());
        }
    });
    assert_eq!(requests_for_keys(&simulator), 4);
}

/// Starts a simulator where another one has been. A child process that another test is starting at this moment has the old
/// one's sockets too, until it becomes another program.
fn start_in_place_of(api: SocketAddr, metadata: SocketAddr) -> Simulator {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match Simulator::start_on(World::single_node(), api, metadata) {
            Ok(simulator) => return simulator,
            Err(error) if error.kind() != ErrorKind::AddrInUse || Instant::now() > end => panic!("{error}"),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[test]
fn a_key_of_a_role_that_is_gone_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    // On a loopback address of its own: nobody else's simulator gets the port in between.
    let api = ([127, 0, 0, 1], 0).into();
    let old = Simulator::start_on(World::single_node(), api, ([127, 0, 0, 107], 0).into()).unwrap();
    // Simulators number their keys; this one's second is not the other's first.
    let oidc = oidc_environment(&old, directory.path());
    Client::new(Settings { credentials: Source::Oidc, environment: oidc, ..settings(&old) })
        .credentials(soon())
        .unwrap();
    Client::new(caching(settings(&old), directory.path())).credentials(soon()).unwrap();
    // Another account's simulator at the old one's metadata address knows nothing of the key.
    let metadata = old.metadata_endpoint();
    drop(old);
    let address = metadata.strip_prefix("http://").unwrap().parse().unwrap();
    let new = start_in_place_of(api, address);
    new.with_world(|world| world.role.name = "OtherRole".to_owned());
    let client = Client::new(caching(settings(&new), directory.path()));
    client.describe(&region(), &eni(), soon()).unwrap();
    assert_eq!(new.count("DescribeNetworkInterfaces"), 2);
}

#[test]
fn a_spoilt_cache_is_passed_over() {
    let simulator = simulator();
    let directory = tempfile::tempdir().unwrap();
    let client = || Client::new(caching(settings(&simulator), directory.path()));
    client().credentials(soon()).unwrap();
    let kept = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.into_iter().find(|path| path.extension().is_some_and(|it| it == "json")).unwrap();
    for text in ["", "{}", "\u{0}\u{0}", "[[[["] {
        fs::write(&kept, text).unwrap();
        assert!(!client().credentials(soon()).unwrap().cached, "{text:?}");
    }
}
