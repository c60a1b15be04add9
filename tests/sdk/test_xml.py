"""The API's other form, which is what it answers when nobody asks for JSON. Of the SDKs, the first has it."""

from xml.etree import ElementTree

import pytest

from sdks import PythonCore
from simulator import REGION, SECONDARY_ENI

pytestmark = pytest.mark.filterwarnings("ignore:implementation_of_do_action:DeprecationWarning")


def call(simulator, action, form="XML", **parameters):
    """Status and document of an answer."""
    asked = {"RegionId": REGION, **parameters}
    status, text = PythonCore().document(simulator, simulator.key, action, asked, form)
    return status, ElementTree.fromstring(text)


@pytest.mark.parametrize("form", ["XML", "xml", None])
def test_an_answer_is_a_document_that_is_named_by_its_action(simulator, form):
    asked = {"NetworkInterfaceId": SECONDARY_ENI, "PrivateIpAddress": ["192.168.0.77", "192.168.0.78"]}
    status, root = call(simulator, "AssignPrivateIpAddresses", form, **asked)
    assert (status, root.tag) == (200, "AssignPrivateIpAddressesResponse")
    assert root.findtext("RequestId")
    place = "AssignedPrivateIpAddressesSet/PrivateIpSet/PrivateIpAddress"
    assert [address.text for address in root.findall(place)] == ["192.168.0.77", "192.168.0.78"]
    assert simulator.addresses() == {"192.168.0.77", "192.168.0.78"}


def test_interfaces_are_described_in_it(simulator):
    _, root = call(simulator, "DescribeNetworkInterfaces", NetworkInterfaceId=[SECONDARY_ENI])
    (eni,) = root.findall("NetworkInterfaceSets/NetworkInterfaceSet")
    assert (eni.findtext("NetworkInterfaceId"), eni.findtext("ServiceManaged")) == (SECONDARY_ENI, "false")
    (address,) = eni.findall("PrivateIpSets/PrivateIpSet")
    assert (address.findtext("PrivateIpAddress"), address.findtext("Primary")) == ("192.168.0.11", "true")


def test_an_error_is_a_document_too(simulator):
    asked = {"NetworkInterfaceId": "eni-bp1nosuch", "PrivateIpAddress": ["192.168.0.77"]}
    status, root = call(simulator, "UnassignPrivateIpAddresses", **asked)
    assert (status, root.tag, root.findtext("HostId")) == (404, "Error", "ecs.aliyuncs.com")
    assert root.findtext("Code") == simulator.last()["code"] == "InvalidEniId.NotFound"
    assert root.findtext("Message") and root.findtext("RequestId")
