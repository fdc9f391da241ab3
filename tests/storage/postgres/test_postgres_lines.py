"""The line to the server is cut, half-open, slow, or loses answers: what each call ends with, and what is true then.

``HEADRACE_EVERY_BYTE=1`` cuts an insert at every byte, not at every fourth.
"""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from through_a_proxy import IDS, SCHEMA, Line, behind, line, new_job, proxied, run_sql, storage_at

from headrace import Headrace
from headrace.model import lifecycle
from headrace.model.change import Status
from headrace.model.errors import AnswerLost, EnqueueUnknown, PutLost, StoreError, StoreUnreachable
from headrace.model.job import NewJob
from headrace.model.outcome import Returned
from headrace.model.record import Expect, Put
from headrace.model.retry import RetryPolicy
from headrace.model.state import State
from headrace.runtime.strays import held_by
from headrace.storage.contract import Demand
from headrace.testing.proxy import Direction, On

pytestmark = pytest.mark.anyio
PATIENCE = 1.5
IN_TIME = PATIENCE + 5.0
ANSWERED = 0.8
"""Seconds on top, in which a slow machine hands the error on."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def wire(postgres_url: str) -> AsyncIterator[Line]:
    async with line(postgres_url, patience=PATIENCE) as wire:
        yield wire


def is_insert(text: bytes) -> bool:
    return b".jobs (" in text and b"INSERT" in text


def is_commit(text: bytes) -> bool:
    return text.startswith(b"COMMIT")


async def test_an_insert_whose_answer_is_lost_is_done_once_and_acknowledged(wire: Line) -> None:
    new = new_job()
    wire.proxy.drop_answers(is_insert, times=2)
    (receipt,) = await wire.storage.insert([new])
    assert receipt.id == new.id
    assert wire.proxy.counts.answers_dropped == 2
    assert await wire.ids() == {new.id}


async def test_an_insert_with_a_key_is_done_once_where_its_commit_is_not_answered(wire: Line) -> None:
    first, second = new_job(key="k"), new_job(key="k")
    wire.proxy.drop_answers(is_commit)
    receipts = await wire.storage.insert([first, second])
    assert [(receipt.id, receipt.duplicate) for receipt in receipts] == [(first.id, False), (first.id, True)]
    assert await wire.ids() == {first.id}


async def test_what_is_put_beside_jobs_is_put_once_where_its_commit_is_not_answered(wire: Line) -> None:
    new, put = new_job(), Put("schedule", "s", '"1"', Expect.ABSENT)
    wire.proxy.drop_answers(is_commit)
    (receipt,) = await wire.storage.insert([new], [put])
    assert receipt.id == new.id
    (record,) = await wire.truth.records("schedule")
    assert record.version == 1
    with pytest.raises(PutLost):
        await wire.storage.insert([new_job()], [put])
    assert await wire.ids() == {new.id}


async def test_duplicates_alone_do_not_hide_that_their_put_was_done(wire: Line) -> None:
    await wire.storage.insert([new_job(key="k")])
    wire.proxy.drop_answers(is_commit)
    (receipt,) = await wire.storage.insert([new_job(key="k")], [Put("schedule", "s", '"1"', Expect.ABSENT)])
    assert receipt.duplicate
    assert [record.version for record in await wire.truth.records("schedule")] == [1]


async def test_an_insert_that_was_cut_before_its_commit_is_done_anew(wire: Line) -> None:
    put = Put("schedule", "s", '"1"', Expect.ABSENT)
    wire.proxy.cut_after(500, Direction.TO_SERVER, on=On.EXISTING)
    new = new_job(payload=f'{{"a":"{"x" * 2000}"}}')
    await wire.storage.insert([new], [put])
    assert await wire.ids() == {new.id}
    assert [record.version for record in await wire.truth.records("schedule")] == [1]


async def test_answers_that_stay_lost_end_in_the_ids_that_may_be_repeated(wire: Line) -> None:
    news = [new_job(), new_job()]
    wire.proxy.drop_answers(is_insert, times=1000)
    with pytest.raises(EnqueueUnknown) as caught:
        await wire.storage.insert(news)
    assert caught.value.ids == tuple(new.id for new in news)
    wire.proxy.heal()
    assert [receipt.id for receipt in await wire.storage.insert(news)] == [new.id for new in news]
    assert await wire.ids() == {new.id for new in news}


async def test_one_lost_answer_makes_the_whole_insert_unknown(wire: Line) -> None:
    new = new_job()
    wire.proxy.drop_answers(is_insert)
    inserting = asyncio.ensure_future(wire.storage.insert([new]))
    await wire.proxy.until(lambda: wire.proxy.counts.answers_dropped == 1)
    wire.proxy.refuse()
    with pytest.raises(EnqueueUnknown) as caught:
        await inserting
    assert "at the next try" in str(caught.value)
    assert await wire.ids() == {new.id}


async def test_of_those_that_were_sent_together_each_is_told_of_its_own(postgres_url: str) -> None:
    async with proxied(postgres_url) as proxy:
        url = f"{behind(postgres_url, proxy.port)}?schema={SCHEMA}"
        async with Headrace(url, patience=0.3) as app:
            nothing = app.task(name="nothing")(lambda: None)
            await nothing.aenqueue()
            ids = [IDS.new() for _ in range(3)]
            proxy.drop_answers(is_insert, times=1000)
            ends = await asyncio.gather(*(nothing.using(id=one).aenqueue() for one in ids), return_exceptions=True)
            proxy.heal()
            assert [end.ids for end in ends if isinstance(end, EnqueueUnknown)] == [(one,) for one in ids]
            again = [await nothing.using(id=one).aenqueue() for one in ids]
            assert [receipt.id for receipt in again] == ids
            assert sorted(job.id for job in await app.ajobs(limit=50) if job.id in ids) == sorted(ids)


async def test_an_insert_outlives_a_server_that_refuses_for_a_moment(wire: Line) -> None:
    wire.proxy.refuse()
    wire.proxy.cut()
    inserting = asyncio.ensure_future(wire.storage.insert([new_job()]))
    await wire.proxy.until(lambda: wire.proxy.counts.refused >= 2)
    with pytest.raises(StoreUnreachable):
        await wire.storage.claim("w", [Demand("q", 1)])
    assert not inserting.done()
    wire.proxy.heal()
    await inserting
    assert len(await wire.ids()) == 1


async def test_nothing_is_there_after_an_insert_that_reached_nobody(wire: Line) -> None:
    wire.proxy.refuse()
    wire.proxy.cut()
    with pytest.raises(StoreUnreachable):
        await wire.storage.count()  # by now it knows
    async with asyncio.timeout(IN_TIME):
        with pytest.raises(StoreUnreachable):
            await wire.storage.insert([new_job()])
    assert await wire.ids() == set()


async def test_the_first_use_outlives_a_server_that_refuses_for_a_moment(postgres_url: str) -> None:
    async with proxied(postgres_url) as proxy:
        proxy.refuse()
        storage = storage_at(behind(postgres_url, proxy.port), patience=5.0)
        opening = asyncio.ensure_future(storage.open())
        await proxy.until(lambda: proxy.counts.refused >= 3)
        proxy.heal()
        await opening
        await storage.insert([new_job()])
        await storage.close()


async def test_cut_at_every_byte_an_insert_is_done_or_not_and_never_said_otherwise(postgres_url: str) -> None:
    async with line(postgres_url, patience=0.0, options="notify=off") as wire:
        await wire.storage.insert([new_job()])
        before = wire.proxy.counts.to_server
        await wire.storage.insert([new_job()])
        length = wire.proxy.counts.to_server - before
        assert 50 < length < 500
        step = 1 if os.environ.get("HEADRACE_EVERY_BYTE") else 4
        ends = [await _insert_cut_after(wire, cut, On.EXISTING) for cut in range(0, length + 20, step)]
        assert ends[0][1] is EnqueueUnknown
        assert ends[-1][1] is None
        ends += [await _insert_cut_after(wire, cut, On.ALL) for cut in range(0, 9000, 601)]  # while it connects, too
        there = [job is not None for job in await wire.truth.get([new.id for new, _ in ends])]
        wrong = [
            (cut, error, is_there)
            for cut, ((_, error), is_there) in enumerate(zip(ends, there, strict=True))
            if error is not EnqueueUnknown and is_there == (error is StoreUnreachable)
        ]
        assert wrong == []


async def _insert_cut_after(wire: Line, length: int, on: On) -> tuple[NewJob, type[Exception] | None]:
    """What it ended with."""
    new, error = new_job(), None
    wire.proxy.cut_after(length, Direction.TO_SERVER, on=on)
    if on is not On.EXISTING:
        wire.proxy.cut()
    try:
        await wire.storage.insert([new])
    except (EnqueueUnknown, StoreUnreachable) as caught:
        error = type(caught)
    wire.proxy.heal()
    if wire.storage._connections.pace.wait:
        await wire.storage._connections.pace.rest(1, 5.0)
    await wire.storage.insert([new_job()])  # over a new connection, all prepared
    return new, error


async def test_a_job_whose_claim_was_not_answered_is_found_as_a_stray(wire: Line) -> None:
    new = new_job()
    await wire.storage.insert([new])
    await wire.storage.beat("w", (), 30.0)
    wire.proxy.drop_answers(lambda text: b"UPDATE" in text and b".jobs" in text)
    with pytest.raises(AnswerLost):
        await wire.storage.claim("w", [Demand("q", 1)])
    assert [job.id for job in await held_by(wire.storage, "w")] == [new.id]


async def test_a_completion_that_was_not_answered_is_stale_when_it_is_repeated_and_stands(wire: Line) -> None:
    await wire.storage.insert([new_job()])
    await wire.storage.beat("w", (), 30.0)
    (job,) = await wire.storage.claim("w", [Demand("q", 1)])
    change = lifecycle.settle(job, Returned(), RetryPolicy(), 0.5)
    wire.proxy.drop_answers(lambda text: b"'completed'" in text or text.startswith(b"COMMIT"))
    with pytest.raises(AnswerLost):
        await wire.storage.apply([change])
    (verdict,) = await wire.storage.apply([change])
    assert verdict.status is Status.STALE
    (row,) = await wire.jobs()
    assert row.state is State.COMPLETED


async def test_a_read_is_done_again_where_its_connection_was_cut(wire: Line) -> None:
    await wire.storage.insert([new_job()])
    wire.proxy.cut_after(20, Direction.TO_SERVER, on=On.EXISTING)
    assert await wire.storage.count() == {("q", State.PENDING): 1}


async def test_a_change_that_was_cut_before_its_commit_is_done_again(wire: Line) -> None:
    wire.proxy.cut_after(20, Direction.TO_SERVER, on=On.EXISTING)
    assert list(await wire.storage.put([Put("kind", "name", '"1"', Expect.ABSENT)])) == [True]


async def test_in_a_black_hole_every_call_ends_and_its_connections_go(postgres_url: str) -> None:
    async with (
        line(postgres_url, patience=PATIENCE) as both,
        line(postgres_url, patience=PATIENCE) as back,
        line(postgres_url, patience=PATIENCE) as idle,
    ):
        await asyncio.gather(
            _into_a_black_hole(both, None, "q1"),
            _into_a_black_hole(back, Direction.TO_CLIENT, "q2"),
            _with_idle_connections(idle),
        )


async def _into_a_black_hole(wire: Line, way: Direction | None, queue: str) -> None:
    listener = wire.storage.listen([f"queue:{queue}"])
    await wire.storage._ear.hears.wait()
    await wire.storage.beat(queue, (), 30.0)
    new = new_job(queue=queue)
    wire.proxy.blackhole(way)
    calls = [
        wire.storage.insert([new]),
        wire.storage.claim(queue, [Demand(queue, 1)]),
        wire.storage.count(),
        wire.storage.put([Put("kind", "name", '"1"')]),
        wire.storage.beat(queue, (), 30.0),
    ]
    async with asyncio.timeout(IN_TIME + ANSWERED):
        errors = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(errors[0], EnqueueUnknown | StoreUnreachable), errors
    assert all(isinstance(error, StoreError) for error in errors[1:]), errors
    if way is None:
        assert new.id not in await wire.ids()
    wire.proxy.heal()
    async with asyncio.timeout(IN_TIME):
        await wire.storage.insert([new])
        while not wire.storage._ear.hears.is_set():
            await listener.wait(0.05)
        await listener.wait(0)
        await wire.truth.insert([new_job(queue=queue)])
        assert await listener.wait(2.0)
    assert new.id in await wire.ids()


async def _with_idle_connections(wire: Line) -> None:
    """One that is half open takes those along that lay idle meanwhile: the next call meets none of them."""
    await asyncio.gather(*(run_sql(wire.storage, "SELECT pg_sleep(0.2)") for _ in range(5)))
    assert wire.proxy.connections == 5
    wire.proxy.blackhole(on=On.EXISTING)
    async with asyncio.timeout(IN_TIME + ANSWERED):
        with pytest.raises(StoreUnreachable):  # its time is used up
            await wire.storage.count()
    async with asyncio.timeout(PATIENCE):
        await wire.storage.count()
        await wire.storage.beat("w", (), 30.0)


async def test_a_slow_line_is_only_slow(wire: Line) -> None:
    wire.proxy.latency(0.03, 0.01)
    await wire.storage.insert([new_job() for _ in range(50)])
    await wire.storage.insert([new_job(key="k")], [Put("kind", "name", '"1"', Expect.ABSENT)])
    await wire.storage.beat("w", (), 30.0)
    assert len(await wire.storage.claim("w", [Demand("q", 100)])) == 51
