//! Every error code that the API may answer, and what it means to a caller: by the simulator's table, which is the tests'
//! own and kept apart from the client's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use aliyun_eni_ipam::inside::base::Family;
use aliyun_eni_ipam::inside::cloud::Want;
use aliyun_eni_ipam::inside::cloud::codes::CODES;
use aliyun_eni_ipam::inside::cloud::{Disposition, Error, ErrorKind};
use ecs_simulator::codes::{Code, Meaning, TABLE};
use ecs_simulator::{Effect, Fault};

use Meaning::{Account, Full, Open, Released, Request, Retry, Stale, Throttled};

use crate::setup::{address, client, eni, region, simulator, soon};

/// The codes of the simulator's table that belong to the security token service, or to whoever asks for another version of
/// the API: the client's table does without them.
const ELSEWHERE: [&str; 3] =
    ["AuthenticationFail.OIDCToken.Invalid", "EntityNotExist.Role", "InvalidVersion"];

/// The rows of the tests' own table that the client's has as well.
fn documented() -> impl Iterator<Item = &'static Code> {
    TABLE.iter().filter(|row| !ELSEWHERE.contains(&row.code))
}

/// What the client makes of a code with this meaning, when it has asked for an unassignment.
fn kind(meaning: Meaning) -> ErrorKind {
    match meaning {
        Released => ErrorKind::Refused(Disposition::Released),
        Retry => ErrorKind::Refused(Disposition::Retry),
        Throttled => ErrorKind::Refused(Disposition::Throttled),
        Stale => ErrorKind::Refused(Disposition::RefreshOnce),
        Full | Account | Request => ErrorKind::Refused(Disposition::Permanent),
        Open => ErrorKind::Unknown,
    }
}

fn check_text(error: &Error, code: &str) {
    let text = error.to_string();
    let lower = text.to_lowercase();
    assert!(!lower.contains("not found") && !lower.contains("no such file or directory"), "{text}");
    assert!(text.contains(code) && text.contains(eni().as_str()) && text.contains("RequestId"), "{text}");
    assert!(error.request_id.is_some() && error.remedy().is_some(), "{text}");
    assert!(!text.contains('{') && !text.contains("  "), "{text}");
}

#[test]
fn both_tables_know_the_same_codes() {
    let here: BTreeSet<_> = documented().map(|row| row.code).collect();
    let there: BTreeSet<_> = CODES.iter().map(|row| row.code).filter(|code| !code.ends_with('*')).collect();
    assert_eq!(here, there);
    assert_eq!(here.len() + ELSEWHERE.len(), TABLE.len());
    for row in documented() {
        let client = CODES.iter().find(|it| it.code == row.code).unwrap();
        assert_eq!(client.subject.is_full(), row.meaning == Full, "{}", row.code);
    }
}

#[test]
fn no_other_file_knows_a_code() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut directories = vec![source.clone()];
    let mut files = 0;
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let is_test = path.file_name().is_some_and(|name| name == "tests.rs");
            if is_test || path == source.join("cloud/rpc/codes.rs") {
                continue;
            }
            files += 1;
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for row in CODES {
                // The beginning of a family counts as well.
                let quoted = format!("\"{}", row.code.trim_end_matches(['.', '*']));
                assert!(!code.contains(&quoted), "{} has {quoted}", path.display());
            }
        }
    }
    assert!(files > 50, "{files}");
}

#[test]
fn every_code_means_to_an_unassignment_what_the_table_says() {
    let simulator = simulator();
    let client = client(&simulator);
    for Code { code, meaning, .. } in documented() {
        simulator.clear_faults();
        simulator.inject(Fault::code(code));
        for target in ["192.168.0.77", "2001:db8::77"] {
            let error = client.unassign(&region(), &eni(), &[address(target)], soon()).unwrap_err();
            assert_eq!(error.kind, kind(*meaning), "{code}");
            check_text(&error, code);
        }
    }
}

#[test]
fn an_assignment_and_a_description_know_no_release() {
    let simulator = simulator();
    let client = client(&simulator);
    for Code { code, meaning, .. } in documented() {
        simulator.clear_faults();
        simulator.inject(Fault::code(code));
        let expected = if *meaning == Released { Request } else { *meaning };
        let error =
            client.assign(&region(), &eni(), Family::V4, &Want::Count(1), "token", soon()).unwrap_err();
        assert_eq!(error.kind, kind(expected), "{code}");
        check_text(&error, code);

        match (client.describe(&region(), &eni(), soon()), *code) {
            (Ok(described), "InvalidEniId.NotFound") => assert_eq!(described, None),
            (Ok(_), _) => panic!("{code} was no error"),
            (Err(error), _) => {
                // Reading again does no harm, so nothing is open about it.
                let expected = if expected == Open { Retry } else { expected };
                assert_eq!(error.kind, kind(expected), "{code}");
                check_text(&error, code);
            }
        }
    }
}

#[test]
fn codes_that_nobody_has_seen_yet_go_by_their_family_and_their_status() {
    let simulator = simulator();
    let client = client(&simulator);
    for (code, status, meaning) in [
        ("Throttling.Tomorrow", 400, Throttled),
        ("ServiceUnavailable.Tomorrow", 400, Open),
        ("Brand.New", 400, Request),
        ("Brand.New", 403, Request),
        ("Brand.New", 404, Request),
        ("Brand.New", 409, Retry),
        ("Brand.New", 429, Throttled),
        ("Brand.New", 500, Open),
        ("Brand.New", 503, Open),
        ("Brand.New", 599, Open),
    ] {
        simulator.clear_faults();
        let message = "This is not found.".to_owned();
        simulator.inject(Fault::new(Effect::Error {
            code: code.to_owned(),
            message,
            status,
            retry_after_ms: None,
        }));
        let error = client.unassign(&region(), &eni(), &[address("192.168.0.77")], soon()).unwrap_err();
        assert_eq!((error.kind, error.status), (kind(meaning), Some(status)), "{code} {status}");
        check_text(&error, code);
    }
}

#[test]
fn how_long_the_server_wants_to_be_left_alone_is_passed_on() {
    let simulator = simulator();
    let wait = std::time::Duration::from_millis(1500);
    simulator.inject(Fault::new(Effect::code_with_retry_after("Throttling.User", wait)));
    let error =
        client(&simulator).unassign(&region(), &eni(), &[address("192.168.0.77")], soon()).unwrap_err();
    assert_eq!(error.retry_after, Some(wait));
}

#[test]
fn what_the_simulator_itself_refuses_is_understood() {
    let simulator = simulator();
    let client = client(&simulator);
    let error = client.unassign(&region(), &eni(), &[address("192.168.0.77")], soon()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused(Disposition::Released));
    let primary = address("192.168.0.11");
    assert!(client.unassign(&region(), &eni(), &[primary], soon()).is_err());
    simulator.with_world(|world| world.eni_mut(eni().as_str()).service_managed = true);
    let error = client.assign(&region(), &eni(), Family::V4, &Want::Count(1), "t", soon()).unwrap_err();
    assert!(error.code.as_deref() == Some("InvalidOperation.EniServiceManaged"), "{error}");
}

#[test]
fn an_eni_without_room_is_said_to_be_full() {
    let simulator = simulator();
    simulator.with_world(|world| world.quota.ipv4 = 2);
    let client = client(&simulator);
    let error = client.assign(&region(), &eni(), Family::V4, &Want::Count(9), "t", soon()).unwrap_err();
    assert!(error.subject().is_full(), "{error}");
}
