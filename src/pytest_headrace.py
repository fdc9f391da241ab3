"""The pytest plugin. It is a module beside the package, so that runs which don't use it import nothing of headrace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from headrace import Headrace
    from headrace.testing.stand import Stand

_STAND = pytest.StashKey["Stand"]()
_MARKER = "headrace(allow=[], start=None): states of jobs that may be left over; the instant a test begins at"


def pytest_addoption(parser: pytest.Parser) -> None:
    """What may stand in the configuration of pytest."""
    parser.addini("headrace_app", "the app under test, as package.module:app; or override the fixture headrace_app")
    parser.addini("headrace_start", "when the time of each test begins, as 2027-01-15T08:00+00:00 (default: now)")


def pytest_configure(config: pytest.Config) -> None:
    """Known to --strict-markers."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def headrace_app(pytestconfig: pytest.Config) -> Headrace:
    """The app under test. Override it, or name the app as ``headrace_app`` in the configuration of pytest."""
    reference = pytestconfig.getini("headrace_app")
    if not reference:
        pytest.fail(_NO_APP, pytrace=False)
    from headrace.interface.cli.applications import load_app
    from headrace.interface.cli.exits import UsageError

    try:
        return load_app(reference)
    except UsageError as error:
        pytest.fail(f"headrace_app: {error}", pytrace=False)


@pytest.fixture
def headrace(request: pytest.FixtureRequest, headrace_app: Headrace) -> Iterator[Stand]:
    """The app under test in memory, on a clock that the test moves. A job left over fails the test."""
    from headrace.testing.stand import stand

    allow, start = _asked(request.node)
    with stand(headrace_app, start=start) as standing:
        standing.allow(*allow)
        request.node.stash[_STAND] = standing
        yield standing
        del request.node.stash[_STAND]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A test that passed fails where it left jobs over."""
    yield
    standing = item.stash.get(_STAND, None)
    told = None if standing is None else standing.leftovers()
    if told is not None:
        pytest.fail(told, pytrace=False)


def _asked(item: pytest.Item) -> tuple[list[str], datetime | None]:
    """States that may be left over, by all markers; the start by the nearest, else by the configuration."""
    allow: list[str] = []
    start: object = None
    for marker in item.iter_markers("headrace"):
        unknown = set(marker.kwargs) - {"allow", "start"}
        if unknown or marker.args:
            pytest.fail(f"the marker headrace takes allow= and start=, not {unknown or marker.args}", pytrace=False)
        states = marker.kwargs.get("allow", [])
        allow += [states] if isinstance(states, str) else states
        start = marker.kwargs.get("start") if start is None else start
    return allow, _instant(start or item.config.getini("headrace_start") or None)


def _instant(start: object) -> datetime | None:
    if isinstance(start, str):
        try:
            start = datetime.fromisoformat(start)
        except ValueError as error:
            pytest.fail(f"headrace start: {error}", pytrace=False)
    if start is not None and not isinstance(start, datetime):
        pytest.fail(f"headrace start={start!r} is no instant: give a datetime or ISO text", pytrace=False)
    return start.replace(tzinfo=UTC) if start is not None and start.tzinfo is None else start


_NO_APP = """which app is under test? Name it in the configuration of pytest, as in

    [tool.pytest.ini_options]
    headrace_app = "package.module:app"

or override this fixture in conftest.py:

    @pytest.fixture
    def headrace_app():
        return app
"""
