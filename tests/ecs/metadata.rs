//! The instance metadata: what it tells, how it is asked, and what an error says.

use std::time::Duration;

use aliyun_eni_ipam::inside::base::Deadline;
use aliyun_eni_ipam::inside::base::EniId;
use aliyun_eni_ipam::inside::cloud::{Client, Settings, ownership};
use ecs_simulator::{Effect, Simulator, TokenMode, World};
use harness::ends;

use crate::setup::{client, eni, environment, settings, settings_for, simulator, soon};

const SECONDARY_MAC: &str = "00:16:3e:00:00:02";
const TOKEN: &str = "/latest/api/token";

fn requests(simulator: &Simulator) -> Vec<(String, bool)> {
    simulator.metadata_requests().into_iter().map(|(_, path, token)| (path, token)).collect()
}

fn refused(status: u16) -> Effect {
    Effect::Error { code: String::new(), message: "no".to_owned(), status, retry_after_ms: None }
}

#[test]
fn every_fact_is_told() {
    let simulator = simulator();
    let client = client(&simulator);
    let metadata = client.metadata();
    assert_eq!(metadata.region_id(soon()).unwrap().as_str(), World::REGION_ID);
    assert_eq!(metadata.instance_id(soon()).unwrap(), World::INSTANCE_ID);
    assert_eq!(metadata.instance_type(soon()).unwrap(), "ecs.g7.large");
    assert_eq!(metadata.primary_mac(soon()).unwrap(), "00:16:3e:00:00:01");
    assert_eq!(metadata.macs(soon()).unwrap(), ["00:16:3e:00:00:01", SECONDARY_MAC]);
    assert_eq!(metadata.eni_of_mac(SECONDARY_MAC, soon()).unwrap(), Some(eni()));
    assert_eq!(metadata.eni_of_mac("00:16:3e:ff:ff:ff", soon()).unwrap(), None);
    assert_eq!(metadata.primary_address(SECONDARY_MAC, soon()).unwrap().to_string(), "192.168.0.11");
    assert_eq!(metadata.subnet(SECONDARY_MAC, soon()).unwrap().to_string(), "192.168.0.0/24");
    assert_eq!(metadata.gateway(SECONDARY_MAC, soon()).unwrap().to_string(), "192.168.0.253");
    assert_eq!(metadata.subnet6(SECONDARY_MAC, soon()).unwrap().unwrap().prefix(), 64);
    assert!(metadata.gateway6(SECONDARY_MAC, soon()).unwrap().is_some());
}

#[test]
fn a_vswitch_without_ipv6_is_no_error() {
    let mut world = World::single_node();
    let vswitch = world.vswitches.get_mut(World::VSWITCH_ID).unwrap();
    (vswitch.cidr6, vswitch.gateway6) = (None, None);
    let simulator = Simulator::start(world).unwrap();
    let client = client(&simulator);
    let metadata = client.metadata();
    assert_eq!(metadata.subnet6(SECONDARY_MAC, soon()).unwrap(), None);
    assert_eq!(metadata.gateway6(SECONDARY_MAC, soon()).unwrap(), None);
}

#[test]
fn one_token_serves_the_process() {
    for mode in [TokenMode::Optional, TokenMode::Required] {
        let simulator = Simulator::start(World::single_node().with_token_mode(mode)).unwrap();
        let client = client(&simulator);
        client.metadata().region_id(soon()).unwrap();
        client.metadata().instance_id(soon()).unwrap();
        let requests = requests(&simulator);
        assert_eq!(requests.iter().filter(|(path, _)| path == TOKEN).count(), 1);
        assert!(requests.iter().all(|(path, token)| *token || path == TOKEN), "{requests:?}");
    }
}

#[test]
fn a_service_without_tokens_is_asked_without() {
    for status in [403, 404, 405] {
        let simulator = simulator();
        simulator.inject_metadata(TOKEN, refused(status), None);
        let client = client(&simulator);
        client.metadata().region_id(soon()).unwrap();
        client.metadata().instance_id(soon()).unwrap();
        assert_eq!(requests(&simulator).len(), 3, "{status}");
    }
}

#[test]
fn a_service_without_tokens_is_not_asked_where_that_is_forbidden() {
    let simulator = simulator();
    simulator.inject_metadata(TOKEN, refused(404), None);
    let environment = environment([("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")]);
    let client = Client::new(Settings { environment, ..settings(&simulator) });
    let error = client.metadata().region_id(soon()).unwrap_err().to_string();
    assert!(error.contains("ALIBABA_CLOUD_IMDSV1_DISABLED"), "{error}");
    assert_eq!(requests(&simulator), [(TOKEN.to_owned(), false)]);
}

#[test]
fn a_service_that_demands_a_token_and_gives_none_is_an_error() {
    let simulator = Simulator::start(World::single_node().with_token_mode(TokenMode::Required)).unwrap();
    simulator.inject_metadata(TOKEN, refused(404), None);
    let error = client(&simulator).metadata().region_id(soon()).unwrap_err().to_string();
    assert!(error.contains("/latest/meta-data/region-id") && error.contains("gives none"), "{error}");
}

#[test]
fn a_refused_token_is_replaced_once() {
    let simulator = simulator();
    simulator.inject_metadata("/latest/meta-data/", refused(401), 1);
    let client = client(&simulator);
    assert!(client.metadata().region_id(soon()).is_ok());
    assert_eq!(simulator.metadata_requests().len(), 4);

    simulator.inject_metadata("/latest/meta-data/", refused(401), None);
    assert!(client.metadata().region_id(soon()).is_err());
}

#[test]
fn trouble_that_passes_is_waited_out() {
    for effect in [refused(500), refused(503), refused(429), Effect::DropBefore] {
        let simulator = simulator();
        simulator.inject_metadata("/latest/", effect.clone(), 2);
        assert!(client(&simulator).metadata().region_id(soon()).is_ok(), "{effect:?}");
    }
}

#[test]
fn every_error_says_where() {
    for (effect, words) in [
        (refused(500), "HTTP 500"),
        (refused(404), "no such value"),
        (Effect::Garbage, ""),
        (Effect::Html { status: 200 }, "not valid"),
        (Effect::EndlessBody, "is too long"),
        (Effect::DropBefore, "was lost"),
    ] {
        let simulator = simulator();
        simulator.inject_metadata("/latest/meta-data/", effect.clone(), None);
        let error = client(&simulator).metadata().region_id(soon()).unwrap_err().to_string();
        assert!(error.contains("/latest/meta-data/region-id"), "{error}");
        assert!(error.contains(words) && !error.to_lowercase().contains("not found"), "{effect:?}: {error}");
    }
}

#[test]
fn a_service_that_is_not_there_is_told_from_one_that_refuses() {
    let absent = Client::new(settings_for("http://127.0.0.1:1", "http://127.0.0.1:1"));
    let error = absent.metadata().region_id(soon()).unwrap_err();
    assert!(!error.reachable && error.to_string().contains("switched off"), "{error}");

    let simulator = simulator();
    simulator.inject_metadata("/latest/meta-data/", refused(404), None);
    assert!(client(&simulator).metadata().region_id(soon()).unwrap_err().reachable);
}

#[test]
fn a_service_that_does_not_answer_costs_no_more_than_the_deadline() {
    let simulator = simulator();
    simulator.inject_metadata("/", Effect::Stall, None);
    let settings = settings(&simulator);
    let ask = |client: &Client| client.metadata().region_id(Deadline::after(Duration::from_millis(500)));
    let error = ends(move || ask(&Client::new(settings)).unwrap_err());
    // The simulator would have waited for ever: it was the client that gave up, and neither for want of patience nor to
    // try again.
    assert!(error.to_string().contains("the time of this call ran out before"), "{error}");
    assert_eq!(simulator.metadata_requests().len(), 1);
}

#[test]
fn a_service_that_did_not_answer_is_not_asked_again_for_the_next_fact() {
    let simulator = simulator();
    simulator.inject_metadata("/", Effect::Stall, None);
    let client = client(&simulator);
    let error = client.metadata().region_id(soon()).unwrap_err();
    assert_eq!(client.metadata().instance_id(soon()).unwrap_err(), error);
    // For a token, and without one.
    assert_eq!(simulator.metadata_requests().len(), 2);
}

#[test]
fn an_eni_is_the_nodes_own_when_metadata_lists_it() {
    let simulator = simulator();
    let client = client(&simulator);
    let mac_of = |eni: &EniId| ownership::mac_of(client.metadata(), eni, soon()).unwrap();
    assert_eq!(mac_of(&eni()).as_deref(), Some(SECONDARY_MAC));
    assert_eq!(mac_of(&EniId::try_from("eni-elsewhere".to_owned()).unwrap()), None);
    simulator
        .with_world(|world| world.eni_mut(World::SECONDARY_ENI).instance_id = Some("i-other".to_owned()));
    assert_eq!(mac_of(&eni()), None);
}
