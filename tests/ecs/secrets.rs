//! Secrets stay out of errors, dumps and the log, whatever goes wrong.

use std::fmt::Write as _;
use std::sync::Mutex;

use aliyun_eni_ipam::inside::base::Family;
use aliyun_eni_ipam::inside::cloud::SignatureMethod;
use aliyun_eni_ipam::inside::cloud::Source;
use aliyun_eni_ipam::inside::cloud::{Client, Settings, Want};
use ecs_simulator::{Effect, Fault, World, codes};
use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};

use crate::setup::{eni, region, settings, simulator, soon};

/// Everything that this crate logs while the tests of this binary run.
struct Kept(Mutex<String>);

static LOG: Kept = Kept(Mutex::new(String::new()));

/// The fields of a line, which JSON and the journal have as they are.
struct Values<'t>(&'t mut String);

impl<'kvs> VisitSource<'kvs> for Values<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let _ = write!(self.0, " {key}={value}");
        Ok(())
    }
}

impl Log for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("aliyun_eni_ipam")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut text = self.0.lock().unwrap();
            text.push_str(&record.args().to_string());
            record.key_values().visit(&mut Values(&mut text)).unwrap();
            text.push('\n');
        }
    }

    fn flush(&self) {}
}

/// Parts that any encoding of a secret of the simulator's leaves as they are.
const TRACES: [&str; 4] = ["SimulatedSecret", "SimulatedStsSecret", "CAISsimulated", "token000"];

fn check(text: &str) {
    for trace in TRACES {
        assert!(!text.contains(trace), "{trace} in: {text}");
    }
}

#[test]
fn no_failure_shows_a_secret() {
    let _ = log::set_logger(&LOG);
    log::set_max_level(LevelFilter::Trace);
    let directory = tempfile::tempdir().unwrap();
    for signature in [SignatureMethod::HmacSha1, SignatureMethod::Acs3HmacSha256] {
        for credentials in [Source::Environment, Source::EcsRamRole { role_name: None }] {
            let simulator = simulator();
            let cache_dir = Some(directory.path().to_owned());
            let settings = Settings { signature, credentials, cache_dir, ..settings(&simulator) };
            check(&format!("{settings:#?}"));
            let client = Client::new(settings);
            check(&format!("{:#?}", client.credentials(soon()).unwrap()));
            check(&format!("{client:#?}"));
            let api_errors = codes::TABLE.iter().map(|row| Effect::code(row.code));
            let others = [Effect::DropBefore, Effect::Garbage, Effect::TruncatedBody, Effect::HugeHeaders];
            for effect in api_errors.chain(others) {
                simulator.clear_faults();
                simulator.inject(Fault::new(effect).times(2));
                if let Err(error) =
                    client.assign(&region(), &eni(), Family::V4, &Want::Count(1), "token", soon())
                {
                    check(&format!("{error} {error:#?}"));
                }
            }
            // The server answers a wrong signature with what it would have signed, the token in it.
            simulator.clear_faults();
            simulator.with_world(|world| {
                let key = world.access_keys.get_mut(World::ACCESS_KEY_ID).unwrap();
                key.secret = "another".to_owned();
            });
            if let Err(error) = client.describe(&region(), &eni(), soon()) {
                check(&format!("{error} {error:#?}"));
            }
        }
    }
    let log = LOG.0.lock().unwrap();
    assert!(log.contains("DescribeNetworkInterfaces"), "the log was not kept");
    check(&log);
}
