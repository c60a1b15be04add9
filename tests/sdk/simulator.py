"""The ECS simulator, started as a program and led by its control API."""

import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

REGION = "cn-hangzhou"
PRIMARY_ENI = "eni-bp1primary00000000001"
SECONDARY_ENI = "eni-bp1secondary000000001"
INSTANCE_TYPE = "ecs.g7.large"
ROLE_NAME = "NodeRole"
ROLE_ARN = "acs:ram::1234567890123456:role/noderole"
OIDC_PROVIDER_ARN = "acs:ram::1234567890123456:oidc-provider/simulated"
OIDC_TOKEN = "simulated.oidc.token"


@dataclass(frozen=True)
class Credentials:
    """A key, with its token where it is a temporary one."""

    access_key_id: str
    access_key_secret: str
    security_token: Optional[str] = None

    @classmethod
    def of(cls, document: dict) -> "Credentials":
        """Reads what STS and the metadata service answer."""
        return cls(*(document[name] for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken")))


class Simulator:
    """A simulator with a world of its own. It ends with the `with` block."""

    def __init__(self, program: Path, **world: Any) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="ecs-simulator-")
        ready, changes = Path(self._directory.name, "ready"), Path(self._directory.name, "world")
        changes.write_text(json.dumps(world), encoding="utf-8")
        ports = ["--api", "127.0.0.1:0", "--metadata", "127.0.0.1:0"]
        # With its stdin's end it ends too, so it cannot outlive this process.
        arguments = [program, *ports, "--until-stdin-closes", "--ready-file", ready, "--world", changes]
        self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        facts = json.loads(self._await(ready))
        self.endpoint: str = facts["endpoint"]
        self.metadata: str = facts["metadata_endpoint"]
        self.key = Credentials(facts["access_key_id"], facts["access_key_secret"])

    def _await(self, ready: Path) -> str:
        deadline = time.monotonic() + 60
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the simulator does not start")
            time.sleep(0.002)
        return ready.read_text(encoding="utf-8")

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._directory.cleanup()

    @property
    def host(self) -> str:
        """Host and port of the API."""
        return self.endpoint.removeprefix("http://")

    def ledger(self) -> list:
        """Every call of the API so far."""
        return self._control("ledger")

    def last(self) -> dict:
        """The latest call of the API."""
        return self.ledger()[-1]

    def addresses(self, eni: str = SECONDARY_ENI) -> set:
        """The secondary addresses of an ENI."""
        return set(self._control(f"addresses?eni={urllib.parse.quote(eni)}"))

    def metadata_requests(self) -> list:
        """Every request of the metadata service so far: method, path, whether it carried a token."""
        return [tuple(request) for request in self._control("metadata-requests")]

    def assign(self, *addresses: str, eni: str = SECONDARY_ENI) -> None:
        """Puts addresses on an ENI without any call of the API."""
        for address in addresses:
            self._control("assign", {"eni": eni, "address": address})

    def fault(self, **fault: Any) -> None:
        """Has a call fail once."""
        self._control("faults", {"times": 1, **fault})

    def metadata_fault(self, **fault: Any) -> None:
        """Has requests of the metadata service fail."""
        self._control("metadata-faults", fault)

    def clock(self, offset_seconds: int) -> None:
        """Moves the cloud's clock."""
        self._control("clock", {"offset_seconds": offset_seconds})

    def role_credentials(self) -> Credentials:
        """A key of the instance's role, as the metadata service gives it out."""
        path = f"/latest/meta-data/ram/security-credentials/{ROLE_NAME}"
        return Credentials.of(self._request(self.metadata + path))

    def _control(self, command: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        return self._request(f"{self.metadata}/_control/{command}", data)

    @staticmethod
    def _request(url: str, data: Optional[bytes] = None) -> Any:
        # A proxy of the environment is none of ours.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, data, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{url}: {error.read().decode()}") from error
