//! Who is let in: signatures, clocks, nonces, tokens and permissions.

use std::time::Duration;

use crate::client::{Client, DESCRIBE, UNASSIGN, compose, connect, exchange, parse, request, single_node};
use ecs_simulator::signature::canonical_query;
use ecs_simulator::{Permission, Simulator, World};

/// The answer to a call with these parameters, properly signed.
fn code_of(client: &Client, own: &[(&str, &str)]) -> String {
    client.call(DESCRIBE, own).code()
}

#[test]
fn a_signed_call_is_answered_in_the_query_or_in_a_form_by_get_or_by_post() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let query = client.sign("GET", &client.parameters(DESCRIBE, &[]));
    assert_eq!(request(&client.endpoint, "GET", &format!("/?{query}"), &[], "").status, 200);
    let query = client.sign("POST", &client.parameters(DESCRIBE, &[]));
    assert_eq!(request(&client.endpoint, "POST", &format!("/?{query}"), &[], "").status, 200);
    let form = client.sign("POST", &client.parameters(DESCRIBE, &[]));
    let kind = [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")];
    assert_eq!(request(&client.endpoint, "POST", "/", &kind, &form).status, 200);
    assert!(simulator.ledger().iter().all(|entry| entry.signature_method == "HMAC-SHA1" && entry.answered));
}

#[test]
fn a_chunked_form_is_put_together() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let form = client.sign("POST", &client.parameters(DESCRIBE, &[]));
    let (one, two) = form.split_at(100);
    let bytes = format!(
        "POST / HTTP/1.1\r\nHost: simulated\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n\
         64\r\n{one}\r\n{:x};extension\r\n{two}\r\n0\r\nTrailer: x\r\n\r\n",
        two.len()
    );
    let answer = parse(&exchange(&client.endpoint, bytes.as_bytes()).unwrap()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_wrong_signature_is_answered_with_the_text_that_should_have_been_signed() {
    let simulator = single_node();
    let client = Client { secret: "wrong".to_owned(), ..Client::new(&simulator) };
    let answer = client.call(DESCRIBE, &[]);
    assert_eq!((answer.status, answer.code().as_str()), (400, "SignatureDoesNotMatch"));
    let message = answer.json()["Message"].as_str().unwrap().to_owned();
    assert!(message.contains("server string to sign is:POST&%2F&AccessKeyId%3D"), "{message}");
}

#[test]
fn the_method_is_signed() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let query = client.sign("POST", &client.parameters(DESCRIBE, &[]));
    let answer = request(&client.endpoint, "GET", &format!("/?{query}"), &[], "");
    assert_eq!(answer.code(), "SignatureDoesNotMatch");
}

#[test]
fn a_signature_that_is_not_one_is_incomplete() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let mut parameters = client.parameters(DESCRIBE, &[]);
    parameters.push(("Signature".to_owned(), "short".to_owned()));
    let query = canonical_query(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let answer = request(&client.endpoint, "GET", &format!("/?{query}"), &[], "");
    assert_eq!(answer.code(), "IncompleteSignature");
}

#[test]
fn what_every_request_needs_is_asked_for() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    for name in ["Action", "Version", "AccessKeyId", "SignatureMethod", "SignatureNonce", "Timestamp"] {
        let answer = client.call(DESCRIBE, &[(name, "")]);
        assert_eq!(answer.code(), "MissingParameter", "{name}");
        assert!(answer.json()["Message"].as_str().unwrap().contains(name));
    }
    let unsigned = request(&client.endpoint, "GET", "/?Action=DescribeRegions&Version=2014-05-26", &[], "");
    assert!(unsigned.text().contains("<Code>MissingParameter</Code>"));
}

#[test]
fn common_parameters_are_checked() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    assert_eq!(code_of(&client, &[("Action", "DescribeNothing")]), "InvalidApi.NotFound");
    assert_eq!(code_of(&client, &[("Action", "AssumeRole")]), "InvalidApi.NotFound");
    assert_eq!(code_of(&client, &[("Version", "2013-01-10")]), "InvalidVersion");
    assert_eq!(code_of(&client, &[("SignatureMethod", "HMAC-SHA256")]), "InvalidParameter");
    assert_eq!(code_of(&client, &[("SignatureVersion", "2.0")]), "InvalidParameter");
    assert_eq!(code_of(&client, &[("Timestamp", "yesterday")]), "InvalidTimeStamp.Format");
    assert_eq!(code_of(&client, &[("AccessKeyId", "LTAIunknown")]), "InvalidAccessKeyId.NotFound");
    let query = client.sign("PUT", &client.parameters(DESCRIBE, &[]));
    let answer = request(&client.endpoint, "PUT", &format!("/?{query}"), &[], "");
    assert_eq!(answer.code(), "UnsupportedHTTPMethod");
}

#[test]
fn clocks_may_differ_by_a_quarter_of_an_hour() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    for (offset, code) in
        [(-800, ""), (800, ""), (-1000, "InvalidTimeStamp.Expired"), (1000, "InvalidTimeStamp.Expired")]
    {
        simulator.set_clock_offset(offset);
        assert_eq!(code_of(&client, &[]), code, "{offset}");
    }
}

#[test]
fn answers_carry_the_servers_date() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    simulator.set_clock_offset(-400 * 24 * 60 * 60);
    let answer = client.call(DESCRIBE, &[]);
    let year = humantime::format_rfc3339_seconds(client.now - Duration::from_hours(400 * 24)).to_string();
    assert!(answer.header("Date").unwrap().contains(&year[..4]), "{answer:?}");
}

#[test]
fn a_nonce_is_good_once() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    assert_eq!(code_of(&client, &[("SignatureNonce", "n")]), "");
    assert_eq!(code_of(&client, &[("SignatureNonce", "n")]), "SignatureNonceUsed");
}

#[test]
fn keys_have_permissions_and_can_be_disabled() {
    let world = World::single_node().with_access_key("LTAIreader", "secret", Permission::only([DESCRIBE]));
    let simulator = Simulator::start(world).unwrap();
    let reader =
        Client { id: "LTAIreader".to_owned(), secret: "secret".to_owned(), ..Client::new(&simulator) };
    assert_eq!(reader.call(DESCRIBE, &[]).status, 200);
    let answer = reader.call(UNASSIGN, &[]);
    assert_eq!((answer.status, answer.code().as_str()), (403, "Forbidden.RAM"));
    simulator.with_world(|world| world.access_keys.get_mut("LTAIreader").unwrap().active = false);
    assert_eq!(reader.call(DESCRIBE, &[]).code(), "InvalidAccessKeyId.Inactive");
}

#[test]
fn errors_are_documents_too() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let json = client.call("DescribeNothing", &[]);
    for name in ["RequestId", "HostId", "Code", "Message", "Recommend"] {
        assert!(json.json()[name].is_string(), "{name}");
    }
    let xml = client.call("DescribeNothing", &[("Format", "XML")]);
    assert_eq!(xml.status, 404);
    assert!(xml.header("Content-Type").unwrap().starts_with("text/xml"));
    assert!(xml.text().contains("<Error><Code>InvalidApi.NotFound</Code><HostId>ecs.aliyuncs.com</HostId>"));
}

#[test]
fn results_are_xml_by_default_and_each_has_its_own_id() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let xml = client.call(DESCRIBE, &[("Format", "")]);
    assert!(
        xml.text().starts_with("<?xml version='1.0' encoding='UTF-8'?><DescribeNetworkInterfacesResponse>")
    );
    assert!(xml.text().contains("<MacAddress>00:16:3e:00:00:02</MacAddress>"));
    let ids: Vec<_> = (0..2).map(|_| client.call(DESCRIBE, &[]).json()["RequestId"].clone()).collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn acs3_signed_calls_are_answered() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let answer = client.acs3(DESCRIBE, &[("RegionId", World::REGION_ID)]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let entry = &simulator.ledger()[0];
    assert_eq!((entry.action.as_str(), entry.signature_method.as_str()), (DESCRIBE, "ACS3-HMAC-SHA256"));
    assert_eq!(entry.access_key_id.as_deref(), Some(World::ACCESS_KEY_ID));
}

#[test]
fn acs3_signs_the_body_by_its_hash() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let body = "RegionId=cn-hangzhou";
    let mut headers = client.acs3_headers(DESCRIBE, &[], body);
    headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    assert_eq!(client.send_acs3(&[], &headers, body).status, 200);
    let answer = client.send_acs3(&[], &headers, "RegionId=cn-shanghai");
    assert_eq!(answer.code(), "InvalidParameter");
}

#[test]
fn acs3_calls_are_refused_as_the_others_are() {
    let simulator = single_node();
    let client = Client::new(&simulator);
    let query = [("RegionId", World::REGION_ID)];

    let wrong = Client { secret: "wrong".to_owned(), ..client.clone() }.acs3(DESCRIBE, &query);
    assert_eq!(wrong.code(), "SignatureDoesNotMatch");
    assert!(
        wrong.json()["Message"].as_str().unwrap().contains("server string to sign is:ACS3-HMAC-SHA256\n")
    );

    let old = Client { now: client.now - Duration::from_mins(20), ..client.clone() };
    assert_eq!(old.acs3(DESCRIBE, &query).code(), "InvalidTimeStamp.Expired");

    let headers = client.acs3_headers(DESCRIBE, &query, "");
    assert_eq!(client.send_acs3(&query, &headers, "").status, 200);
    assert_eq!(client.send_acs3(&query, &headers, "").code(), "SignatureNonceUsed");

    let mut more = client.acs3_headers(DESCRIBE, &query, "");
    more.push(("x-acs-unsigned".to_owned(), "x".to_owned()));
    assert_eq!(client.send_acs3(&query, &more, "").code(), "IncompleteSignature");

    for authorization in
        ["ACS3-HMAC-SHA256 Credential=x", "ACS3-HMAC-SM3 Credential=x,SignedHeaders=host,Signature=x"]
    {
        let bytes = compose(
            "POST",
            "/?Format=JSON",
            &[("authorization", authorization), ("x-acs-action", DESCRIBE), ("x-acs-version", "2014-05-26")],
            "",
        );
        let answer = parse(&exchange(&client.endpoint, &bytes).unwrap()).unwrap();
        assert_eq!(answer.code(), "IncompleteSignature", "{authorization}");
    }
}

#[test]
fn one_connection_serves_many_requests() {
    use std::io::{Read as _, Write as _};

    let simulator = single_node();
    let client = Client::new(&simulator);
    let mut socket = connect(&client.endpoint).unwrap();
    let target = || format!("/?{}", client.sign("GET", &client.parameters(DESCRIBE, &[])));
    let first = format!("GET {} HTTP/1.1\r\nHost: simulated\r\n\r\n", target());
    socket.write_all(first.as_bytes()).unwrap();
    socket.write_all(&compose("GET", &target(), &[], "")).unwrap();
    let mut received = String::new();
    socket.read_to_string(&mut received).unwrap();
    assert_eq!(received.matches("HTTP/1.1 200 OK").count(), 2);
    assert_eq!(received.matches("Connection: keep-alive").count(), 1);
}

#[test]
fn requests_have_bounds() {
    let simulator = single_node();
    let endpoint = simulator.endpoint();
    let status = |bytes: &[u8]| parse(&exchange(&endpoint, bytes).unwrap()).unwrap().status;
    assert_eq!(status(b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"), 413);
    assert_eq!(status(b"nonsense\r\n\r\n"), 400);
    assert_eq!(status(b"GET /other HTTP/1.1\r\nConnection: close\r\n\r\n"), 404);
}
