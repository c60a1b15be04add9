//! Every error code that the API may answer, and what it means to a caller: a second table, kept apart from the
//! client's, so that a change of a class is a decision and not a slip.

use aliyun_eni_ipam::base::region::Family;
use aliyun_eni_ipam::cloud::ecs::Want;
use aliyun_eni_ipam::cloud::rpc::codes::CODES;
use aliyun_eni_ipam::cloud::rpc::{Class, Error, ErrorKind};
use ecs_simulator::{Effect, Fault};

use Meaning::{Open, Permanent, RefreshOnce, Released, Retry, Throttled};

use crate::setup::{address, client, eni, region, simulator, soon};

/// What a code means to whoever asked for an unassignment.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meaning {
    Released,
    Retry,
    Throttled,
    RefreshOnce,
    Permanent,
    /// ECS may have done it.
    Open,
}

const MEANINGS: &[(&str, Meaning)] = &[
    ("Abs.InvalidAccount.NotFound", Permanent),
    ("EniPerInstanceLimitExceeded", Permanent),
    ("Forbidden.AccessKeyDisabled", Permanent),
    ("Forbidden.NotSupportRAM", Permanent),
    ("Forbidden.RAM", Permanent),
    ("Forbidden.RegionId", Permanent),
    ("Forbidden.RiskControl", Permanent),
    ("Forbidden.SubUser", Permanent),
    ("Forbidden.Unauthorized", Permanent),
    ("IdempotentFailed", Permanent),
    ("IdempotentParameterMismatch", Permanent),
    ("IncompleteSignature", Permanent),
    ("InternalError", Open),
    ("InvalidAccessKeyId.Inactive", Permanent),
    ("InvalidAccessKeyId.NotFound", Permanent),
    ("InvalidAction", Permanent),
    ("InvalidApi.NotFound", Permanent),
    ("InvalidEcsId.NotFound", Permanent),
    ("InvalidEniId.NotFound", Released),
    ("InvalidInstanceID.Malformed", Permanent),
    ("InvalidInstanceId.NotFound", Permanent),
    ("InvalidIp.Address", Permanent),
    ("InvalidIp.IpAssigned", Permanent),
    ("InvalidIp.IpRepeated", Permanent),
    ("InvalidIp.IpUnassigned", Released),
    ("InvalidOperation.AvailabilityZoneMismatch", Permanent),
    ("InvalidOperation.Conflict", Retry),
    ("InvalidOperation.DetachPrimaryEniNotAllowed", Permanent),
    ("InvalidOperation.EniServiceManaged", Permanent),
    ("InvalidOperation.InvalidEcsState", Retry),
    ("InvalidOperation.InvalidEniState", Retry),
    ("InvalidOperation.InvalidEniType", Permanent),
    ("InvalidOperation.Ipv4CountExceeded", Permanent),
    ("InvalidOperation.Ipv6CountExceeded", Permanent),
    ("InvalidOperation.VpcMismatch", Permanent),
    ("InvalidParameter", Permanent),
    ("InvalidPrivateIpAddress.Duplicated", Permanent),
    ("InvalidProtocol.NeedSsl", Permanent),
    ("InvalidSecurityGroupId.NotFound", Permanent),
    ("InvalidSecurityGroupId.NotVpc", Permanent),
    ("InvalidSecurityToken.Expired", RefreshOnce),
    ("InvalidSecurityToken.Malformed", Permanent),
    ("InvalidSecurityToken.MismatchWithAccessKey", Permanent),
    ("InvalidTimeStamp.Expired", RefreshOnce),
    ("InvalidTimeStamp.Format", Permanent),
    ("InvalidUserType.NotSupported", Permanent),
    ("InvalidVSwitchId.IpInvalid", Permanent),
    ("InvalidVSwitchId.IpNotEnough", Permanent),
    ("InvalidVSwitchId.NotFound", Permanent),
    ("LastTokenProcessing", Retry),
    ("MaxEniPrivateIpsCountExceeded", Permanent),
    ("MissingParameter", Permanent),
    ("MissingSecurityToken", Permanent),
    ("Operation.Conflict", Retry),
    ("OperationConflict", Retry),
    ("QuotaExceeded.PrivateIpAddress", Permanent),
    ("Rejected.Throttling", Throttled),
    ("SecurityGroupInstanceLimitExceed", Permanent),
    ("ServiceUnavailable", Open),
    ("ServiceUnavailable.RegionMaintaining", Open),
    ("SignatureDoesNotMatch", Permanent),
    ("SignatureNonceUsed", RefreshOnce),
    ("Throttling", Throttled),
    ("Throttling.Api", Throttled),
    ("Throttling.User", Throttled),
    ("UnknownError", Open),
    ("UnsupportedHTTPMethod", Permanent),
    ("UnsupportedParameter", Permanent),
];

impl Meaning {
    fn kind(self) -> ErrorKind {
        match self {
            Released => ErrorKind::Refused(Class::Released),
            Retry => ErrorKind::Refused(Class::Retry),
            Throttled => ErrorKind::Refused(Class::Throttled),
            RefreshOnce => ErrorKind::Refused(Class::RefreshOnce),
            Permanent => ErrorKind::Refused(Class::Permanent),
            Open => ErrorKind::Unknown,
        }
    }
}

fn check_text(error: &Error, code: &str) {
    let text = error.to_string();
    let lower = text.to_lowercase();
    assert!(!lower.contains("not found") && !lower.contains("no such file or directory"), "{text}");
    assert!(text.contains(code) && text.contains(eni().as_str()) && text.contains("RequestId"), "{text}");
    assert!(error.request_id.is_some() && error.hint().is_some(), "{text}");
    assert!(!text.contains('{') && !text.contains("  "), "{text}");
}

#[test]
fn both_tables_know_the_same_codes() {
    let here: Vec<_> = MEANINGS.iter().map(|(code, _)| *code).collect();
    let mut there: Vec<_> = CODES.iter().map(|row| row.code).collect();
    there.sort_unstable();
    assert_eq!(here, there);
}

#[test]
fn every_code_means_to_an_unassignment_what_the_table_says() {
    let simulator = simulator();
    let client = client(&simulator);
    for (code, meaning) in MEANINGS {
        simulator.clear_faults();
        simulator.inject(Fault::code(code));
        for target in ["192.168.0.77", "2001:db8::77"] {
            let error = client.unassign(&region(), &eni(), &[address(target)], soon()).unwrap_err();
            assert_eq!(error.kind, meaning.kind(), "{code}");
            check_text(&error, code);
        }
    }
}

#[test]
fn an_assignment_and_a_description_know_no_release() {
    let simulator = simulator();
    let client = client(&simulator);
    for (code, meaning) in MEANINGS {
        simulator.clear_faults();
        simulator.inject(Fault::code(code));
        let expected = if *meaning == Released { Permanent } else { *meaning };
        let error =
            client.assign(&region(), &eni(), Family::V4, &Want::Count(1), "token", soon()).unwrap_err();
        assert_eq!(error.kind, expected.kind(), "{code}");
        check_text(&error, code);

        match (client.describe(&region(), &eni(), soon()), *code) {
            (Ok(described), "InvalidEniId.NotFound") => assert_eq!(described, None),
            (Ok(_), _) => panic!("{code} was no error"),
            (Err(error), _) => {
                // Reading again does no harm, so nothing is open about it.
                let expected = if expected == Open { Retry } else { expected };
                assert_eq!(error.kind, expected.kind(), "{code}");
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
        ("Brand.New", 400, Permanent),
        ("Brand.New", 403, Permanent),
        ("Brand.New", 404, Permanent),
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
        assert_eq!((error.kind, error.status), (meaning.kind(), Some(status)), "{code} {status}");
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
    assert_eq!(error.kind, ErrorKind::Refused(Class::Released));
    let primary = address("192.168.0.11");
    assert!(client.unassign(&region(), &eni(), &[primary], soon()).is_err());
    simulator.with_world(|world| world.eni_mut(eni().as_str()).service_managed = true);
    let error = client.assign(&region(), &eni(), Family::V4, &Want::Count(1), "t", soon()).unwrap_err();
    assert!(error.is_code("InvalidOperation.EniServiceManaged"), "{error}");
}

#[test]
fn an_eni_without_room_is_said_to_be_full() {
    let simulator = simulator();
    simulator.with_world(|world| world.quota.ipv4 = 2);
    let client = client(&simulator);
    let error = client.assign(&region(), &eni(), Family::V4, &Want::Count(9), "t", soon()).unwrap_err();
    assert!(error.means_full(), "{error}");
}
