//! What ECS refuses as stale is sent again once, with a new nonce, stamp or key.

use std::time::Duration;

use aliyun_eni_ipam::inside::cloud::{Disposition, ErrorKind};
use ecs_simulator::{Effect, Fault, Simulator, World};

use crate::setup::{address, client, eni, region, role_client, simulator, soon};

const DESCRIBE: &str = "DescribeNetworkInterfaces";

fn nonces(simulator: &Simulator) -> Vec<String> {
    simulator.ledger().iter().map(|call| call.parameters["SignatureNonce"].clone()).collect()
}

#[test]
fn a_nonce_that_was_used_is_replaced_once() {
    let simulator = simulator();
    let client = client(&simulator);
    simulator.inject(Fault::code("SignatureNonceUsed").times(1));
    client.describe(&region(), &eni(), soon()).unwrap();
    let nonces = nonces(&simulator);
    assert_eq!(nonces.len(), 2);
    assert_ne!(nonces[0], nonces[1]);

    simulator.clear_ledger();
    simulator.inject(Fault::code("SignatureNonceUsed"));
    let error = client.describe(&region(), &eni(), soon()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused(Disposition::RefreshOnce));
    assert_eq!(simulator.count(DESCRIBE), 2);
}

#[test]
fn a_clock_that_is_wrong_is_corrected_by_the_servers() {
    for offset in [3600, -86_400, 40 * 365 * 86_400] {
        let simulator = simulator();
        simulator.set_clock_offset(offset);
        let client = client(&simulator);
        client.describe(&region(), &eni(), soon()).unwrap();
        assert_eq!(simulator.count(DESCRIBE), 2);
        assert!((client.clock_skew().unwrap() - offset).abs() <= 2, "{:?}", client.clock_skew());
        // Once corrected, it stays so.
        client.describe(&region(), &eni(), soon()).unwrap();
        assert_eq!(simulator.count(DESCRIBE), 3);
    }
}

#[test]
fn a_clock_that_is_right_is_known_to_be() {
    let simulator = simulator();
    let client = client(&simulator);
    client.describe(&region(), &eni(), soon()).unwrap();
    assert!(client.clock_skew().unwrap().abs() <= 2);
}

#[test]
fn a_stamp_that_is_refused_again_is_an_error() {
    let simulator = simulator();
    simulator.inject(Fault::code("InvalidTimeStamp.Expired"));
    let error = client(&simulator).describe(&region(), &eni(), soon()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused(Disposition::RefreshOnce));
    assert_eq!(simulator.count(DESCRIBE), 2);
    assert!(error.to_string().contains("clock"), "{error}");
}

#[test]
fn an_expired_token_is_replaced_once_in_either_of_its_forms() {
    let expired = "\"SecurityToken.Expired\" is not valid.".to_owned();
    let parameter = Effect::Error {
        code: "InvalidParameter".into(),
        message: expired,
        status: 400,
        retry_after_ms: None,
    };
    for effect in [Effect::code("InvalidSecurityToken.Expired"), parameter] {
        let simulator =
            Simulator::start(World::single_node().with_role_lifetime(Duration::from_secs(4))).unwrap();
        let client = role_client(&simulator);
        let first = client.credentials(soon()).unwrap().key;
        // By now the metadata service has a successor.
        std::thread::sleep(Duration::from_millis(2200));
        simulator.inject(Fault::new(effect).times(1));
        client.describe(&region(), &eni(), soon()).unwrap();
        let keys: Vec<_> = simulator.ledger().into_iter().map(|call| call.access_key_id.unwrap()).collect();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0], first.access_key_id);
        assert_ne!(keys[1], first.access_key_id);
    }
}

#[test]
fn a_key_for_which_there_is_no_other_is_not_sent_twice() {
    let simulator = simulator();
    simulator.inject(Fault::code("InvalidSecurityToken.Expired"));
    let error =
        client(&simulator).unassign(&region(), &eni(), &[address("192.168.0.77")], soon()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused(Disposition::RefreshOnce));
    assert_eq!(simulator.ledger().len(), 1);
}

#[test]
fn each_remedy_has_its_turn() {
    let simulator = simulator();
    simulator.set_clock_offset(7200);
    simulator.inject(Fault::code("SignatureNonceUsed").times(1));
    client(&simulator).describe(&region(), &eni(), soon()).unwrap();
    assert_eq!(simulator.count(DESCRIBE), 3);
}

#[test]
fn other_refusals_are_the_callers_to_repeat() {
    for code in
        ["Throttling", "Operation.Conflict", "InternalError", "InvalidAccessKeyId.NotFound", "Forbidden.RAM"]
    {
        let simulator = simulator();
        simulator.inject(Fault::code(code).times(1));
        client(&simulator).unassign(&region(), &eni(), &[address("192.168.0.77")], soon()).unwrap_err();
        assert_eq!(simulator.ledger().len(), 1, "{code}");
    }
}
