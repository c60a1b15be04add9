"""Environments and files in which a key is looked for, and where it is found.

In texts, `@HOME@` stands for the home directory and `@API@` for the simulator's API. `AK` is the simulator's own key,
which STS takes; others are known to nobody.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Optional

from simulator import OIDC_PROVIDER_ARN, OIDC_TOKEN, ROLE_ARN, ROLE_NAME

AK = {"access_key_id": "LTAISimulatedKey000001", "access_key_secret": "SimulatedSecret+/=00000000000001"}
ENV = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "env-id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "env-secret"}
OIDC = {
    "ALIBABA_CLOUD_ROLE_ARN": ROLE_ARN,
    "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": OIDC_PROVIDER_ARN,
    "ALIBABA_CLOUD_OIDC_TOKEN_FILE": "@HOME@/token",
}
TOKEN = {"token": OIDC_TOKEN}
URI = {"ALIBABA_CLOUD_CREDENTIALS_URI": "@API@/credentials"}
NO_METADATA = {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
CONFIG, INI, INI_FOR_PYTHON = ".aliyun/config.json", ".alibabacloud/credentials", ".alibabacloud/credentials.ini"

ROLE_KEY = ("ecs_ram_role", "STS.SimulatedKey000001")
"""What the instance's role gives first: where a case ends up that offers nothing before it."""
NONE = (None, None)


@dataclass(frozen=True)
class Case:
    """A situation, and the source and the key's id that are found in it."""

    name: str
    found: tuple
    environment: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    world: dict = field(default_factory=dict)
    metadata_fault: Optional[dict] = None
    official: Optional[tuple] = None
    """What the official package for Python finds, where the plugin differs on purpose."""
    why: str = ""
    """And the purpose."""


def cli(*profiles: dict, current: Any = "default") -> dict:
    """The CLI's file. A profile without a name is `default`."""
    named = [{"name": "default", **profile} for profile in profiles]
    return {CONFIG: json.dumps({"current": current, "profiles": named})}


def ini(**values: str) -> dict:
    """The SDKs' file with one section, where Python looks for it and the plugin does too."""
    return {INI_FOR_PYTHON: section("default", **values)}


def section(name: str, **values: str) -> str:
    """A section of the SDKs' file."""
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()) + "\n"


CLI_AK = {"mode": "AK", "access_key_id": "cli-id", "access_key_secret": "s"}
INI_AK = {"type": "access_key", "access_key_id": "ini-id", "access_key_secret": "s"}
ROLE = {"ram_role_arn": ROLE_ARN, "ram_session_name": "sdk-check", "expired_seconds": 900}
CHAINED = {"mode": "ChainableRamRoleArn", **ROLE}
# The SDKs do not agree on the name of the session's name here.
BY_OIDC = {
    "mode": "OIDC",
    "role_session_name": "sdk-check",
    "oidc_provider_arn": OIDC_PROVIDER_ARN,
    "oidc_token_file": "@HOME@/token",
    **ROLE,
}
NODE = {"mode": "EcsRamRole", "ram_role_name": ROLE_NAME}
CLI_FOUND, INI_FOUND = ("cli_profile/static_ak", "cli-id"), ("profile/static_ak", "ini-id")
FIRST, SECOND = "STS.SimulatedKey000001", "STS.SimulatedKey000002"

ENVIRONMENT = [
    Case("a key", ("env", "env-id"), ENV),
    Case("a temporary key", ("env", "env-id"), {**ENV, "ALIBABA_CLOUD_SECURITY_TOKEN": "token"}),
    Case("a key and an empty token", ("env", "env-id"), {**ENV, "ALIBABA_CLOUD_SECURITY_TOKEN": ""}),
    Case("an id alone", ROLE_KEY, {"ALIBABA_CLOUD_ACCESS_KEY_ID": "env-id"}),
    Case("a secret alone", ROLE_KEY, {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "env-secret"}),
    Case("an id and an empty secret", ROLE_KEY, {**ENV, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": ""}),
    Case("an id alone and a file", CLI_FOUND, {"ALIBABA_CLOUD_ACCESS_KEY_ID": "env-id"}, cli(CLI_AK)),
]

BY_TOKEN = [
    Case("RRSA", ("oidc_role_arn", FIRST), OIDC, TOKEN),
    Case(
        "RRSA with a session name",
        ("oidc_role_arn", FIRST),
        {**OIDC, "ALIBABA_CLOUD_ROLE_SESSION_NAME": "sdk-check"},
        TOKEN,
    ),
    Case("two of RRSA's variables", ROLE_KEY, {**OIDC, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": ""}, TOKEN),
    Case("RRSA without its token's file", ROLE_KEY, OIDC),
    Case("RRSA with a token that STS refuses", CLI_FOUND, OIDC, {"token": "another", **cli(CLI_AK)}),
    Case("RRSA with a line's end behind the token", ROLE_KEY, OIDC, {"token": OIDC_TOKEN + "\n"}),
]

CLI_PROFILES = [
    Case("AK", CLI_FOUND, files=cli({**CLI_AK, "sts_token": "", "ram_role_arn": "", "process_command": ""})),
    Case("AK without a secret", ROLE_KEY, files=cli({**CLI_AK, "access_key_secret": ""})),
    Case(
        "AK whose secret the environment has",
        CLI_FOUND,
        {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "env-secret"},
        cli({**CLI_AK, "access_key_secret": ""}),
    ),
    Case(
        "StsToken whose token the environment has",
        ("cli_profile/static_sts", "cli-id"),
        {"ALIBABA_CLOUD_SECURITY_TOKEN": "env-token"},
        cli({**CLI_AK, "mode": "StsToken"}),
    ),
    Case("StsToken", ("cli_profile/static_sts", "cli-id"), files=cli({**CLI_AK, "mode": "StsToken", "sts_token": "t"})),
    Case("StsToken without a token", ROLE_KEY, files=cli({**CLI_AK, "mode": "StsToken"})),
    Case(
        "RamRoleArn",
        ("cli_profile/ram_role_arn/static_ak", FIRST),
        files=cli({"mode": "RamRoleArn", **AK, **ROLE, "policy": '{"Version":"1"}', "external_id": "ours"}),
    ),
    Case(
        "RamRoleArn with the role in the environment",
        ("cli_profile/ram_role_arn/static_ak", FIRST),
        {"ALIBABA_CLOUD_ROLE_ARN": ROLE_ARN, "ALIBABA_CLOUD_ROLE_SESSION_NAME": "env-session"},
        cli({"mode": "RamRoleArn", **AK}),
    ),
    Case(
        "RamRoleArn with a role that is not there",
        ROLE_KEY,
        files=cli({"mode": "RamRoleArn", **AK, **ROLE, "ram_role_arn": "acs:ram::1:role/no"}),
    ),
    Case("RamRoleArn with a key that nobody knows", ROLE_KEY, files=cli({**CLI_AK, **ROLE, "mode": "RamRoleArn"})),
    Case(
        "RamRoleArn with a session that is too short",
        ROLE_KEY,
        files=cli({"mode": "RamRoleArn", **AK, **ROLE, "expired_seconds": 899}),
    ),
    Case(
        "RamRoleArn with a session of 0 s",
        ("cli_profile/ram_role_arn/static_ak", FIRST),
        files=cli({"mode": "RamRoleArn", **AK, **ROLE, "expired_seconds": 0}),
        official=ROLE_KEY,
        why="0 is how the SDK for Go writes that nothing is set, and it asks for an hour then",
    ),
    Case("EcsRamRole", ("cli_profile/ecs_ram_role", FIRST), files=cli(NODE)),
    Case(
        "EcsRamRole without a name",
        ("cli_profile/ecs_ram_role", FIRST),
        files=cli({"mode": "EcsRamRole", "ram_role_name": ""}),
    ),
    Case("EcsRamRole of another name", ROLE_KEY, files=cli({**NODE, "ram_role_name": "Other"})),
    Case("EcsRamRole without metadata", (INI_FOUND), NO_METADATA, {**cli(NODE), **ini(**INI_AK)}),
    Case("OIDC", ("cli_profile/oidc_role_arn", FIRST), files={**TOKEN, **cli(BY_OIDC)}),
    Case(
        "OIDC completed from the environment",
        ("cli_profile/oidc_role_arn", FIRST),
        {"ALIBABA_CLOUD_OIDC_TOKEN_FILE": "@HOME@/token", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": OIDC_PROVIDER_ARN},
        {**TOKEN, **cli({"mode": "OIDC", "role_session_name": "sdk-check", **ROLE})},
    ),
    Case("OIDC without a token's file", ROLE_KEY, files=cli(BY_OIDC)),
    Case(
        "ChainableRamRoleArn from a key",
        ("cli_profile/ram_role_arn/static_ak", FIRST),
        files=cli({**CHAINED, "source_profile": "key"}, {"name": "key", "mode": "AK", **AK}),
    ),
    Case(
        "ChainableRamRoleArn from the instance's role",
        ("cli_profile/ram_role_arn/ecs_ram_role", SECOND),
        files=cli({**CHAINED, "source_profile": "node"}, {"name": "node", **NODE}),
    ),
    Case(
        "ChainableRamRoleArn from a chained one",
        ("cli_profile/ram_role_arn/ram_role_arn/static_ak", SECOND),
        files=cli(
            {**CHAINED, "source_profile": "middle"},
            {"name": "middle", **CHAINED, "source_profile": "key"},
            {"name": "key", "mode": "AK", **AK},
        ),
    ),
    Case("ChainableRamRoleArn in a circle", ROLE_KEY, files=cli({**CHAINED, "source_profile": "default"})),
    Case("ChainableRamRoleArn from nothing", ROLE_KEY, files=cli({**CHAINED, "source_profile": "other"})),
    Case(
        "External",
        ROLE_KEY,
        files=cli(
            {
                "mode": "External",
                "process_command": "echo "
                + json.dumps(json.dumps({"mode": "AK", "access_key_id": "x", "access_key_secret": "s"})),
            }
        ),
        official=("cli_profile/external", "x"),
        why="a plugin that root runs starts no program that a file names",
    ),
    Case("a mode that nobody knows", ROLE_KEY, files=cli({**CLI_AK, "mode": "ak"})),
    Case("no mode", ROLE_KEY, files=cli({**CLI_AK, "mode": ""})),
]

CHOICE = [
    Case("the current profile", CLI_FOUND, files=cli({"name": "a", **NODE}, {"name": "b", **CLI_AK}, current="b")),
    Case(
        "the environment's profile before the current one",
        CLI_FOUND,
        {"ALIBABA_CLOUD_PROFILE": "b"},
        cli({"name": "a", **NODE}, {"name": "b", **CLI_AK}, current="a"),
    ),
    Case("no current profile", ROLE_KEY, files=cli(CLI_AK, current="")),
    Case("a current profile that is not there", ROLE_KEY, files=cli(CLI_AK, current="other")),
    Case(
        "the environment's profile in the SDKs' file alone",
        ("profile/static_ak", "other-id"),
        {"ALIBABA_CLOUD_PROFILE": "other"},
        {
            **cli(CLI_AK),
            INI_FOR_PYTHON: section("default", **INI_AK) + section("other", **{**INI_AK, "access_key_id": "other-id"}),
        },
    ),
    Case(
        "the environment's profile nowhere",
        ROLE_KEY,
        {"ALIBABA_CLOUD_PROFILE": "none"},
        {**cli(CLI_AK), **ini(**INI_AK)},
    ),
    Case(
        "CLI profiles disabled",
        INI_FOUND,
        {"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "True"},
        {**cli(CLI_AK), **ini(**INI_AK)},
    ),
    Case("CLI profiles not quite disabled", CLI_FOUND, {"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "1"}, cli(CLI_AK)),
    Case(
        "a CLI file elsewhere",
        CLI_FOUND,
        {"ALIBABA_CLOUD_CONFIG_FILE": "@HOME@/elsewhere"},
        {"elsewhere": cli(CLI_AK)[CONFIG]},
        official=ROLE_KEY,
        why="the SDK for Go obeys this variable, and so does the CLI",
    ),
    Case(
        "an SDKs' file elsewhere",
        INI_FOUND,
        {"ALIBABA_CLOUD_CREDENTIALS_FILE": "@HOME@/keys"},
        {"keys": section("default", **INI_AK)},
    ),
    Case(
        "an SDKs' file elsewhere that is not there",
        ROLE_KEY,
        {"ALIBABA_CLOUD_CREDENTIALS_FILE": "@HOME@/keys"},
        ini(**INI_AK),
    ),
    Case(
        "the SDKs' file under its name for Go",
        INI_FOUND,
        files={INI: section("default", **INI_AK)},
        official=ROLE_KEY,
        why="the SDKs do not agree on the name; the documents say this one, and the plugin knows both",
    ),
    Case(
        "an empty profile in the environment",
        INI_FOUND,
        {"ALIBABA_CLOUD_PROFILE": ""},
        ini(**INI_AK),
        official=ROLE_KEY,
        why="to the SDK for Go, and in all other cases to that for Python, an empty variable is as good as none",
    ),
]

INI_PROFILES = [
    Case("access_key", INI_FOUND, files=ini(**INI_AK)),
    Case("access_key enabled", INI_FOUND, files=ini(enable="true", **INI_AK)),
    Case("access_key not enabled, which the chain ignores", INI_FOUND, files=ini(enable="false", **INI_AK)),
    Case(
        "access_key with comments",
        INI_FOUND,
        files={INI_FOR_PYTHON: "# ours\n; theirs\n" + ini(**{**INI_AK, "type": "access_key # static"})[INI_FOR_PYTHON]},
    ),
    Case(
        "access_key with colons and capitals",
        INI_FOUND,
        files={INI_FOR_PYTHON: "[default]\nType: access_key\nAccess_Key_ID: ini-id\naccess_key_secret:s\n"},
    ),
    Case("access_key without a secret", ROLE_KEY, files=ini(**{**INI_AK, "access_key_secret": ""})),
    Case(
        "access_key whose secret the environment has",
        ROLE_KEY,
        {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "env-secret"},
        ini(**{**INI_AK, "access_key_secret": ""}),
        official=INI_FOUND,
        why="the SDK for Go does not complete this file from the environment, as it does the CLI's",
    ),
    Case("ecs_ram_role", ("profile/ecs_ram_role", FIRST), files=ini(type="ecs_ram_role", role_name=ROLE_NAME)),
    Case("ecs_ram_role without a name", ("profile/ecs_ram_role", FIRST), files=ini(type="ecs_ram_role")),
    Case(
        "ram_role_arn",
        ("profile/ram_role_arn/static_ak", FIRST),
        files=ini(
            type="ram_role_arn", **AK, role_arn=ROLE_ARN, role_session_name="sdk-check", policy='{"Version":"1"}'
        ),
    ),
    Case(
        "oidc_role_arn",
        ("profile/oidc_role_arn", FIRST),
        files={
            **TOKEN,
            **ini(
                type="oidc_role_arn",
                role_arn=ROLE_ARN,
                oidc_provider_arn=OIDC_PROVIDER_ARN,
                oidc_token_file_path="@HOME@/token",
                role_session_name="sdk-check",
            ),
        },
    ),
    Case(
        "rsa_key_pair without its key",
        ROLE_KEY,
        files=ini(type="rsa_key_pair", public_key_id="p", private_key_file="@HOME@/no"),
    ),
    Case("a type that nobody knows", ROLE_KEY, files=ini(**{**INI_AK, "type": "sts"})),
    Case("no type", ROLE_KEY, files=ini(access_key_id="ini-id", access_key_secret="s")),
]

METADATA = [
    Case("the role asked for", ROLE_KEY),
    Case("the role given", ROLE_KEY, {"ALIBABA_CLOUD_ECS_METADATA": ROLE_NAME}),
    Case("another role given", NONE, {"ALIBABA_CLOUD_ECS_METADATA": "Other"}),
    Case("an instance without a role", NONE, world={"role_name": ""}),
    Case("metadata disabled", NONE, NO_METADATA),
    Case("metadata disabled in capitals", NONE, {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "TRUE"}),
    Case("metadata not quite disabled", ROLE_KEY, {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "1"}),
    Case("a token demanded", ROLE_KEY, world={"token_mode": "required"}),
    Case(
        "a token demanded by both sides",
        ROLE_KEY,
        {"ALIBABA_CLOUD_IMDSV1_DISABLED": "true"},
        world={"token_mode": "required"},
    ),
    Case("no tokens to be had", ROLE_KEY, metadata_fault={"effect": "error", "code": "x", "status": 404}),
    Case(
        "no tokens to be had, and one demanded here",
        NONE,
        {"ALIBABA_CLOUD_IMDSV1_DISABLED": "true"},
        metadata_fault={"effect": "error", "code": "x", "status": 404},
    ),
    Case(
        "no tokens to be had, and one demanded there",
        NONE,
        world={"token_mode": "required"},
        metadata_fault={"effect": "error", "code": "x", "status": 404},
    ),
]

BY_URI = [
    Case("a URI", ("credential_uri", FIRST), {**URI, **NO_METADATA}),
    Case("a URI where the instance has no role", ("credential_uri", FIRST), URI, world={"role_name": ""}),
    Case("a URI after the instance's role", ROLE_KEY, URI),
    Case("a URI where nothing is", NONE, {"ALIBABA_CLOUD_CREDENTIALS_URI": "@API@/nothing", **NO_METADATA}),
    Case("an empty URI", NONE, {"ALIBABA_CLOUD_CREDENTIALS_URI": "", **NO_METADATA}),
    Case("a URI that is none", NONE, {"ALIBABA_CLOUD_CREDENTIALS_URI": "keys", **NO_METADATA}),
]

ALL_FILES = {**TOKEN, **cli(CLI_AK), **ini(**INI_AK)}
PRECEDENCE = [
    Case("the environment before everything", ("env", "env-id"), {**ENV, **OIDC, **URI}, ALL_FILES),
    Case("RRSA before files", ("oidc_role_arn", FIRST), {**OIDC, **URI}, ALL_FILES),
    Case("the CLI's file before the SDKs'", CLI_FOUND, URI, ALL_FILES),
    Case("the SDKs' file before the instance's role", INI_FOUND, URI, ini(**INI_AK)),
]

MALFORMED = [
    Case("a CLI file that is empty", INI_FOUND, files={CONFIG: "", **ini(**INI_AK)}),
    Case("a CLI file that is cut off", INI_FOUND, files={CONFIG: cli(CLI_AK)[CONFIG][:-9], **ini(**INI_AK)}),
    Case("a CLI file of another shape", INI_FOUND, files={CONFIG: '["default"]', **ini(**INI_AK)}),
    Case("a CLI file without profiles", INI_FOUND, files={CONFIG: '{"current": "default"}', **ini(**INI_AK)}),
    Case("a CLI file that is null", INI_FOUND, files={CONFIG: "null", **ini(**INI_AK)}),
    Case("an SDKs' file that is empty", ROLE_KEY, files={INI_FOR_PYTHON: ""}),
    Case("an SDKs' file that is JSON", ROLE_KEY, files={INI_FOR_PYTHON: "{}"}),
    Case(
        "an SDKs' file with a line that says nothing",
        ROLE_KEY,
        files={INI_FOR_PYTHON: section("default", **INI_AK) + "nonsense\n"},
    ),
    Case(
        "an SDKs' file without a section",
        ROLE_KEY,
        files={INI_FOR_PYTHON: "type = access_key\naccess_key_id = ini-id\naccess_key_secret = s\n"},
    ),
]

GROUPS = {
    "environment": ENVIRONMENT,
    "oidc": BY_TOKEN,
    "cli": CLI_PROFILES,
    "choice": CHOICE,
    "ini": INI_PROFILES,
    "metadata": METADATA,
    "uri": BY_URI,
    "precedence": PRECEDENCE,
    "malformed": MALFORMED,
}
