"""Between the owner and its bucket anything goes wrong: what was acknowledged is kept, and the owner goes on."""

import asyncio

import pytest
from lines import CLOSING, Line, ids, insert, is_log, is_put, new_job, seconds

from headrace.model.errors import AnswerLost, EnqueueUnknown, StoreUnreachable
from headrace.model.record import Put
from headrace.testing.proxy.http import Refusal

pytestmark = pytest.mark.anyio
NO_ENTRY = Refusal(403, "Forbidden", "AccessDenied", "not yours")


async def test_one_request_in_twenty_is_refused_for_a_while(line: Line) -> None:
    line.faults.refuse(share=0.05)
    kept: set[str] = set()
    async with line.owner() as storage:
        line.faults.refuse(share=0.05)
        for _ in range(40):
            kept.update(await insert(storage))
        assert line.faults.refused >= 1
        assert await ids(storage) == kept
    assert await line.kept() == kept


async def test_answers_to_writes_that_were_done_are_lost(line: Line) -> None:
    async with line.owner() as storage:
        kept = await insert(storage)
        line.proxy.drop_answers(is_put, times=5)
        for _ in range(3):
            kept += await insert(storage, 2)
        assert await ids(storage) == set(kept)
    assert await line.kept() == set(kept)


async def test_answers_are_lost_while_it_becomes_the_owner(line: Line) -> None:
    line.proxy.drop_answers(is_put, times=3)
    async with line.owner() as storage:
        kept = await insert(storage)
    assert await line.kept() == set(kept)


async def test_an_answer_that_comes_late_is_waited_for(line: Line) -> None:
    async with line.owner() as storage:
        line.proxy.stall_answers(0.3, is_log)
        inserting = asyncio.ensure_future(insert(storage))
        assert await seconds(inserting) >= 0.3
        assert await line.kept() == set(await inserting)


async def test_an_answer_that_comes_too_late(line: Line) -> None:
    async with line.owner(patience=1.0) as storage:
        line.proxy.stall_answers(match=is_log)
        job = new_job()
        told: asyncio.Future[object] = asyncio.ensure_future(storage.insert([job]))
        assert await seconds(told) < 1.5
        with pytest.raises(
            EnqueueUnknown, match=r"not written within 1 s: .* a write has gone on for more than 0\.3 s"
        ):
            await told
        line.heal()
        kept = {job.id, *await insert(storage)}
        (receipt,) = await storage.insert([job])
        assert (receipt.id, receipt.duplicate) == (job.id, False)
        assert await ids(storage) == kept
    assert await line.kept() == kept


@pytest.mark.parametrize("hole", [False, True])
async def test_the_server_is_away_and_comes_back(line: Line, hole: bool) -> None:
    async with line.owner(patience=1.0) as storage:
        kept = set(await insert(storage))
        if hole:
            line.proxy.blackhole()
        else:
            line.break_off()
        job = new_job()
        calls: list[asyncio.Future[object]] = [
            asyncio.ensure_future(call)
            for call in (storage.insert([job]), storage.put([Put("kv", "x", "1")]), storage.count())
        ]
        assert max(await asyncio.gather(*map(seconds, calls))) < 1.5
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [EnqueueUnknown, AnswerLost, StoreUnreachable]
        assert list((await storage.beat("w", [], 60)).lost) == []
        line.heal()
        while True:
            try:
                kept |= {job.id, *await insert(storage)}
                break
            except EnqueueUnknown as unknown:
                kept |= set(unknown.ids)
        assert await ids(storage) == kept
        assert [record.value for record in await storage.records("kv")] == ["1"]
    assert await line.kept() == kept


async def test_rights_that_are_taken_away_and_given_back(line: Line) -> None:
    async with line.owner(patience=1.0) as storage:
        kept = set(await insert(storage))
        line.faults.refuse(NO_ENTRY, share=1.0)
        job = new_job()
        with pytest.raises(EnqueueUnknown, match="it answered 403 Forbidden, AccessDenied; keys come from the env"):
            await storage.insert([job])
        line.heal()
        kept |= {job.id, *await insert(storage)}
        assert await ids(storage) == kept
    assert await line.kept() == kept


async def test_a_bucket_that_is_away_when_it_is_opened(line: Line) -> None:
    line.break_off()
    storage = line.storage(patience=1.0)
    opening: asyncio.Future[object] = asyncio.ensure_future(storage.open())
    assert await seconds(opening) < 1.0 + CLOSING
    with pytest.raises(StoreUnreachable, match=r"did not answer within 1 s; nothing was changed"):
        await opening
    line.heal()
    await storage.open()
    kept = await insert(storage)
    await storage.close()
    assert await line.kept() == set(kept)


async def test_a_bucket_that_goes_away_before_the_first_write(line: Line) -> None:
    storage = line.storage(patience=1.0)
    await storage.open()
    line.break_off()
    calls: list[asyncio.Future[object]] = [asyncio.ensure_future(storage.insert([new_job()])) for _ in range(20)]
    assert max(await asyncio.gather(*map(seconds, calls))) < 1.0 + CLOSING
    assert {type(told) for told in await asyncio.gather(*calls, return_exceptions=True)} == {StoreUnreachable}
    line.heal()
    kept = await insert(storage)
    await storage.close()
    assert await line.kept() == set(kept)


async def test_closing_while_it_is_away_ends_and_says_what_was_not_written(line: Line) -> None:
    storage = line.storage(patience=1.0)
    await storage.open()
    kept = await insert(storage)
    line.break_off()
    jobs = [new_job() for _ in range(3)]
    inserting = asyncio.ensure_future(storage.insert(jobs))
    await line.proxy.until(lambda: line.proxy.counts.refused > 0)
    closing: asyncio.Future[object] = asyncio.ensure_future(storage.close())
    assert await seconds(closing) < 1.0 + CLOSING
    with pytest.raises(AnswerLost, match="left with 3 changed rows that were not written within 1 s"):
        await closing
    with pytest.raises(EnqueueUnknown):
        await inserting
    found = await line.kept()
    assert set(kept) <= found <= {*kept, *[job.id for job in jobs]}
    again = line.storage()  # at once: the record of the owner names this process
    await again.open()
    await insert(again)
    await again.close()
