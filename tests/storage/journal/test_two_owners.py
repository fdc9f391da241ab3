"""Another process owns the store, or takes it over."""

import asyncio
from typing import Any

import pytest
from doors import WRITES, ids, insert, opened
from msgspec.structs import replace
from shelves import ELSEWHERE, Vault, new_job

from headrace.model.errors import AnswerLost, EnqueueUnknown, StoreOwned, StoreUnreachable
from headrace.model.ownership import Owner
from headrace.model.record import Put
from headrace.storage.journal.shelf import Head
from headrace.system.clock import ManualClock, SystemClock

pytestmark = pytest.mark.anyio


def living(**changes: Any) -> Owner:
    """An owner elsewhere who has just said that it lives."""
    now = SystemClock().wall()
    return replace(ELSEWHERE, **({"since": now, "seen": now} | changes))


@pytest.mark.parametrize("name", WRITES)
async def test_who_writes_to_the_store_of_another_is_told_whose_it_is(vault: Vault, name: str) -> None:
    vault.head = Head(1, 1, 1, living())
    async with opened(vault) as storage:
        with pytest.raises(StoreOwned, match="owned by process 77 on elsewhere since 20") as told:
            await WRITES[name](storage)
        assert told.value.lease == 30.0
        assert vault.head.owner == living(since=vault.head.owner.since, seen=vault.head.owner.seen)


async def test_who_reads_sees_what_stood_there_a_moment_ago(vault: Vault) -> None:
    clock = ManualClock()
    async with opened(vault, where="owner") as owner, opened(vault, clock=clock) as reader:
        first = await insert(owner)
        assert await ids(reader) == {first}
        second = await insert(owner)
        assert await ids(reader) == {first}
        clock.advance(1.5)
        assert await ids(reader) == {first, second}


async def test_who_was_silent_for_its_lease_is_taken_over(vault: Vault) -> None:
    clock = ManualClock()
    vault.head = Head(1, 1, 1, living(seen=clock.wall(), lease=20.0))
    async with opened(vault, clock=clock) as storage:
        clock.advance(19.9)
        with pytest.raises(StoreOwned):
            await insert(storage)
        clock.advance(0.1)
        await insert(storage)


async def test_takeover_does_not_wait(vault: Vault) -> None:
    vault.head = Head(1, 1, 1, living())
    async with opened(vault, takeover=True) as storage:
        await insert(storage)


async def test_a_fenced_owner_answers_nobody_any_more(vault: Vault) -> None:
    async with opened(vault) as storage:
        kept = await insert(storage)
        hold = vault.held()
        waiting = [asyncio.ensure_future(storage.insert([new_job()]))]
        await hold.reached.wait()
        waiting += [asyncio.ensure_future(storage.insert([new_job()])) for _ in range(2)]
        await asyncio.wait(waiting, timeout=0.05)
        vault.take_over()
        hold.over.set()
        tried, *others = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(tried, EnqueueUnknown)  # an earlier try may have been done
        assert "owned by process 77 on elsewhere since 2001-09-09" in str(tried)
        for told in others:
            assert isinstance(told, StoreOwned)
            assert (told.host, told.pid, told.since[:10]) == ("elsewhere", 77, "2001-09-09")
        for later in (insert(storage), storage.count(), storage.beat("w", [], 30)):
            with pytest.raises(StoreOwned):
                await later
        assert vault.jobs == {kept}
    assert vault.head is not None
    assert vault.head.owner == ELSEWHERE


async def test_one_that_was_fenced_may_come_again_once_it_is_opened_again(vault: Vault) -> None:
    async with opened(vault) as storage:
        kept = await insert(storage)
        vault.take_over()
        with pytest.raises(EnqueueUnknown, match="owned by process 77"):
            await insert(storage)
        with pytest.raises(StoreOwned):
            await insert(storage)
    async with opened(vault) as storage:  # the other one has been silent since 2001
        assert await ids(storage) == {kept}
        await insert(storage)


async def test_who_waits_too_long_for_an_insert_is_told_which_jobs_may_be_there(vault: Vault) -> None:
    async with opened(vault, patience=0.1) as storage:
        await insert(storage)
        vault.go_away("the cable is out")
        jobs = [new_job(), new_job()]
        with pytest.raises(EnqueueUnknown, match="cable is out") as told:
            await storage.insert(jobs)
        assert list(told.value.ids) == [job.id for job in jobs]
        with pytest.raises(AnswerLost):
            await storage.put([Put("kv", "x", "1")])
        with pytest.raises(StoreUnreachable):  # who looks would see what may still be lost
            await storage.count()
        vault.come_back()
        assert {receipt.duplicate for receipt in await storage.insert(jobs)} == {False}
        assert len(await ids(storage)) == 3
