"""A heart whose storage fails, or takes its time, watches handlers and the loop all the same."""

import pytest
from stand import Stand

from headrace.interface.handles import Handles
from headrace.model.errors import StoreFull
from headrace.runtime.heart import LoopBlocked
from headrace.storage.contract import Beat
from headrace.testing.failing import FailingStorage, Fault, Faults

pytestmark = pytest.mark.anyio

FULL = Fault(lambda: StoreFull("jobs.db"))


async def test_beats_that_fail_make_no_loop_blocked(stand: Stand) -> None:
    faults, make = Faults(), stand.app._make_storage
    stand.app.handles = Handles(lambda: FailingStorage(make(), faults), stand.app.declare)
    async with stand.app.worker(["default"]):
        faults.fail_next("beat", *[FULL] * 40)
        await stand.pass_time(40)
        assert len(stand.reported(StoreFull)) >= 40
        await stand.pass_time(20)
    assert not stand.reported(LoopBlocked)


async def test_beats_that_take_long_make_no_loop_blocked(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = await stand.storage()
    beat = type(storage).beat

    async def slow(self: object, *arguments: object) -> Beat:
        await stand.pass_time(8.0)
        return await beat(self, *arguments)  # type: ignore[no-any-return]

    async with stand.app.worker(["default"]):
        monkeypatch.setattr(type(storage), "beat", slow)
        await stand.pass_time(60)
        monkeypatch.undo()
    assert not stand.reported(LoopBlocked)
