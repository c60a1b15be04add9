"""Every action that the simulator has, called by every SDK, with keys of every kind: the SDK understands the answer,
and the simulator has understood the call."""

import pytest

from sdks import STS
from simulator import (
    INSTANCE_TYPE,
    OIDC_PROVIDER_ARN,
    OIDC_TOKEN,
    PRIMARY_ENI,
    REGION,
    ROLE_ARN,
    SECONDARY_ENI,
    Credentials,
)

# More than nine, so that their numbers do not sort as their names do.
TEN = [f"192.168.0.{n}" for n in range(100, 110)]


@pytest.fixture(params=["static", "role", "assumed"])
def key(request, sdk, simulator):
    """A key that lasts, and temporary ones: of the instance's role, and from STS by way of the SDK itself."""
    if request.param == "static":
        return simulator.key
    if request.param == "role":
        return simulator.role_credentials()
    asked = {"RoleArn": ROLE_ARN, "RoleSessionName": "sdk-check"}
    return Credentials.of(sdk.call(simulator, simulator.key, "AssumeRole", asked, STS)["Credentials"])


@pytest.fixture
def call(sdk, simulator, key):
    """Calls an action in the simulator's region; the ledger then has it as it was meant."""

    def call(action, version="2014-05-26", **parameters):
        if version != STS:
            parameters["RegionId"] = REGION
        answer = sdk.call(simulator, key, action, parameters, version)
        entry = simulator.last()
        seen = (entry["action"], entry["access_key_id"], entry["signature_method"], entry["status"])
        assert seen == (action, key.access_key_id, sdk.signature_method, 200)
        assert answer["RequestId"]
        return answer

    return call


def assigned(answer):
    """The addresses in an answer of AssignPrivateIpAddresses."""
    return answer["AssignedPrivateIpAddressesSet"]["PrivateIpSet"]["PrivateIpAddress"]


def found(answer):
    """The ENIs in an answer of DescribeNetworkInterfaces."""
    return answer["NetworkInterfaceSets"]["NetworkInterfaceSet"]


def test_addresses_that_are_named_are_assigned_and_unassigned(call, simulator):
    answer = call("AssignPrivateIpAddresses", NetworkInterfaceId=SECONDARY_ENI, PrivateIpAddress=TEN)
    assert assigned(answer) == TEN
    assert answer["AssignedPrivateIpAddressesSet"]["NetworkInterfaceId"] == SECONDARY_ENI
    assert simulator.addresses() == set(TEN)

    call("UnassignPrivateIpAddresses", NetworkInterfaceId=SECONDARY_ENI, PrivateIpAddress=TEN[1:])
    entry = simulator.last()
    assert (entry["addresses"], entry["executed"], entry["answered"]) == (TEN[1:], True, True)
    assert simulator.addresses() == {TEN[0]}


def test_one_client_token_assigns_once(call, simulator):
    asked = {"NetworkInterfaceId": SECONDARY_ENI, "SecondaryPrivateIpAddressCount": 3, "ClientToken": "once"}
    first = assigned(call("AssignPrivateIpAddresses", **asked))
    assert simulator.last()["executed"]
    assert assigned(call("AssignPrivateIpAddresses", **asked)) == first
    assert not simulator.last()["executed"] and simulator.last()["client_token"] == "once"
    assert simulator.addresses() == set(first) and len(first) == 3


def test_ipv6_addresses_are_assigned_and_unassigned(call, simulator):
    answer = call("AssignIpv6Addresses", NetworkInterfaceId=SECONDARY_ENI, Ipv6AddressCount=2)
    addresses = answer["Ipv6Sets"]["Ipv6Address"]
    assert answer["NetworkInterfaceId"] == SECONDARY_ENI
    assert len(addresses) == 2 and simulator.addresses() == set(addresses)

    call("UnassignIpv6Addresses", NetworkInterfaceId=SECONDARY_ENI, Ipv6Address=addresses[:1])
    assert simulator.addresses() == set(addresses[1:])
    own = ["2001:db8:1234:1a00::beef"]
    answer = call("AssignIpv6Addresses", NetworkInterfaceId=SECONDARY_ENI, Ipv6Address=own)
    assert answer["Ipv6Sets"]["Ipv6Address"] == own


def test_interfaces_are_described_whole(call, simulator):
    simulator.assign("192.168.0.77", "2001:db8:1234:1a00::77")
    (eni,) = found(call("DescribeNetworkInterfaces", NetworkInterfaceId=[SECONDARY_ENI]))
    assert (eni["NetworkInterfaceId"], eni["Type"], eni["Status"]) == (SECONDARY_ENI, "Secondary", "InUse")
    addresses = {ip["PrivateIpAddress"]: ip["Primary"] for ip in eni["PrivateIpSets"]["PrivateIpSet"]}
    assert addresses == {"192.168.0.11": True, "192.168.0.77": False}
    assert [ip["Ipv6Address"] for ip in eni["Ipv6Sets"]["Ipv6Set"]] == ["2001:db8:1234:1a00::77"]
    assert eni["ServiceManaged"] is False and eni["Attachment"]["DeviceIndex"] == 1

    answer = call("DescribeNetworkInterfaceAttribute", NetworkInterfaceId=SECONDARY_ENI)
    assert (answer["NetworkInterfaceId"], answer["MacAddress"]) == (SECONDARY_ENI, "00:16:3e:00:00:02")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [PRIMARY_ENI, SECONDARY_ENI]),
        ({"Type": "Primary"}, [PRIMARY_ENI]),
        ({"Status": "Available"}, []),
        ({"NetworkInterfaceId": ["eni-bp1nosuch", PRIMARY_ENI]}, [PRIMARY_ENI]),
        ({"PrivateIpAddress": ["192.168.0.77", "192.168.0.250"]}, [SECONDARY_ENI]),
        ({"Ipv6Address": ["2001:db8:1234:1a00::77"]}, [SECONDARY_ENI]),
        ({"ServiceManaged": True}, []),
    ],
    ids=lambda value: "-".join(value) or "none" if isinstance(value, dict) else "",
)
def test_interfaces_are_found_by_filters(call, simulator, filters, expected):
    simulator.assign("192.168.0.77", "2001:db8:1234:1a00::77")
    answer = call("DescribeNetworkInterfaces", **filters)
    assert [eni["NetworkInterfaceId"] for eni in found(answer)] == expected


def test_quotas_are_described(call):
    answer = call("DescribeInstanceTypes", InstanceTypes=[INSTANCE_TYPE, "ecs.nosuch.large"])
    (kind,) = answer["InstanceTypes"]["InstanceType"]
    quotas = (kind["EniQuantity"], kind["EniPrivateIpAddressQuantity"], kind["EniIpv6AddressQuantity"])
    assert (kind["InstanceTypeId"], *quotas) == (INSTANCE_TYPE, 3, 250, 250)
    answer = call("DescribeInstanceTypes", InstanceTypes=["ecs.nosuch.large"])
    assert answer["InstanceTypes"]["InstanceType"] == []


def test_regions_are_described(call):
    (region,) = call("DescribeRegions")["Regions"]["Region"]
    assert (region["RegionId"], region["RegionEndpoint"]) == (REGION, f"ecs.{REGION}.aliyuncs.com")


def test_sts_knows_the_caller(call, key):
    answer = call("GetCallerIdentity", version=STS)
    assert answer["IdentityType"] == ("AssumedRoleUser" if key.security_token else "RAMUser")
    assert answer["Arn"].startswith("acs:ram::")


# Characters that each of the careless encodings breaks.
AWKWARD = "测试 *~!'()+/=&%@é𝄞"


def test_pages_follow_each_other_and_filters_keep_their_characters(new_simulator, sdk):
    enis = [
        {"id": f"eni-{n:02}", "mac": f"00:16:3e:00:01:{n:02}", "primary_ip": f"192.168.0.{100 + n}"}
        for n in range(1, 25)
    ]
    for eni in enis[:21]:
        eni["tags"] = {"k8s.io/cluster name": AWKWARD, "x": "y"}
    with new_simulator(enis=enis) as simulator:
        tags = [{"Key": "k8s.io/cluster name", "Value": AWKWARD}, {"Key": "x", "Value": "y"}]
        asked = {"RegionId": REGION, "MaxResults": 10, "Tag": tags}
        pages, token = [], None
        while token != "":
            more = {"NextToken": token} if token else {}
            answer = sdk.call(simulator, simulator.key, "DescribeNetworkInterfaces", {**asked, **more})
            pages.append([eni["NetworkInterfaceId"] for eni in found(answer)])
            token = answer["NextToken"]
            assert all(eni["Tags"]["Tag"][0]["TagValue"] == AWKWARD for eni in found(answer))
        assert [len(page) for page in pages] == [10, 10, 1]
        assert sum(pages, []) == [eni["id"] for eni in enis[:21]]

        answer = sdk.call(
            simulator, simulator.key, "DescribeNetworkInterfaces", {"RegionId": REGION, "PageNumber": 3, "PageSize": 9}
        )
        assert (answer["TotalCount"], answer["PageNumber"], len(found(answer))) == (26, 3, 8)


def test_a_token_of_an_identity_provider_opens_the_role_unsigned(sdk, simulator):
    if sdk.name == "aliyun-python-sdk":
        # Its client signs whatever it sends; a signature does no harm to this action.
        key = simulator.key
    else:
        key = None
    asked = {
        "RoleArn": ROLE_ARN,
        "RoleSessionName": "sdk-check",
        "OIDCProviderArn": OIDC_PROVIDER_ARN,
        "OIDCToken": OIDC_TOKEN,
    }
    answer = sdk.call(simulator, key, "AssumeRoleWithOIDC", asked, STS)
    assert simulator.last()["signature_method"] == (sdk.signature_method if key else "")
    key = Credentials.of(answer["Credentials"])
    assert sdk.call(simulator, key, "DescribeRegions", {})["Regions"]["Region"][0]["RegionId"] == REGION
