"""Files that are no journals are refused by name, and left as they are; a disk that is full is waited for."""

# ruff: noqa: ASYNC240 - a test's loop has nothing else to do while it looks at a file
import asyncio
import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from headrace.model.errors import (
    CorruptStore,
    EnqueueUnknown,
    ForeignStore,
    HeadraceError,
    SchemaTooNew,
    StoreReadOnly,
    StoreUnreachable,
    UnsafeFilesystem,
)
from headrace.model.job import NewJob
from headrace.storage.contract import Storage
from headrace.storage.hybrid import hybrid_storage, shelf
from headrace.storage.journal.shelf import Head
from headrace.storage.journal.storage import JournaledStorage
from headrace.storage.opening import open_url
from headrace.storage.sqlite import inspection
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

pytestmark = pytest.mark.anyio
IDS = Ids(SystemClock())


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.snap"


async def insert(storage: Storage, payload: str = "{}") -> None:
    await storage.insert([NewJob(id=IDS.new(), task="t", queue="q", payload=payload)])


async def fill(path: Path, writes: int = 3) -> None:
    """A journal of so many entries, left by its owner."""
    for _ in range(writes):
        storage = hybrid_storage(path)
        await storage.open()
        await insert(storage)
        await storage.close()


async def told(storage: Storage) -> HeadraceError:
    """The error of whoever opens it, or reads it, or writes to it."""
    with pytest.raises(HeadraceError) as caught:  # noqa: PT012 - at which of these is not the point
        await storage.open()
        await storage.count()
        await insert(storage)
    await storage.close()
    return caught.value


async def refused(path: Path, kind: type[HeadraceError], *words: str) -> None:
    """It is, in these words, and the file is what it was."""
    before = path.read_bytes() if path.is_file() else None
    error = await told(hybrid_storage(path))
    assert type(error) is kind, error
    for word in (str(path), *words):
        assert word in str(error)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert {entry.name for entry in path.parent.iterdir()} <= {path.name, "jobs.snap-journal", "jobs.snap-wake"}


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


@pytest.mark.parametrize("contents", [b"", b"hello", b"hello" * 5000, bytes(range(256)) * 32])
async def test_what_is_no_database(path: Path, contents: bytes) -> None:
    path.write_bytes(contents)
    await refused(path, CorruptStore, "it was left as it is")


async def test_a_folder(path: Path) -> None:
    path.mkdir()
    await refused(path, CorruptStore, "it is a folder")


async def test_a_store_of_sqlite(path: Path) -> None:
    storage = open_url(f"sqlite:///{path}", clock=SystemClock())
    await storage.open()
    await storage.close()
    await refused(path, ForeignStore, "it is a store of sqlite:///, not of hybrid:///")


async def test_its_own_file_as_a_store_of_sqlite(path: Path) -> None:
    await fill(path)
    before = path.read_bytes()
    error = await told(open_url(f"sqlite:///{path}", clock=SystemClock()))
    assert isinstance(error, ForeignStore)
    assert path.read_bytes() == before


async def test_a_database_of_another_program(path: Path) -> None:
    change(path, "CREATE TABLE theirs (a)")
    await refused(path, ForeignStore, "belongs to another program: its application id is 0x00000000")


async def test_a_newer_format(path: Path) -> None:
    await fill(path)
    change(path, "UPDATE head SET value = ?", msgspec.msgpack.encode(Head(9, 1, 4, None)))
    await refused(path, SchemaTooNew, "has schema 9, this version knows up to 1; upgrade headrace")


async def test_a_head_that_is_missing_or_none(path: Path) -> None:
    await fill(path)
    change(path, "UPDATE head SET value = ?", b"\xc1")
    await refused(path, CorruptStore, "its head can't be read")
    change(path, "DELETE FROM head")
    await refused(path, CorruptStore, "its head is missing")


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_an_entry_that_is_missing(path: Path, number: int) -> None:
    await fill(path)
    change(path, "DELETE FROM entries WHERE number = ?", number)
    await refused(path, CorruptStore, "of its entries 1 to 3 not all are there")


async def test_an_entry_that_was_changed(path: Path) -> None:
    await fill(path)
    change(path, "UPDATE entries SET data = ? WHERE number = 2", b"x" * 90)
    await refused(path, CorruptStore, "entry 2 of its journal is not what was written")


@pytest.mark.parametrize("length", [100, 4096, 9000])
async def test_a_file_that_was_cut(path: Path, length: int) -> None:
    await fill(path)
    path.write_bytes(path.read_bytes()[:length])
    await refused(path, CorruptStore)


async def test_a_file_with_changed_bytes(path: Path) -> None:
    await fill(path, 1)
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(255 - byte for byte in data[4096:])
    path.write_bytes(data)
    await refused(path, CorruptStore)


async def test_a_table_that_is_missing(path: Path) -> None:
    await fill(path)
    change(path, "DROP TABLE entries")
    await refused(path, CorruptStore, "no such table: entries")


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    error = await told(hybrid_storage(tmp_path / "gone" / "jobs.snap"))
    assert isinstance(error, StoreUnreachable)
    assert f"its folder {tmp_path}/gone is not there; create it first" in str(error)
    assert list(tmp_path.iterdir()) == []


async def test_a_filesystem_over_a_network(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_filesystem", lambda folder: "nfs4")
    await refused(path, UnsafeFilesystem, "is on nfs4, where file locks can't be trusted")
    storage = hybrid_storage(path, filesystem_checked=False)
    await storage.open()
    await insert(storage)
    await storage.close()


async def test_a_file_that_may_only_be_read_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(path)
    read_only = f"file:{path}?mode=ro"  # a file's rights keep root from nothing
    monkeypatch.setattr(shelf, "open_connection", lambda *_: sqlite3.connect(read_only, uri=True, isolation_level=None))
    storage = hybrid_storage(path)
    await storage.open()
    assert sum((await storage.count()).values()) == 3
    with pytest.raises(StoreReadOnly, match="can't be written: attempt to write a readonly database; nothing was"):
        await insert(storage)
    await storage.close()


async def test_a_folder_that_may_only_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(shelf, "create", refuse)
    await refused(path, StoreReadOnly, "can't be written: Read-only file system; nothing was changed")


async def on_connection(storage: JournaledStorage, statement: str) -> None:
    """Run where the file is written."""
    assert storage._house is not None
    house = storage._house

    async def run() -> None:
        house.shelf._connection.execute(statement)  # type: ignore[attr-defined]

    await house.ask(run)


async def test_a_full_disk_is_said_and_work_goes_on_when_it_has_space(path: Path) -> None:
    storage = hybrid_storage(path, interval=0.05, patience=0.3)
    await storage.open()
    await insert(storage)
    await on_connection(storage, "PRAGMA max_page_count = 1")
    incompressible = msgspec.json.encode(os.urandom(60_000).hex()).decode()  # noqa: TID251 - what no zlib makes small
    await insert(storage, incompressible)
    assert storage._house is not None
    assert storage._house.owned is not None
    keeper = storage._house.owned[1]
    async with asyncio.timeout(20):
        while keeper.ticket() is None:
            await SystemClock().sleep(0.01)
    with pytest.raises(EnqueueUnknown, match=f"not written within 0.3 s: the disk under {path} is full; free some sp"):
        await insert(storage)
    await on_connection(storage, "PRAGMA max_page_count = 100000")
    await insert(storage)
    jobs = sum((await storage.count()).values())
    await storage.close()
    again = hybrid_storage(path)
    await again.open()
    assert sum((await again.count()).values()) == jobs
    await again.close()
