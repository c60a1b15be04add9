//! A simulator, and clients of it.

use std::net::IpAddr;
use std::time::Duration;

use aliyun_eni_ipam::inside::base::Deadline;
use aliyun_eni_ipam::inside::base::EniId;
use aliyun_eni_ipam::inside::base::Environment;
use aliyun_eni_ipam::inside::base::{Family, RegionId};
use aliyun_eni_ipam::inside::cloud::{Choice, Endpoint};
use aliyun_eni_ipam::inside::cloud::{Client, Settings, Want};
use aliyun_eni_ipam::inside::cloud::{Source, StsServer};
use ecs_simulator::{Simulator, World};

/// Settings for a client of `simulator`, with its permanent key.
pub(crate) fn settings(simulator: &Simulator) -> Settings {
    settings_for(&simulator.endpoint(), &simulator.metadata_endpoint())
}

/// Settings for a client of these servers, with the simulator's permanent key.
pub(crate) fn settings_for(endpoint: &str, metadata: &str) -> Settings {
    let endpoint = Endpoint::parse(endpoint, false).unwrap();
    Settings {
        endpoint: Choice::At(endpoint.clone()),
        sts: StsServer::At(endpoint),
        metadata_endpoint: Endpoint::parse_any(metadata).unwrap(),
        credentials: Source::Environment,
        environment: environment([
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", World::ACCESS_KEY_ID),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", World::ACCESS_KEY_SECRET),
        ]),
        ..Settings::default()
    }
}

/// A client of `simulator` with its permanent key.
pub(crate) fn client(simulator: &Simulator) -> Client {
    Client::new(settings(simulator))
}

/// A client of `simulator` with the role of its instance.
pub(crate) fn role_client(simulator: &Simulator) -> Client {
    Client::new(Settings { credentials: Source::EcsRamRole { role_name: None }, ..settings(simulator) })
}

pub(crate) fn simulator() -> Simulator {
    Simulator::start(World::single_node()).unwrap()
}

pub(crate) fn environment<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Environment {
    variables.into_iter().collect()
}

pub(crate) fn region() -> RegionId {
    RegionId::try_from(World::REGION_ID.to_owned()).unwrap()
}

pub(crate) fn eni() -> EniId {
    EniId::try_from(World::SECONDARY_ENI.to_owned()).unwrap()
}

/// More than any call of these tests takes that is not meant to run out of time.
pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Assigns one address of a family.
pub(crate) fn assign_one(client: &Client, family: Family) -> IpAddr {
    let token = aliyun_eni_ipam::inside::base::hex128().unwrap();
    client.assign(&region(), &eni(), family, &Want::Count(1), &token, soon()).unwrap().addresses[0]
}
