"""The plugin's credential chain and that of Alibaba Cloud's own package, in the same situations: both find the same key
in the same place, and ask STS for it in the same words.

Each of the two has a simulator of its own, fresh for each case, so that the keys which it gives out have the same ids.
"""

import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from conftest import BUILT, HERE
from credential_cases import AK, GROUPS, OIDC, ROLE, TOKEN, cli

CASES = [pytest.param(case, id=f"{group}: {case.name}") for group, cases in GROUPS.items() for case in cases]

# What STS is asked, apart from how and when it is asked.
ASKED = ["RoleArn", "RoleSessionName", "DurationSeconds", "Policy", "ExternalId", "OIDCProviderArn", "OIDCToken"]
# The name that each gives to a session which nobody has named.
OWN_NAMES = ("credentials-python-", "aliyun-eni-ipam")


def fill(home, files):
    """A home directory with these files."""
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("@HOME@", str(home)), encoding="utf-8")
        path.chmod(0o600)


def look(home, environment, *command):
    """What a program finds that looks for a key in an environment: source, id, and the words where there is none."""
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=120,
        check=True,
        encoding="utf-8",
    )
    answer = json.loads(done.stdout)
    return (answer["source"], answer.get("key")), answer.get("error", "")


def asked(simulator):
    """What STS was asked, and how metadata was asked at last: for which path, and whether with a token."""
    calls = []
    for entry in simulator.ledger():
        said = {name: entry["parameters"].get(name) for name in ASKED}
        if (said["RoleSessionName"] or "").startswith(OWN_NAMES):
            said["RoleSessionName"] = "its own"
        calls.append((entry["action"], entry["access_key_id"], entry["code"], said))
    return calls, simulator.metadata_requests()[-1:]


@pytest.mark.parametrize("case", CASES)
def test_both_find_the_same_key_in_the_same_place(case, new_simulator, tmp_path):
    fill(tmp_path, case.files)
    outcomes = {}
    for program in ("plugin", "official"):
        with new_simulator(**case.world) as simulator:
            if case.metadata_fault:
                simulator.metadata_fault(path="/latest/api/token", **case.metadata_fault)
            environment = {
                name: value.replace("@HOME@", str(tmp_path)).replace("@API@", simulator.endpoint)
                for name, value in case.environment.items()
            }
            servers = {"--metadata": simulator.metadata, "--sts": simulator.endpoint}
            if program == "plugin":
                command = [BUILT / "examples/sdk-credentials", *sum(servers.items(), ())]
            else:
                command = [sys.executable, HERE / "official_credentials.py", *servers.values()]
            outcomes[program] = look(tmp_path, environment, *command), asked(simulator)
    (found, error), questions = outcomes["plugin"]
    (official, official_error), official_questions = outcomes["official"]
    assert official == (case.official or case.found), official_error
    assert found == case.found, error
    if case.official:
        assert case.why and official != found
        return
    assert questions[0] == official_questions[0]
    # Before it gives up, the official package asks once more without a token.
    if "ecs_ram_role" in (found[0] or ""):
        assert questions[1] == official_questions[1] != []


def test_there_are_enough_cases_and_every_difference_has_its_reason():
    cases = [case for group in GROUPS.values() for case in group]
    assert len(cases) >= 90 and len({case.name for case in cases}) == len(cases)
    assert [case.name for case in cases if case.official] == [
        "RamRoleArn with a session of 0 s",
        "External",
        "a CLI file elsewhere",
        "the SDKs' file under its name for Go",
        "an empty profile in the environment",
        "access_key whose secret the environment has",
    ]


@pytest.fixture
def proxy():
    """A proxy that notes where it is asked to connect to, and refuses."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                seen.append(stream.readline().decode().split()[1])
                while stream.readline().strip():
                    pass
                stream.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


ROLE_OF_KEY = {"mode": "RamRoleArn", **AK, **ROLE}
IN_REGION = {"ALIBABA_CLOUD_STS_REGION": "cn-beijing"}
IN_VPC = {"ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "true"}


@pytest.mark.parametrize(
    ("environment", "files", "host"),
    [
        (OIDC, TOKEN, "sts.aliyuncs.com"),
        ({**OIDC, **IN_VPC}, TOKEN, "sts.aliyuncs.com"),
        ({**OIDC, **IN_REGION}, TOKEN, "sts.cn-beijing.aliyuncs.com"),
        ({**OIDC, **IN_REGION, **IN_VPC}, TOKEN, "sts-vpc.cn-beijing.aliyuncs.com"),
        ({}, cli(ROLE_OF_KEY), "sts.aliyuncs.com"),
        ({}, cli({**ROLE_OF_KEY, "sts_region": "cn-beijing"}), "sts.cn-beijing.aliyuncs.com"),
        (IN_REGION, cli({**ROLE_OF_KEY, "sts_region": "eu-west-1"}), "sts.eu-west-1.aliyuncs.com"),
        (IN_REGION, cli({**ROLE_OF_KEY, "enable_vpc": True}), "sts-vpc.cn-beijing.aliyuncs.com"),
        ({**IN_REGION, **IN_VPC}, cli({**ROLE_OF_KEY, "enable_vpc": False}), "sts.cn-beijing.aliyuncs.com"),
    ],
)
def test_both_ask_the_same_server_of_sts(environment, files, host, proxy, tmp_path):
    url, seen = proxy
    fill(tmp_path, files)
    environment = {
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        **{name: value.replace("@HOME@", str(tmp_path)) for name, value in environment.items()},
    }
    nowhere = "http://127.0.0.1:1"
    plugin = BUILT / "examples/sdk-credentials", "--metadata", nowhere, "--proxy", url
    official = sys.executable, HERE / "official_credentials.py"
    assert look(tmp_path, environment, *plugin)[0] == (None, None)
    assert set(seen) == {f"{host}:443"}
    seen.clear()
    assert look(tmp_path, {**environment, "HTTPS_PROXY": url}, *official)[0] == (None, None)
    assert set(seen) == {f"{host}:443"}


def test_no_secret_is_in_the_plugins_words(new_simulator, tmp_path):
    secret = "Swordfish+/=0001"
    fill(tmp_path, {"token": secret, **cli({"mode": "RamRoleArn", **AK, **ROLE, "access_key_secret": secret})})
    environment = {name: value.replace("@HOME@", str(tmp_path)) for name, value in OIDC.items()}
    with new_simulator(role_name="") as simulator:
        plugin = BUILT / "examples/sdk-credentials", "--metadata", simulator.metadata, "--sts", simulator.endpoint
        found, error = look(tmp_path, environment, *plugin)
    assert found == (None, None)
    assert "SignatureDoesNotMatch" in error and "OIDCToken.Invalid" in error
    assert secret not in error
