"""What the tests share: the programs that `run` has built, simulators, and the SDKs."""

import os
from pathlib import Path
from typing import Any, Iterator

import pytest

import cases
import sdks
from child import Child
from simulator import Simulator

HERE = Path(__file__).parent
BUILT = Path(os.environ["SDK_BUILT"])
"""The target directory's profile: programs, and examples below them."""
NODE = {"NODE_PATH": str(Path(os.environ["SDK_NODE"], "node_modules"))}


@pytest.fixture(scope="session")
def new_simulator() -> Any:
    """Starts a simulator with these changes of its world; to be used with `with`."""
    return lambda **world: Simulator(BUILT / "ecs-simulator", **world)


@pytest.fixture
def simulator(new_simulator: Any) -> Iterator[Simulator]:
    """A simulator of one node."""
    with new_simulator() as simulator:
        yield simulator


@pytest.fixture(scope="session", autouse=True)
def javascript() -> Iterator[Child]:
    """One process for all calls of the SDKs for JavaScript."""
    child = Child("node", HERE / "call.js", environment=NODE)
    for sdk in sdks.ALL:
        if isinstance(sdk, sdks.JavaScript):
            sdk.child = child
    yield child
    child.close()


@pytest.fixture(params=sdks.ALL, ids=lambda sdk: sdk.name)
def sdk(request: Any) -> Any:
    """Each of the SDKs."""
    return request.param


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The one line that counts. A test that was skipped has shown nothing, so it counts as failed."""
    count = {kind: len(terminalreporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "skipped")}
    if any("test_signatures" in report.nodeid for report in terminalreporter.getreports("")):
        repeat = f"SDK_SEED={cases.SEED} repeats them"
        terminalreporter.write_line(f"{cases.COUNT} calls were signed by the plugin and by each SDK; {repeat}")
    failed = count["failed"] + count["error"] + count["skipped"]
    terminalreporter.write_line(f"SDK check: {count['passed']} passed, {failed} failed")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skipped test is a failure of the whole."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
