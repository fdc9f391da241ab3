"""One transaction for all that waits; errors stay with whom they belong to."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.model.change import APPLIED, STALE, Change, Held, Patch
from headrace.model.errors import PutLost, StoreBusy, StoreFull, StoreUnreachable
from headrace.model.record import Expect, Put
from headrace.model.state import State
from headrace.storage.contract import Demand
from headrace.storage.sqlite import SqliteStorage
from headrace.storage.sqlite.checkpoint import Checkpointer
from headrace.storage.sqlite.connecting import connect_writer
from headrace.storage.sqlite.transaction import Transaction
from headrace.storage.sqlite.turn import Turn
from headrace.storage.sqlite.writer import Writer
from headrace.system.clock import ManualClock
from headrace.testing.conformance.stage import Stage

pytestmark = pytest.mark.anyio
Make = Callable[..., SqliteStorage]


def _frames(path: Path) -> int:
    wal = path.with_name(path.name + "-wal")
    return wal.stat().st_size if wal.exists() else 0


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many operations each commit held."""
    numbers: list[int] = []
    commit = Writer._commit

    def watched(self: Writer, *arguments: Any) -> list[Transaction]:
        done = commit(self, *arguments)
        numbers.append(len(done))
        return done

    monkeypatch.setattr(Writer, "_commit", watched)
    return numbers


async def test_what_waits_together_is_committed_together(stage: Stage, path: Path, commits: list[int]) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    waiting = [asyncio.ensure_future(stage.insert()) for _ in range(20)]
    await stage.storage.count()
    connection.execute("ROLLBACK")
    connection.close()
    await asyncio.gather(*waiting)
    assert await stage.number(State.PENDING) == 20
    assert commits == [20]  # the writer wakes at the first; what comes while it waits for the lock joins it


async def test_one_that_fails_takes_no_other_along(stage: Stage, path: Path) -> None:
    await stage.storage.put([Put("k", "n", "1")])
    lost = [Put("k", "n", "2", expect=Expect.ABSENT)]
    answers = await asyncio.gather(
        stage.insert(),
        stage.storage.insert([stage.new()], lost),
        stage.insert(key="a"),
        stage.storage.insert([stage.new(key="b")], [Put("k", "other", "1"), *lost]),
        stage.insert(),
        return_exceptions=True,
    )
    assert [isinstance(answer, PutLost) for answer in answers] == [False, True, False, True, False]
    assert await stage.number(State.PENDING) == 3
    assert not (await stage.insert(key="b")).duplicate
    assert await stage.storage.records("k") == [*(await stage.storage.records("k"))[:1]]


async def test_idle_calls_write_nothing(stage: Stage, commits: list[int]) -> None:
    await stage.enqueue(delay=60)
    await stage.beat("w")
    before = list(commits)
    assert list(await stage.storage.claim("w", [Demand("q", 10), Demand("none", 1)])) == []
    assert list(await stage.storage.claim("nobody", [Demand("q", 10)])) == []
    assert list(await stage.storage.reclaim("w", 10)) == []
    await stage.storage.next_due(["q"])
    await stage.storage.count()
    assert commits == before


async def test_a_lock_not_had_in_time(stage: Stage, path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="nothing was changed"):
        await stage.insert()
    connection.execute("ROLLBACK")
    connection.close()
    await stage.enqueue()


async def test_a_beat_outlasts_a_lock(make: Make, path: Path, stage: Stage) -> None:
    patient = make(patience=30.0)
    await patient.open()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    beat = asyncio.ensure_future(patient.beat("w", [], 30))
    for _ in range(5):
        await patient.count()
    assert not beat.done()
    connection.execute("ROLLBACK")
    connection.close()
    await beat
    await patient.close()


async def test_work_goes_on_when_there_is_room_again(stage: Stage) -> None:
    await stage.enqueue()
    connection = stage.storage._store.writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFull):
        await stage.storage.insert([stage.new(payload='"' + "x" * 200_000 + '"')])
    with pytest.raises(StoreFull):
        await asyncio.gather(*[stage.insert(payload='"' + "x" * 100_000 + '"') for _ in range(5)])
    connection.execute("PRAGMA max_page_count = 1000000")
    await stage.enqueue(payload='"' + "x" * 200_000 + '"')
    assert await stage.number(State.PENDING) == 2


async def test_no_error_of_sqlite_reaches_users(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Transaction, *_: object) -> int:
        raise sqlite3.ProgrammingError("no")

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "run", fail)
        with pytest.raises(StoreUnreachable):
            await stage.insert()
    await stage.enqueue()


async def test_readers_leave_no_transaction_open(stage: Stage, path: Path) -> None:
    for _ in range(50):
        await stage.enqueue()
    await stage.ids()
    await stage.storage.get([])
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    connection.close()


async def test_a_large_wal_starts_again(stage: Stage, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.storage.sqlite.checkpoint._LARGE", 100_000)
    sizes = []
    for _ in range(60):
        await stage.enqueue()
        sizes.append(_frames(path))
    assert max(sizes) < 200_000


async def test_an_idle_wal_is_emptied(stage: Stage, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emptied = asyncio.Event()
    loop = asyncio.get_running_loop()
    checkpoint = Checkpointer._checkpoint

    def watched(self: Checkpointer, *args: object) -> bool:
        done = checkpoint(self, *args)
        loop.call_soon_threadsafe(emptied.set)
        return done

    monkeypatch.setattr(Checkpointer, "_checkpoint", watched)
    await stage.enqueue()
    assert _frames(path) > 0
    await asyncio.wait_for(emptied.wait(), 10)
    assert _frames(path) == 0


async def test_a_wal_is_emptied_a_second_after_the_last_commit_and_not_for_looks(stage: Stage, path: Path) -> None:
    """A claim that finds nothing rests as well: such calls once made each commit pass into the file at once."""
    await stage.enqueue()
    clock, connection = ManualClock(), connect_writer(str(path), durable=False)
    checkpointer = Checkpointer(str(path), Turn(None), clock)
    assert checkpointer.rest(connection) is None
    checkpointer.after_commit(connection, 1)
    frames = _frames(path)
    for _ in range(5):
        assert checkpointer.rest(connection) == pytest.approx(1.0)
    clock.advance(0.75)
    assert checkpointer.rest(connection) == pytest.approx(0.25)
    assert _frames(path) == frames > 0
    clock.advance(0.25)
    assert checkpointer.rest(connection) is None
    assert _frames(path) == 0
    connection.close()


async def test_counts_agree_with_rows(stage: Stage, path: Path) -> None:
    jobs = [await stage.running("w", queue=f"q{n % 3}") for n in range(9)]
    patches = [Patch(State.COMPLETED, release_key=True), Patch(State.DEAD), Patch(State.RETRYING, delay=5)]
    changes = [Change(job.id, Held("w", 1), patches[n % 3]) for n, job in enumerate(jobs)]
    assert await stage.storage.apply(changes[:7]) == [APPLIED] * 7
    assert await stage.storage.apply(changes) == [STALE] * 7 + [APPLIED] * 2
    await stage.storage.delete([jobs[0].id])
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT queue, state, count(*) FROM jobs GROUP BY queue, state").fetchall()
    connection.close()
    assert {(queue, State(state)): number for queue, state, number in rows} == await stage.storage.count()


async def test_a_cancelled_call_that_has_not_begun_does_nothing(stage: Stage, path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    first = asyncio.ensure_future(stage.insert())
    await stage.storage.count()
    second = asyncio.ensure_future(stage.insert())
    await stage.storage.count()
    second.cancel()
    await stage.storage.count()
    connection.execute("ROLLBACK")
    connection.close()
    await first
    await stage.storage.put([])
    assert await stage.number(State.PENDING) in (1, 2)
