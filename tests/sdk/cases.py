"""Calls to sign, generated: names as the API has them, values with every character that an encoding may get wrong."""

import os
import random
from typing import Any, Iterator

COUNT = 1200
SEED = int(os.environ.get("SDK_SEED") or random.randrange(2**32))

# Texts that come through one encoding unharmed and not through the other, or that look encoded or joined already.
TRAPS = ["", " ", "+", "%", "%20", "%2A", "%7E", "~", "*", "a=b&c=d", "&Signature=x", "?", "#", "/", "\\", '"', "\n"]
PUNCTUATION = "*~!'()/ +&=%#?:@,;$[]{}<>|\\^`\"_-."
LETTERS = "abcxyzABCXYZ0189"
# Two, three and four bytes in UTF-8; combining, right to left, and one that looks like a space.
FOREIGN = "éßñ¿測试中文日本語한글עבר\u0301\u00a0\u200b\ufeff\uffff𝄞😀🇨🇳"
CONTROL = "\t\n\r\0\x7f"

# Their order by bytes is not the order by letters, by numbers, or by characters after encoding.
NAMES = ["RegionId", "regionId", "NetworkInterfaceId", "NetworkInterface", "MaxResults", "NextToken", "A", "AA", "A-A"]
NAMES += ["A.A", "A_A", "Aa", "a", "Z", "ClientToken", "Description", "Tag.1.Key", "Tag.1.Value", "Tag.10.Key"]
LISTS = ["PrivateIpAddress", "Ipv6Address", "InstanceTypes", "NetworkInterfaceId", "Z.z"]
ACTIONS = ["AssignPrivateIpAddresses", "UnassignPrivateIpAddresses", "AssignIpv6Addresses", "UnassignIpv6Addresses"]
ACTIONS += ["DescribeNetworkInterfaces", "DescribeInstanceTypes"]
HOSTS = ["ecs-vpc.cn-hangzhou.aliyuncs.com", "ecs.aliyuncs.com", "127.0.0.1:8080", "[2001:db8::1]:8443"]


def generate() -> Iterator[dict]:
    """The cases, the same for the same seed."""
    source = random.Random(SEED)
    for _ in range(COUNT):
        yield _case(source)


def _case(source: random.Random) -> dict:
    parameters = {name: _value(source) for name in source.sample(NAMES, source.randrange(len(NAMES)))}
    if source.random() < 0.5:
        name = source.choice(LISTS)
        parameters.update({f"{name}.{n}": _value(source) for n in range(1, source.choice([3, 12, 120]))})
    shuffled = list(parameters.items())
    source.shuffle(shuffled)
    moment = [source.randrange(*bounds) for bounds in ((2020, 2100), (1, 13), (1, 29), (0, 24), (0, 60), (0, 60))]
    return {
        "method": source.choice(["POST", "GET"]),
        "host": source.choice(HOSTS),
        "action": source.choice(ACTIONS),
        "version": "2014-05-26",
        "parameters": shuffled,
        "nonce": _visible(source, 40),
        "timestamp": "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(*moment),
        "access_key_id": "LTAI" + _text(source, LETTERS, 20),
        "access_key_secret": _visible(source, 30),
        # Long ones, as the real ones are.
        "security_token": source.choice([None, _visible(source, 20), _visible(source, 900)]),
    }


def _value(source: random.Random) -> str:
    kind = source.randrange(4)
    if kind == 0:
        return source.choice(TRAPS)
    if kind == 1:
        return f"192.168.{source.randrange(256)}.{source.randrange(256)}"
    return _text(source, PUNCTUATION * 2 + LETTERS * 2 + FOREIGN + CONTROL, source.randrange(1, 30))


def _visible(source: random.Random, length: int) -> str:
    """A text that may be a header's: visible ASCII, with a space or two inside."""
    return "x" + _text(source, PUNCTUATION + LETTERS, length) + "x"


def _text(source: random.Random, characters: str, length: int) -> str:
    return "".join(source.choices(characters, k=length))


def common(case: dict) -> dict[str, Any]:
    """What signature 1.0 signs of a case: the parameters that every call has, and its own."""
    token = {"SecurityToken": case["security_token"]} if case["security_token"] else {}
    return {
        "AccessKeyId": case["access_key_id"],
        "Action": case["action"],
        "Format": "JSON",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": case["nonce"],
        "SignatureVersion": "1.0",
        "Timestamp": case["timestamp"],
        "Version": case["version"],
        **token,
        **dict(case["parameters"]),
    }


def headers(case: dict) -> dict[str, str]:
    """What ACS3 signs of a case beside the query. The body is empty."""
    token = {"x-acs-security-token": case["security_token"]} if case["security_token"] else {}
    return {
        "host": case["host"],
        "x-acs-action": case["action"],
        "x-acs-content-sha256": EMPTY_SHA256,
        "x-acs-date": case["timestamp"],
        "x-acs-signature-nonce": case["nonce"],
        "x-acs-version": case["version"],
        **token,
    }


EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
