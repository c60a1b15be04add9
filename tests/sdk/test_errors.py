"""Errors of the API, as every SDK understands them: code, status, message and request id; and the calls that the
simulator must refuse although an official SDK has signed them."""

from dataclasses import replace

import pytest
from alibabacloud_tea_openapi.exceptions import ThrottlingException

from sdks import ALL, ApiError
from simulator import REGION, SECONDARY_ENI


def refused(sdk, simulator, key, action="DescribeRegions", **parameters):
    """The error that a call is answered with. The ledger has it too, and nothing was done."""
    before = simulator.addresses()
    if action != "DescribeRegions":
        parameters["RegionId"] = REGION
    with pytest.raises(ApiError) as raised:
        sdk.call(simulator, key, action, parameters)
    error, entry = raised.value, simulator.last()
    assert (entry["code"], entry["status"], entry["executed"]) == (error.code, error.status, False)
    assert simulator.addresses() == before and error.request_id
    return error


def test_an_address_that_is_not_there_is_refused_with_its_name(sdk, simulator):
    simulator.assign("192.168.0.77")
    asked = {"NetworkInterfaceId": SECONDARY_ENI, "PrivateIpAddress": ["192.168.0.77", "192.168.0.78"]}
    error = refused(sdk, simulator, simulator.key, "UnassignPrivateIpAddresses", **asked)
    assert (error.code, error.status) == ("InvalidIp.IpUnassigned", 403)
    assert "192.168.0.78" in error.message


def test_an_eni_that_is_not_there_is_refused(sdk, simulator):
    asked = {"NetworkInterfaceId": "eni-bp1nosuch", "PrivateIpAddress": ["192.168.0.77"]}
    error = refused(sdk, simulator, simulator.key, "UnassignPrivateIpAddresses", **asked)
    assert (error.code, error.status) == ("InvalidEniId.NotFound", 404)


def test_a_primary_address_is_never_given_up(sdk, simulator):
    asked = {"NetworkInterfaceId": SECONDARY_ENI, "PrivateIpAddress": ["192.168.0.11"]}
    error = refused(sdk, simulator, simulator.key, "UnassignPrivateIpAddresses", **asked)
    assert error.code == "InvalidIp.IpUnassigned"


@pytest.mark.parametrize(("code", "status"), [("Throttling.User", 400), ("ServiceUnavailable", 503)])
def test_trouble_on_the_clouds_side_has_its_code(sdk, simulator, code, status):
    simulator.fault(effect="error", code=code)
    error = refused(sdk, simulator, simulator.key)
    assert (error.code, error.status) == (code, status)
    sdk.call(simulator, simulator.key, "DescribeRegions", {})


@pytest.mark.parametrize("sdk", ALL[1:3], ids=lambda sdk: sdk.name)
def test_a_wait_that_the_cloud_asks_for_reaches_the_caller(sdk, simulator):
    simulator.fault(effect="error", code="Throttling", retry_after_ms=1500)
    with pytest.raises(ApiError) as raised:
        sdk.call(simulator, simulator.key, "DescribeRegions", {})
    cause = raised.value.__cause__
    assert isinstance(cause, ThrottlingException) and cause.retry_after == 1500


def test_a_wrong_secret_is_noticed(sdk, simulator):
    key = replace(simulator.key, access_key_secret=simulator.key.access_key_secret + "x")
    if sdk.name != "aliyun-python-sdk":
        assert refused(sdk, simulator, key).code == "SignatureDoesNotMatch"
        return
    # This SDK compares what it has signed with what the simulator says should be: the same, so it is the secret.
    with pytest.raises(ApiError) as raised:
        sdk.call(simulator, key, "DescribeRegions", {})
    assert (raised.value.code, simulator.last()["code"]) == ("InvalidAccessKeySecret", "SignatureDoesNotMatch")


def test_an_unknown_key_is_noticed(sdk, simulator):
    key = replace(simulator.key, access_key_id="LTAINobodys")
    assert refused(sdk, simulator, key).code == "InvalidAccessKeyId.NotFound"


def test_a_temporary_key_needs_its_own_token(sdk, simulator):
    key = simulator.role_credentials()
    sdk.call(simulator, key, "DescribeRegions", {})
    assert refused(sdk, simulator, replace(key, security_token=None)).code == "MissingSecurityToken"
    wrong = replace(key, security_token=key.security_token + "x")
    assert refused(sdk, simulator, wrong).code == "InvalidSecurityToken.Malformed"


def test_a_temporary_key_ends(sdk, new_simulator):
    with new_simulator(role_lifetime_ms=60_000) as simulator:
        key = simulator.role_credentials()
        sdk.call(simulator, key, "DescribeRegions", {})
        simulator.clock(offset_seconds=61)
        assert refused(sdk, simulator, key).code == "InvalidSecurityToken.Expired"


@pytest.mark.parametrize("offset", [16 * 60, -16 * 60])
def test_a_call_from_another_time_is_refused(sdk, simulator, offset):
    simulator.clock(offset_seconds=offset)
    assert refused(sdk, simulator, simulator.key).code == "InvalidTimeStamp.Expired"
    simulator.clock(offset_seconds=offset * 14 // 16)
    sdk.call(simulator, simulator.key, "DescribeRegions", {})
