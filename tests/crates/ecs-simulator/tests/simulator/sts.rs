//! The security token service, and what its credentials are good for.

use ecs_simulator::signature::canonical_query;
use ecs_simulator::{Permission, World};

use crate::client::{Answer, Client, DESCRIBE, UNASSIGN, request, single_node};

fn assume(client: &Client, own: &[(&str, &str)]) -> Answer {
    let arn = World::single_node().role_arn();
    let mut all = vec![("RoleArn", arn.as_str()), ("RoleSessionName", "test")];
    all.retain(|(name, _)| own.iter().all(|(key, _)| key != name));
    all.extend(own);
    client.call("AssumeRole", &all)
}

fn assumed(client: &Client) -> Client {
    client.with_credentials(&assume(client, &[]).json()["Credentials"])
}

#[test]
fn a_role_is_assumed_and_its_credentials_are_good() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let session = assumed(&client);
    assert_eq!(session.call(DESCRIBE, &[]).status, 200);
    assert_eq!(session.acs3(DESCRIBE, &[("RegionId", World::REGION_ID)]).status, 200);
    let entry = simulator.ledger().pop().unwrap();
    assert_eq!(entry.access_key_id, Some(session.id));
    assert!(!entry.parameters.contains_key("SecurityToken") && !entry.parameters.contains_key("Signature"));
}

#[test]
fn what_is_wrong_with_a_security_token_is_said() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let (one, other) = (assumed(&client), assumed(&client));
    let code = |client: &Client, token: Option<&str>| {
        Client { token: token.map(str::to_owned), ..client.clone() }.call(DESCRIBE, &[]).code()
    };
    assert_eq!(code(&one, None), "MissingSecurityToken");
    assert_eq!(code(&one, Some("made up")), "InvalidSecurityToken.Malformed");
    assert_eq!(code(&one, other.token.as_deref()), "InvalidSecurityToken.MismatchWithAccessKey");
    assert_eq!(code(&client, one.token.as_deref()), "InvalidSecurityToken.MismatchWithAccessKey");
    simulator.set_clock_offset(3600);
    let late = Client { now: one.now + std::time::Duration::from_hours(1), ..one };
    assert_eq!(late.call(DESCRIBE, &[]).code(), "InvalidSecurityToken.Expired");
}

#[test]
fn assuming_a_role_has_conditions() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    assert_eq!(assume(&client, &[("RoleArn", "")]).code(), "MissingParameter");
    assert_eq!(assume(&client, &[("RoleSessionName", "")]).code(), "MissingParameter");
    assert_eq!(assume(&client, &[("RoleArn", "acs:ram::1:role/other")]).code(), "EntityNotExist.Role");
    assert_eq!(assume(&client, &[("DurationSeconds", "899")]).code(), "InvalidParameter");
    let answer = assume(&client, &[("RoleArn", "")]);
    assert_eq!(answer.json()["HostId"], "sts.aliyuncs.com");
}

#[test]
fn a_session_may_do_what_its_role_may() {
    let simulator = single_node();
    simulator.with_world(|world| world.role.permission = Permission::only([DESCRIBE]));
    let session = assumed(&Client::new(&simulator));
    assert_eq!(session.call(DESCRIBE, &[]).status, 200);
    assert_eq!(session.call(UNASSIGN, &[]).code(), "Forbidden.RAM");
}

#[test]
fn an_oidc_token_takes_the_place_of_a_signature() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let assume = |token: &str, provider: &str, in_form: bool| {
        let arn = World::single_node().role_arn();
        let common = [("Action", "AssumeRoleWithOIDC"), ("Version", "2015-04-01"), ("Format", "JSON")];
        let own = [
            ("RoleArn", arn.as_str()),
            ("OIDCProviderArn", provider),
            ("OIDCToken", token),
            ("RoleSessionName", "test"),
        ];
        let (common, own) = (canonical_query(common), canonical_query(own));
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        if in_form {
            request(&client.endpoint, "POST", &format!("/?{common}"), &kind, &own)
        } else {
            request(&client.endpoint, "POST", &format!("/?{common}&{own}"), &[], "")
        }
    };
    for in_form in [true, false] {
        let answer = assume("simulated.oidc.token", World::OIDC_PROVIDER_ARN, in_form);
        assert_eq!(answer.status, 200, "{answer:?}");
        let session = client.with_credentials(&answer.json()["Credentials"]);
        assert_eq!(session.call(DESCRIBE, &[]).status, 200);
    }
    let wrong = assume("other", World::OIDC_PROVIDER_ARN, true);
    assert_eq!(wrong.code(), "AuthenticationFail.OIDCToken.Invalid");
    assert_eq!(assume("simulated.oidc.token", "acs:ram::1:oidc-provider/x", true).code(), "InvalidParameter");
}

#[test]
fn callers_learn_who_they_are() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let identity = |client: &Client| client.call("GetCallerIdentity", &[]).json();
    assert_eq!(identity(&client)["IdentityType"], "RAMUser");
    assert_eq!(identity(&assumed(&client))["Arn"], "acs:ram::1234567890123456:assumed-role/noderole/test");
}
