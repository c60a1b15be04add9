"""For the same call, key, nonce and time, the plugin's signature is that of every official SDK.

The SDKs' own signing code makes the signatures; nothing here computes one.
"""

from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import pytest
from alibabacloud_tea_openapi.utils import Utils
from aliyunsdkcore.auth.composer import rpc_signature_composer

import cases
from child import Child
from conftest import BUILT, HERE, NODE


@pytest.fixture(scope="module")
def generated():
    """The calls, the same ones for each SDK."""
    return list(cases.generate())


@pytest.fixture(scope="module")
def plugin():
    """Signs as the plugin does: the query and the headers that it would send."""
    child = Child(BUILT / "examples/sdk-sign")
    yield lambda case, algorithm: child.ask({**case, "algorithm": algorithm})
    child.close()


@pytest.fixture(scope="module")
def javascript_signer():
    """Signs as the SDKs for JavaScript do."""
    child = Child("node", HERE / "sign.js", environment=NODE)

    def sign(case):
        query = dict(case["parameters"])
        extra = {"common": cases.common(case), "headers": cases.headers(case), "payload": cases.EMPTY_SHA256}
        return child.ask({**case, **extra, "query": query})

    yield sign
    child.close()


def query(text):
    """An encoded query as its parameters."""
    pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_the_cases_hold_what_breaks_careless_signatures(generated):
    values = [value for case in generated for _, value in case["parameters"]]
    text = "".join(values)
    for awkward in [*"*~!'()/ +&=%", *cases.FOREIGN, *cases.CONTROL]:
        assert awkward in text, f"U+{ord(awkward):04X}"
    assert "" in values and "%2A" in values
    assert sum(len(case["parameters"]) > 100 for case in generated) > 50
    assert {bool(case["security_token"]) for case in generated} == {True, False}
    assert {case["method"] for case in generated} == {"POST", "GET"}


def test_hmac_sha1_is_that_of_the_first_generation_for_python(generated, plugin, monkeypatch):
    for case in generated:
        monkeypatch.setattr(rpc_signature_composer.helper, "get_uuid", lambda: case["nonce"])
        monkeypatch.setattr(rpc_signature_composer.helper, "get_iso_8061_date", lambda: case["timestamp"])
        parameters = cases.common(case)
        url, _ = rpc_signature_composer.get_signed_url(
            parameters, case["access_key_id"], case["access_key_secret"], "JSON", case["method"], {}
        )
        # This SDK says, and signs, that the signature is of no special type.
        typed = {**case, "parameters": [*case["parameters"], ("SignatureType", "")]}
        assert query(plugin(typed, "HMAC-SHA1")["query"]) == query(urlsplit(url).query), case


def test_hmac_sha1_is_that_of_tea_for_python(generated, plugin):
    for case in generated:
        expected = cases.common(case)
        expected["Signature"] = Utils.get_rpcsignature(expected, case["method"], case["access_key_secret"])
        signed = plugin(case, "HMAC-SHA1")
        assert query(signed["query"]) == expected and signed["headers"] == {}, case


def test_acs3_is_that_of_tea_for_python(generated, plugin):
    for case in generated:
        expected, parameters = cases.headers(case), dict(case["parameters"])
        request = SimpleNamespace(method=case["method"], pathname="/", query=parameters, headers=expected)
        authorization = Utils.get_authorization(
            request, "ACS3-HMAC-SHA256", cases.EMPTY_SHA256, case["access_key_id"], case["access_key_secret"]
        )
        signed = plugin(case, "ACS3-HMAC-SHA256")
        assert signed["headers"] == {**expected, "authorization": authorization}, case
        assert (query(signed["query"]) if parameters else signed["query"] or {}) == parameters, case


def test_both_are_those_of_the_sdks_for_javascript(generated, plugin, javascript_signer):
    for case in generated:
        expected = javascript_signer(case)
        signature = query(plugin(case, "HMAC-SHA1")["query"])["Signature"]
        assert signature == expected["rpc"] == expected["pop"], case
        assert plugin(case, "ACS3-HMAC-SHA256")["headers"]["authorization"] == expected["acs3"], case
