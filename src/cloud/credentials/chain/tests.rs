//! Which place of the default chain has the key, for a table of environments and files.

use std::fs;

use super::*;

const AK: (&str, &str) = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "env-id");
const SECRET: (&str, &str) = ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "env-secret");
const OIDC: [(&str, &str); 3] = [
    ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/x"),
    ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/x"),
    ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/token"),
];
const CLI: &str = r#"{"current":"a","profiles":[
    {"name":"a","mode":"AK","access_key_id":"cli-id","access_key_secret":"s"},
    {"name":"node","mode":"EcsRamRole"}]}"#;
const INI: &str = "[default]\ntype=access_key\naccess_key_id=ini-id\naccess_key_secret=s\n\
                   [node]\ntype=ecs_ram_role\nrole_name=r\n";

/// A home with some files and an environment with some variables.
struct Case<'a> {
    variables: &'a [(&'a str, &'a str)],
    files: &'a [(&'a str, &'a str)],
    /// The names of the places that have an origin, in order.
    expected: &'a [&'a str],
}

fn check(case: &Case<'_>) {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in case.files {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let home_variable = ("HOME", home.path().to_str().unwrap());
    let environment: Environment = case.variables.iter().copied().chain([home_variable]).collect();
    let found: Vec<_> = places(&Source::Default, &environment)
        .into_iter()
        .filter_map(|(_, look)| look().ok())
        .map(|located| located.name)
        .collect();
    assert_eq!(found, case.expected, "{:?} {:?}", case.variables, case.files);
}

#[test]
fn the_chain_is_gone_through_in_the_sdks_order() {
    let everything: Vec<_> = [AK, SECRET, ("ALIBABA_CLOUD_CREDENTIALS_URI", "http://127.0.0.1/")]
        .into_iter()
        .chain(OIDC)
        .collect();
    let files = [(".aliyun/config.json", CLI), (".alibabacloud/credentials", INI)];
    let order = [
        "env",
        "oidc_role_arn",
        "cli_profile/static_ak",
        "profile/static_ak",
        "ecs_ram_role",
        "credential_uri",
    ];
    check(&Case { variables: &everything, files: &files, expected: &order });
    check(&Case { variables: &[], files: &[], expected: &["ecs_ram_role"] });
}

#[test]
fn half_a_key_is_none() {
    check(&Case { variables: &[AK], files: &[], expected: &["ecs_ram_role"] });
    check(&Case { variables: &[SECRET], files: &[], expected: &["ecs_ram_role"] });
    check(&Case { variables: &[AK, (SECRET.0, "")], files: &[], expected: &["ecs_ram_role"] });
    check(&Case { variables: &OIDC[..2], files: &[], expected: &["ecs_ram_role"] });
}

#[test]
fn what_is_switched_off_is_passed_over() {
    let cli = [(".aliyun/config.json", CLI)];
    let no_cli = [("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true")];
    check(&Case { variables: &no_cli, files: &cli, expected: &["ecs_ram_role"] });
    let no_metadata = [("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "TRUE")];
    check(&Case { variables: &no_metadata, files: &cli, expected: &["cli_profile/static_ak"] });
    let neither = [no_cli[0], no_metadata[0]];
    check(&Case { variables: &neither, files: &cli, expected: &[] });
}

#[test]
fn the_environment_chooses_the_profile_in_both_files() {
    let node = [("ALIBABA_CLOUD_PROFILE", "node")];
    let files = [(".aliyun/config.json", CLI), (".alibabacloud/credentials", INI)];
    let expected = ["cli_profile/ecs_ram_role", "profile/ecs_ram_role", "ecs_ram_role"];
    check(&Case { variables: &node, files: &files, expected: &expected });
}

#[test]
fn a_file_that_cannot_be_used_does_not_end_the_chain() {
    for text in ["", "{", "nonsense", r#"{"current":"other","profiles":[]}"#] {
        let files = [(".aliyun/config.json", text), (".alibabacloud/credentials", text)];
        check(&Case { variables: &[], files: &files, expected: &["ecs_ram_role"] });
    }
}

#[test]
fn the_sdks_file_has_two_names() {
    let files = [(".alibabacloud/credentials.ini", INI)];
    check(&Case { variables: &[], files: &files, expected: &["profile/static_ak", "ecs_ram_role"] });
}

#[test]
fn a_named_file_is_read_in_either_form_and_its_errors_name_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    let look = |profile: Option<&str>| {
        let source = Source::File { path: path.clone(), profile: profile.map(str::to_owned) };
        let environment = Environment::default();
        let (_, look) = places(&source, &environment).pop().unwrap();
        look()
    };
    let absent = look(None).unwrap_err();
    assert!(absent.configured && absent.why.contains("keys: it does not exist"), "{absent:?}");
    fs::write(&path, CLI).unwrap();
    assert_eq!(look(None).unwrap().name, "cli_profile/static_ak");
    assert_eq!(look(Some("node")).unwrap().name, "cli_profile/ecs_ram_role");
    fs::write(&path, INI).unwrap();
    assert_eq!(look(None).unwrap().name, "profile/static_ak");
    let absence = look(Some("other")).unwrap_err();
    assert!(absence.why.contains("keys") && absence.why.contains("other"), "{absence:?}");
}

#[test]
fn an_absence_repeats_no_secret() {
    let environment: Environment =
        [AK, ("ALIBABA_CLOUD_CREDENTIALS_URI", "http://me:swordfish@h")].into_iter().collect();
    for (_, look) in places(&Source::Default, &environment) {
        if let Err(absence) = look() {
            assert!(!absence.why.contains("swordfish"), "{absence:?}");
        }
    }
}
