"""Runtime tests run in virtual time; those that need threads or processes say so by their own ``anyio_backend``."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import Any

import pytest
from process_tasks import app as process_app
from stand import Stand

from headrace import Headrace
from headrace.testing.clock import VirtualLoop


@pytest.fixture
def anyio_backend() -> Any:
    return ("asyncio", {"loop_factory": VirtualLoop})


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    with ExitStack() as while_it_stands:
        stand = Stand(Headrace("memory:"), while_it_stands)
        yield stand
        await stand.app.aclose()


@pytest.fixture
async def make_stand() -> AsyncIterator[Callable[..., Stand]]:
    """Makes stands with options of their own."""
    made: list[Stand] = []
    with ExitStack() as while_they_stand:

        def make(**options: Any) -> Stand:
            made.append(Stand(Headrace("memory:", **options), while_they_stand))
            return made[-1]

        yield make
        for stand in made:
            await stand.app.aclose()


@pytest.fixture
async def processes(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Headrace]:
    """The app of process_tasks on a fresh store, with a worker of two slots."""
    fresh = Headrace("memory:", poll=0.02, grace=0.2, kill_after=0.5)
    for name in ("handles", "settings", "portal", "bus"):
        monkeypatch.setattr(process_app, name, getattr(fresh, name))
    async with process_app.worker({"default": 2}):
        yield process_app
    await process_app.aclose()
