"""A worker whose store was moved: it ends, says so once, and what it held runs where the store is now."""

import asyncio

import pytest
from stand import Stand

from headrace import State
from headrace.model.errors import LeaseLost, StoreMoved
from headrace.model.mark import Mark, Role

pytestmark = pytest.mark.anyio

MOVED = Mark(Role.SOURCE, "postgresql://there/db", "m")


async def test_it_claims_no_more_and_says_so_once(stand: Stand) -> None:
    @stand.app.task(name="t")
    async def quick() -> None:
        pass

    storage = await stand.storage()
    async with stand.app.worker(["default"]) as worker:
        await stand.app.ajoin(await quick.aenqueue(), 10)
        waiting = await quick.using(delay=1).aenqueue()
        await storage.mark(MOVED)
        await stand.pass_time(120)
        (told,) = stand.reported(StoreMoved)
        assert "was moved" in str(told) or "is being moved" in str(told)
        with pytest.raises(StoreMoved):
            await worker.idle("1h")
        with pytest.raises(StoreMoved):
            await worker.refusal.unless(asyncio.Event().wait())
    assert (await stand.job(waiting)).state is State.SCHEDULED
    assert {type(error) for _, error in stand.reports} == {StoreMoved}


async def test_what_runs_is_let_go_of_at_once(stand: Stand) -> None:
    """Its answer would be refused."""
    begun, ended = asyncio.Event(), asyncio.Event()

    @stand.app.task(name="t")
    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    storage = await stand.storage()
    async with stand.app.worker(["default"]):
        receipt = await endless.aenqueue()
        await begun.wait()
        await storage.mark(MOVED)
        await stand.pass_time(60)
        assert not ended.is_set()
        before = stand.now
    assert ended.is_set()
    assert stand.now - before < 1
    assert (await stand.job(receipt)).state is State.RUNNING
    assert {type(error) for _, error in stand.reports} <= {StoreMoved, LeaseLost}


async def test_a_worker_does_not_start_on_it(stand: Stand) -> None:
    storage = await stand.storage()
    await storage.mark(MOVED)
    with pytest.raises(StoreMoved, match="headrace move --undo"):
        async with stand.app.worker(["default"]):
            pytest.fail("it started")


async def test_it_goes_on_where_the_mark_is_taken_away(stand: Stand) -> None:
    @stand.app.task(name="t")
    async def quick() -> None:
        pass

    storage = await stand.storage()
    receipt = await quick.aenqueue()
    await storage.mark(MOVED)
    with pytest.raises(StoreMoved):
        await quick.aenqueue()
    await storage.mark(None)
    assert (await stand.final(receipt)).state is State.COMPLETED
