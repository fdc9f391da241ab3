"""A damaged file: what can be read is copied into a new one, and the old one is left as it is."""

from pathlib import Path

import pytest

from headrace.model.errors import CorruptStore, InvalidOption
from headrace.model.state import State
from headrace.storage.contract import Filter
from headrace.storage.sqlite import SqliteStorage
from headrace.storage.sqlite.salvage import salvage
from headrace.testing.conformance.stage import Stage

pytestmark = pytest.mark.anyio
JOBS = 2_000


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
