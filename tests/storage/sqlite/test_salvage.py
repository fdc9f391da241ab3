"""A damaged file: what can be read is copied into a new one, and the old one is left as it is."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headrace.model import lifecycle
from headrace.model.change import APPLIED, Change, Patch
from headrace.model.errors import CorruptStore, InvalidOption
from headrace.model.job import LogLine, Notes
from headrace.model.record import Put
from headrace.model.state import State
from headrace.model.timeline import Entry
from headrace.storage.contract import Filter, Span
from headrace.storage.sqlite import SqliteStorage
from headrace.storage.sqlite.salvage import salvage
from headrace.testing.conformance.stage import Stage

pytestmark = pytest.mark.anyio
JOBS = 2_000
OLD = Path(__file__).with_name("schema_1.sql").read_text("utf-8")


async def filled(stage: Stage) -> set[str]:
    news = [stage.new(payload='{"note":"' + "x" * 300 + '"}') for _ in range(JOBS)]
    await stage.storage.insert(news)
    await stage.storage.close()
    return {new.id for new in news}


def content(path: Path) -> bytes:
    return path.read_bytes()


def damage(path: Path) -> bytes:
    """Several pages in the middle are overwritten; what the file holds then."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 8192 * 4096
    data[middle : middle + 10 * 4096] = b"\xff" * 10 * 4096
    path.write_bytes(data)
    return bytes(data)


async def test_a_sound_file_is_copied_whole(stage: Stage, path: Path, tmp_path: Path) -> None:
    ids = await filled(stage)
    found = salvage(str(path), str(tmp_path / "new.db"))
    assert (found.jobs, found.damaged) == (JOBS, 0)
    copy = SqliteStorage(tmp_path / "new.db")
    await copy.open()
    try:
        page = await copy.find(Filter(), limit=JOBS + 1)
        assert {job.id for job in page.jobs} == ids
        assert await copy.count() == {("q", State.PENDING): JOBS}
    finally:
        await copy.close()


async def test_records_notes_and_the_timeline_are_copied_too(stage: Stage, path: Path, tmp_path: Path) -> None:
    job = await stage.running()
    told = Notes(50.0, "half", stage.clock.wall(), (LogLine(1, 1, "INFO", "é\n"),))
    assert await stage.storage.apply([Change(job.id, lifecycle.held(job), Patch(notes=told))]) == [APPLIED]
    await stage.storage.put([Put("kv", "a", '{"é":1}'), Put("lease", "leader", "1", ttl=60.0)])
    entries = [Entry(f"{number}", "minute", "q", number, '"é"') for number in range(1_000)]
    await stage.storage.record(entries)
    records = [await stage.storage.records(kind) for kind in ("kv", "lease")]
    await stage.storage.close()
    assert salvage(str(path), str(tmp_path / "new.db")).jobs == 1
    copy = SqliteStorage(tmp_path / "new.db", clock=stage.clock)
    await copy.open()
    try:
        (row,) = await copy.get([job.id])
        assert row is not None
        assert row.notes == told
        assert [await copy.records(kind) for kind in ("kv", "lease")] == records
        assert (await copy.history(Span("minute"), limit=2_000)).entries == entries
    finally:
        await copy.close()


async def test_a_file_of_an_older_schema_is_copied_into_this_one(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(OLD)
    found = salvage(str(path), str(tmp_path / "new.db"))
    assert (found.jobs, found.damaged) == (11, 0)
    copy = SqliteStorage(tmp_path / "new.db")
    await copy.open()
    try:
        assert {job.notes for job in (await copy.find(Filter(), limit=20)).jobs} == {None}
        assert [record.value for record in await copy.records("kv", names=["a"])] == ['{"é":2}']
        assert sum((await copy.count()).values()) == 11
    finally:
        await copy.close()


async def test_around_damage_the_rest_is_copied(stage: Stage, path: Path, tmp_path: Path) -> None:
    ids = await filled(stage)
    damaged = damage(path)
    found = salvage(str(path), str(tmp_path / "new.db"))
    assert content(path) == damaged
    assert found.damaged >= 1
    assert JOBS * 0.7 < found.jobs < JOBS
    copy = SqliteStorage(tmp_path / "new.db")
    await copy.open()
    try:
        page = await copy.find(Filter(), limit=JOBS + 1)
        assert len(page.jobs) == found.jobs
        assert {job.id for job in page.jobs} <= ids
        assert sum((await copy.count()).values()) == found.jobs
    finally:
        await copy.close()


async def test_a_file_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    path.write_bytes(b"\xff" * 8192)
    with pytest.raises(CorruptStore, match="first pages"):
        salvage(str(path), str(tmp_path / "new.db"))
    assert not (tmp_path / "new.db").exists()


async def test_nothing_is_overwritten(stage: Stage, path: Path) -> None:
    await filled(stage)
    with pytest.raises(InvalidOption, match="it exists"):
        salvage(str(path), str(path))
