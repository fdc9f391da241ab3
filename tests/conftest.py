"""What all tests share: missing services, leaked threads, and a run that proved nothing."""

import os
import threading
from collections.abc import Callable, Iterator

import pytest

pytest_plugins = ["services"]
"""Fixtures of Postgres and PgBouncer are in services.py."""

ENDING = 5.0
"""Seconds that a thread which was told to end gets to do so."""


def on_ci() -> bool:
    """Whether this is a run that must not skip what it came to test."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def missing(service: str, why: str) -> None:
    """Ends the test: skipped with the reason on a laptop, failed on CI."""
    message = f"{service} is missing: {why}"
    if on_ci():
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(name="missing", scope="session")
def missing_fixture() -> Callable[[str, str], None]:
    """``missing(service, why)``: skip here, fail on CI. For tests that need a real service and don't find it."""
    return missing


@pytest.fixture(autouse=True)
def no_leaked_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every thread that a test started has ended soon after it.

    ``@pytest.mark.leaves_threads("why")`` is for tests of threads that nothing can stop.
    """
    before = set(threading.enumerate())
    yield
    if request.node.get_closest_marker("leaves_threads"):
        return
    started = [thread for thread in threading.enumerate() if thread not in before]
    for thread in started:
        thread.join(ENDING)
    left = [thread.name for thread in started if thread.is_alive()]
    assert not left, f"threads left running by this test: {', '.join(left)}"


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """On CI a run in which no test passed is no success, whatever was skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or session.config.option.collectonly:
        return
    if exitstatus == pytest.ExitCode.OK and on_ci() and not reporter.stats.get("passed"):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
