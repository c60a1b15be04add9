//! Each source of keys, asked over the network, and what an error says when it has none.

use std::fs;
use std::path::{Path, PathBuf};

use aliyun_eni_ipam::inside::base::Environment;
use aliyun_eni_ipam::inside::base::FoundKey;
use aliyun_eni_ipam::inside::cloud::{Client, Settings};
use aliyun_eni_ipam::inside::cloud::{ErrorKind, SignatureMethod};
use aliyun_eni_ipam::inside::cloud::{Proxy, Source, StsServer};
use ecs_simulator::{Effect, Fault, Simulator, World};

use crate::proxy::proxy;
use crate::setup::{eni, environment, region, settings, simulator, soon};
use crate::tls::{file, text};

fn found(settings: &Settings) -> FoundKey {
    let client = Client::new(settings.clone());
    let found = client.credentials(soon()).unwrap();
    client.describe(&region(), &eni(), soon()).unwrap();
    found
}

fn with_source(simulator: &Simulator, credentials: Source, environment: Environment) -> Settings {
    Settings { credentials, environment, ..settings(simulator) }
}

/// The variables that open the simulator's role with its OIDC token, which is put into `directory`.
pub(crate) fn oidc_environment(simulator: &Simulator, directory: &Path) -> Environment {
    let token = directory.join("token");
    fs::write(&token, simulator.with_world(|world| world.oidc_token.clone())).unwrap();
    let role = simulator.with_world(|world| world.role_arn());
    environment([
        ("ALIBABA_CLOUD_ROLE_ARN", role.as_str()),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", World::OIDC_PROVIDER_ARN),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", token.to_str().unwrap()),
    ])
}

#[test]
fn the_instances_role_is_found_by_name_or_without() {
    let simulator = simulator();
    for role_name in [None, Some(World::ROLE_NAME.to_owned())] {
        let source = Source::EcsRamRole { role_name };
        let found = found(&with_source(&simulator, source, Environment::default()));
        assert_eq!(found.source, "ecs_ram_role");
        assert!(found.key.expires.is_some());
    }
    let source = Source::EcsRamRole { role_name: Some("Other".to_owned()) };
    let client = Client::new(with_source(&simulator, source, Environment::default()));
    let error = client.credentials(soon()).unwrap_err();
    assert!(error.to_string().contains("no RAM role \"Other\"") && !error.transient, "{error}");
}

#[test]
fn an_oidc_token_opens_its_role() {
    let simulator = simulator();
    let directory = tempfile::tempdir().unwrap();
    let environment = oidc_environment(&simulator, directory.path());
    let settings = with_source(&simulator, Source::Oidc, environment);
    let found = found(&settings);
    assert_eq!(found.source, "oidc_role_arn");
    let call = &simulator.ledger()[0];
    assert_eq!((call.action.as_str(), call.signature_method.as_str()), ("AssumeRoleWithOIDC", ""));

    fs::write(directory.path().join("token"), "another").unwrap();
    let error = Client::new(settings).credentials(soon()).unwrap_err().to_string();
    assert!(error.contains("AuthenticationFail.OIDCToken.Invalid") && !error.contains("another"), "{error}");
}

/// A file with a profile for each way to STS, which would ask another server by itself.
fn profiles(simulator: &Simulator, directory: &Path) -> PathBuf {
    let arn = simulator.with_world(|world| world.role_arn());
    let (id, secret) = (World::ACCESS_KEY_ID, World::ACCESS_KEY_SECRET);
    let token = directory.join("token").display().to_string();
    let provider = World::OIDC_PROVIDER_ARN;
    let rest = format!(r#""ram_role_arn": "{arn}", "sts_region": "cn-beijing", "enable_vpc": true"#);
    let key = format!(r#""access_key_id": "{id}", "access_key_secret": "{secret}""#);
    let text = format!(
        r#"{{"current": "direct", "profiles": [
            {{"name": "direct", "mode": "RamRoleArn", {key}, {rest}}},
            {{"name": "chain", "mode": "ChainableRamRoleArn", "source_profile": "direct", {rest}}},
            {{"name": "oidc", "mode": "OIDC", "oidc_token_file": "{token}", "oidc_provider_arn": "{provider}", {rest}}}]}}"#
    );
    let path = directory.join("profiles.json");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_sts_server_that_is_configured_is_asked_whatever_environment_and_profile_say() {
    let (sts, directory) = (simulator(), tempfile::tempdir().unwrap());
    let own = oidc_environment(&sts, directory.path());
    let path = profiles(&sts, directory.path());
    let at = StsServer::parse(&sts.endpoint(), None, false).unwrap();
    for (profile, requests) in [("direct", 1), ("chain", 2), ("oidc", 1), ("", 1)] {
        sts.clear_ledger();
        let (source, environment) = match profile {
            "" => (Source::Oidc, own.clone()),
            name => {
                (Source::File { path: path.clone(), profile: Some(name.to_owned()) }, Environment::default())
            }
        };
        let settings = Settings { sts: at.clone(), ..with_source(&simulator(), source, environment) };
        Client::new(settings).credentials(soon()).unwrap();
        assert_eq!(sts.ledger().len(), requests, "{profile}");
    }
}

#[test]
fn the_sts_server_is_asked_through_the_proxy() {
    let (sts, directory) = (simulator(), tempfile::tempdir().unwrap());
    let environment = oidc_environment(&sts, directory.path());
    let (url, asked) = proxy(false);
    let settings =
        Settings { proxy: Proxy::parse(&url).unwrap(), ..with_source(&sts, Source::Oidc, environment) };
    Client::new(settings).credentials(soon()).unwrap();
    let host = sts.endpoint().replace("http://", "");
    let heads: Vec<_> = asked.try_iter().collect();
    assert!(heads.len() == 1 && heads[0].starts_with(&format!("CONNECT {host} ")), "{heads:?}");
}

#[test]
fn the_sts_server_is_trusted_by_the_ca_file() {
    let sts = Simulator::start_tls(World::single_node(), &text("valid.pem"), &text("key.pem")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let environment = oidc_environment(&sts, directory.path());
    let with_ca_file = |ca_file| {
        let settings = with_source(&sts, Source::Oidc, environment.clone());
        Client::new(Settings { ca_file, ..settings }).credentials(soon())
    };
    with_ca_file(Some(file("authority.pem"))).unwrap();
    let error = with_ca_file(None).unwrap_err().to_string();
    assert!(error.contains("set `ipam.caFile`"), "{error}");
}

#[test]
fn an_sts_server_that_is_not_reached_names_the_key_that_says_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let sts = simulator();
    let path = profiles(&sts, directory.path());
    let environment = oidc_environment(&sts, directory.path());
    let nobody = || StsServer::parse("http://127.0.0.1:1", None, false).unwrap();
    for source in [Source::Oidc, Source::File { path: path.clone(), profile: None }] {
        let settings = Settings { sts: nobody(), ..with_source(&sts, source, environment.clone()) };
        let error = Client::new(settings).credentials(soon()).unwrap_err();
        assert!(error.transient && error.to_string().contains("`ipam.credentials.stsEndpoint`"), "{error}");
    }
}

#[test]
fn a_uri_answers_with_a_key() {
    let simulator = simulator();
    let uri = format!("{}/credentials", simulator.endpoint());
    let environment = environment([("ALIBABA_CLOUD_CREDENTIALS_URI", uri.as_str())]);
    assert_eq!(found(&with_source(&simulator, Source::Uri, environment)).source, "credential_uri");
}

#[test]
fn a_key_opens_a_role_and_a_role_opens_another() {
    let simulator = simulator();
    let arn = simulator.with_world(|world| world.role_arn());
    let (id, secret) = (World::ACCESS_KEY_ID, World::ACCESS_KEY_SECRET);
    let file = format!(
        r#"{{"current": "direct", "profiles": [
            {{"name": "direct", "mode": "RamRoleArn", "access_key_id": "{id}", "access_key_secret": "{secret}",
              "ram_role_arn": "{arn}", "ram_session_name": "me", "expired_seconds": 900, "policy": "{{}}"}},
            {{"name": "node", "mode": "EcsRamRole"}},
            {{"name": "chain", "mode": "ChainableRamRoleArn", "source_profile": "node", "ram_role_arn": "{arn}"}}]}}"#
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    fs::write(&path, file).unwrap();
    for signature in [SignatureMethod::HmacSha1, SignatureMethod::Acs3HmacSha256] {
        for (profile, source) in [
            (None, "cli_profile/ram_role_arn/static_ak"),
            (Some("chain"), "cli_profile/ram_role_arn/ecs_ram_role"),
        ] {
            simulator.clear_ledger();
            // A clock that is wrong must not keep STS from answering either.
            simulator.set_clock_offset(3600);
            let credentials = Source::File { path: path.clone(), profile: profile.map(str::to_owned) };
            let settings = Settings { credentials, signature, ..settings(&simulator) };
            assert_eq!(found(&settings).source, source);
            assert!(simulator.ledger().iter().all(|call| call.signature_method == signature.name()));
            assert_eq!(simulator.count("AssumeRole"), 2);
        }
    }
}

#[test]
fn the_chain_goes_on_where_a_source_fails() {
    let simulator = simulator();
    let directory = tempfile::tempdir().unwrap();
    let environment = oidc_environment(&simulator, directory.path());
    simulator.inject(Fault::on("AssumeRoleWithOIDC").effect(Effect::Html { status: 502 }));
    let found = found(&with_source(&simulator, Source::Default, environment));
    assert_eq!(found.source, "ecs_ram_role");
}

#[test]
fn no_key_at_all_names_every_source_that_was_tried() {
    let home = tempfile::tempdir().unwrap();
    let simulator = simulator();
    simulator.inject_metadata("/", Effect::Empty { status: 404 }, None);
    let environment = environment([("HOME", home.path().to_str().unwrap())]);
    let client = Client::new(with_source(&simulator, Source::Default, environment));
    let error = client.describe(&region(), &eni(), soon()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSent);
    let text = error.to_string();
    for words in [
        "environment: ALIBABA_CLOUD_ACCESS_KEY_ID is not set",
        "OIDC: ALIBABA_CLOUD_ROLE_ARN is not set",
        ".aliyun/config.json does not exist",
        ".alibabacloud/credentials does not exist",
        "the instance has no RAM role",
        "ALIBABA_CLOUD_CREDENTIALS_URI is not set",
        "attach a RAM role",
    ] {
        assert!(text.contains(words), "{words:?} is missing in: {text}");
    }
    assert!(!text.to_lowercase().contains("not found"), "{text}");
    assert!(simulator.ledger().is_empty());
}

#[test]
fn a_named_file_that_is_not_there_is_an_error_that_names_it() {
    let simulator = simulator();
    let source = Source::File { path: "/nowhere/keys".into(), profile: None };
    let client = Client::new(with_source(&simulator, source, Environment::default()));
    let error = client.credentials(soon()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/keys: it does not exist") && !error.transient, "{error}");
}

#[test]
fn a_metadata_service_that_is_down_is_trouble_that_passes() {
    let simulator = simulator();
    simulator.inject_metadata("/", Effect::Empty { status: 503 }, None);
    let source = Source::EcsRamRole { role_name: None };
    let client = Client::new(with_source(&simulator, source, Environment::default()));
    let error = client.describe(&region(), &eni(), soon()).unwrap_err();
    assert_eq!((error.kind, error.transient), (ErrorKind::NotSent, true), "{error}");
}
