"""What the handles of one process share: one house, one owner, one end."""

import asyncio
import os
import threading

import pytest
from doors import READS, WRITES, ids, insert, opened
from shelves import Hold, Vault, new_job, storage_on

from headrace.model.errors import AnswerLost, AppClosed, CorruptStore, EnqueueUnknown, SchemaTooNew, StoreUnreachable
from headrace.model.record import Put
from headrace.storage.contract import Demand
from headrace.storage.journal.house import House
from headrace.storage.journal.shelf import Head
from headrace.storage.journal.storage import JournaledStorage
from headrace.system.clock import ManualClock
from headrace.system.machine import SystemSpawn, host_name

pytestmark = pytest.mark.anyio
LONG = 3600.0


def houses() -> int:
    """How many threads there are; of those that end, all have."""
    there = [thread for thread in threading.enumerate() if thread.name.startswith("headrace-journal")]
    if not House._houses:
        for thread in there:
            thread.join(5)
    return sum(thread.is_alive() for thread in there)


# --- who is the owner ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", READS)
async def test_who_reads_does_not_become_the_owner(vault: Vault, name: str) -> None:
    async with opened(vault) as storage:
        await READS[name](storage)
        storage.listen(["queue:q"]).close()
        assert vault.head is None


@pytest.mark.parametrize("name", WRITES)
async def test_the_first_to_write_becomes_the_owner(vault: Vault, name: str) -> None:
    async with opened(vault, lease=12.5) as storage:
        await WRITES[name](storage)
        assert vault.head is not None
        owner = vault.head.owner
        assert owner is not None
        assert (owner.host, owner.pid, owner.lease) == (host_name(), os.getpid(), 12.5)


def test_reads_and_writes_are_all_there_is() -> None:
    others = {"open", "close", "sibling", "capabilities", "listen", "load", "where", "is_there", "standing"}
    assert {name for name in dir(JournaledStorage) if not name.startswith("_")} == {*READS, *WRITES, *others}


# --- one house -------------------------------------------------------------------------------------------------------


async def test_all_handles_of_a_process_share_one(vault: Vault) -> None:
    async with opened(vault) as first, opened(vault) as second, opened(vault, where="elsewhere"):
        assert houses() == 2
        job_id = await insert(first)
        assert await ids(second) == {job_id}
        other = await insert(second)
        assert await ids(first) == {job_id, other}
        await first.close()
        await insert(second)
        assert vault.closed == 0
    assert houses() == 0
    assert House._houses == {}


async def test_handles_of_several_loops_write_at_once(vault: Vault) -> None:
    async def work() -> None:
        async with opened(vault) as storage:
            for _ in range(50):
                await insert(storage)

    hosted = [SystemSpawn().host(f"loop {number}", work) for number in range(4)]
    await work()
    for one in hosted:
        await one.join()
    async with opened(vault) as storage:
        assert await ids(storage) == vault.jobs
        assert len(vault.jobs) == 250
    assert len(vault.writes) < 260


async def test_closing_writes_what_is_not_written_and_leaves_the_store_free(vault: Vault) -> None:
    async with opened(vault, interval=LONG) as storage:
        job_id = await insert(storage)
        assert vault.jobs == set()
    assert vault.jobs == {job_id}
    assert vault.head is not None
    assert vault.head.owner is None


async def test_a_store_opened_again_goes_on_where_it_was(vault: Vault) -> None:
    made: set[str] = set()
    for _ in range(3):
        async with opened(vault) as storage:
            assert await ids(storage) == made
            made.add(await insert(storage))
            await storage.close()
            with pytest.raises(AppClosed):
                await storage.count()


async def test_who_opens_while_the_last_one_closes_waits_for_that(vault: Vault) -> None:
    first = storage_on(vault, interval=LONG)
    await first.open()
    job_id = await insert(first)
    hold = vault.held()
    closing = asyncio.ensure_future(first.close())
    await hold.reached.wait()
    second = storage_on(vault, interval=LONG)
    opening = asyncio.ensure_future(second.open())
    await asyncio.wait({opening}, timeout=0.05)
    assert not opening.done()
    hold.over.set()
    await closing
    await opening
    other = await insert(second)
    assert await ids(second) == {job_id, other}
    await second.close()
    assert vault.jobs == {job_id, other}


async def test_a_close_that_nobody_waits_for_any_more_is_done(vault: Vault) -> None:
    storage = storage_on(vault, interval=LONG)
    await storage.open()
    job_id = await insert(storage)
    hold = vault.held()
    closing = asyncio.ensure_future(storage.close())
    await hold.reached.wait()
    closing.cancel()
    await asyncio.wait({closing})
    hold.over.set()
    async with opened(vault) as again:
        assert await ids(again) == {job_id}


async def test_jobs_of_the_last_owner_are_reclaimable_at_once(vault: Vault) -> None:
    async with opened(vault) as storage:
        job_id = await insert(storage)
        await storage.beat("w", [], LONG)
        assert [job.id for job in await storage.claim("w", [Demand("q", 1)])] == [job_id]
        await storage.put([Put("lease", "leader", '"w"', ttl=LONG)])
    async with opened(vault) as storage:
        await storage.beat("v", [], LONG)
        assert [job.id for job in await storage.reclaim("v", 10)] == [job_id]
        assert await storage.records("lease") == []
        assert list(await storage.leases()) == ["v"]


# --- the shelf fails -------------------------------------------------------------------------------------------------


async def test_a_shelf_that_is_away_when_it_is_opened(vault: Vault) -> None:
    vault.go_away("no route")
    storage = storage_on(vault)
    with pytest.raises(StoreUnreachable, match="no route; nothing was changed"):
        await storage.open()
    assert houses() == 0
    vault.come_back()
    await storage.open()
    await insert(storage)
    await storage.close()


async def test_all_who_find_it_away_ask_once(vault: Vault) -> None:
    async with opened(vault) as storage:
        vault.go_away()
        looks, vault.hold_of_looks = vault.looks, Hold()
        waiting = [asyncio.ensure_future(storage.insert([new_job()])) for _ in range(50)]
        await vault.hold_of_looks.reached.wait()
        await asyncio.wait(waiting, timeout=0.05)
        vault.hold_of_looks.over.set()
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(error) for error in told} == {StoreUnreachable}
        assert vault.looks - looks == 1
        vault.come_back()
        await insert(storage)


async def test_a_close_that_can_not_write_ends_and_says_what_is_lost(vault: Vault) -> None:
    storage = storage_on(vault, interval=LONG, patience=0.2)
    await storage.open()
    await storage.insert([new_job() for _ in range(3)])
    vault.go_away("the cable is out")
    with pytest.raises(AnswerLost, match=r"left with 3 changed rows that were not written within 0\.2 s.*cable is out"):
        await storage.close()
    assert houses() == 0
    vault.come_back()
    async with opened(vault) as again:  # the record names us still, and we live
        assert await ids(again) == set()
        await insert(again)


async def test_a_close_whose_shelf_says_nothing_ends_too(vault: Vault) -> None:
    storage = storage_on(vault, patience=0.2)
    await storage.open()
    await insert(storage)
    hold = vault.held()
    inserting = asyncio.ensure_future(storage.insert([new_job()]))
    await hold.reached.wait()
    with pytest.raises(AnswerLost, match="left with 1 changed rows"):
        await storage.close()
    with pytest.raises((EnqueueUnknown, StoreUnreachable)):
        await inserting


async def test_a_broken_journal_is_refused_and_left_free(vault: Vault) -> None:
    async with opened(vault) as storage:
        for _ in range(3):
            await insert(storage)
    del vault.entries[2]
    before = dict(vault.entries)
    async with opened(vault) as storage:
        for _ in range(2):
            with pytest.raises(CorruptStore):
                await insert(storage)
            with pytest.raises(CorruptStore):
                await storage.count()
    assert vault.entries == before
    assert vault.head is not None
    assert vault.head.owner is None


async def test_bytes_that_are_not_ours_are_named(vault: Vault) -> None:
    async with opened(vault) as storage:
        await insert(storage)
    vault.entries[1] = vault.entries[1][:-3]
    async with opened(vault) as storage:
        with pytest.raises(CorruptStore, match="entry 1 of its journal is not what was written"):
            await insert(storage)


async def test_a_newer_format_is_refused_before_anything_is_written(vault: Vault) -> None:
    vault.head = Head(2, 1, 1, None)
    with pytest.raises(SchemaTooNew, match="there has schema 2, this version knows up to 1; upgrade headrace"):
        await storage_on(vault).open()
    assert vault.head == Head(2, 1, 1, None)


async def test_who_loses_every_race_for_it_says_so(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lose(*_: object) -> bool:
        return False

    monkeypatch.setattr("shelves.PlayedShelf.take", lose)
    async with opened(vault, clock=ManualClock()) as storage:
        with pytest.raises(StoreUnreachable, match="5 times another process became its owner first"):
            await insert(storage)
