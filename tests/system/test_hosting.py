"""A loop in a thread, and what there is instead where none is to be had."""

import asyncio
import errno
import os

import pytest

from headrace import Headrace
from headrace.model.errors import StoreUnreachable
from headrace.system.machine import SystemSpawn
from headrace.system.spawn import NotStarted


@pytest.fixture
def no_loops(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No more files may be opened: a loop needs three."""

    def refuse() -> asyncio.AbstractEventLoop:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(asyncio.events, "new_event_loop", refuse)
    return monkeypatch


def test_nobody_waits_for_a_loop_that_can_not_be_made(no_loops: pytest.MonkeyPatch) -> None:
    async def main() -> None: ...

    with pytest.raises(NotStarted, match="Too many open files"):
        SystemSpawn().host("test", main)


def test_a_call_is_refused_and_the_next_one_is_served(no_loops: pytest.MonkeyPatch) -> None:
    with Headrace("memory:") as app:
        with pytest.raises(StoreUnreachable, match="Too many open files"):
            app.pending_count()
        no_loops.undo()
        assert app.pending_count() == 0
