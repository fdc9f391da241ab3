"""Files that are no stores are refused by name, and left as they are."""

# ruff: noqa: ASYNC240 - a test's loop has nothing else to do while it looks at a file
import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from headrace.model.errors import (
    CorruptStore,
    ForeignStore,
    InvalidOption,
    SchemaTooNew,
    SchemaTooOld,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
    UnsafeFilesystem,
)
from headrace.storage.contract import Filter
from headrace.storage.opening import open_url
from headrace.storage.sqlite import SqliteStorage, inspection, sqlite_warnings
from headrace.system.clock import ManualClock
from headrace.testing.conformance.stage import Stage

pytestmark = pytest.mark.anyio
Make = Callable[..., SqliteStorage]


async def _made(make: Make) -> None:
    storage = make()
    await storage.open()
    await storage.close()


async def _refused(make: Make, error: type[Exception], **options: object) -> str:
    with pytest.raises(error) as caught:
        await make(**options).open()
    return str(caught.value)


@pytest.mark.parametrize("contents", [b"", b"hello", b"hello" * 5000, bytes(range(256)) * 32])
async def test_what_is_no_database_is_refused_and_kept(make: Make, path: Path, contents: bytes) -> None:
    path.write_bytes(contents)
    assert str(path) in await _refused(make, CorruptStore)
    assert path.read_bytes() == contents


async def test_a_damaged_schema_is_named_in_sqlites_words(make: Make, path: Path) -> None:
    await _made(make)
    damaged = bytearray(path.read_bytes())
    damaged[100:400] = b"\xff" * 300
    path.write_bytes(damaged)
    assert "malformed" in await _refused(make, CorruptStore)
    assert path.read_bytes() == damaged


async def test_damage_met_later_is_named_too(make: Make, path: Path, clock: ManualClock) -> None:
    storage = make()
    await storage.open()
    stage = Stage(storage, clock)
    await storage.insert([stage.new() for _ in range(2000)])
    await storage.close()
    storage = make()
    damaged = bytearray(path.read_bytes())
    damaged[40_000:] = b"\xff" * (len(damaged) - 40_000)
    path.write_bytes(damaged)
    await storage.open()
    with pytest.raises(CorruptStore):
        await storage.find(Filter(), limit=10_000)
    await storage.close()
    assert path.read_bytes() == damaged


async def test_a_truncated_file(make: Make, path: Path) -> None:
    await _made(make)
    path.write_bytes(path.read_bytes()[:4096])
    await _refused(make, CorruptStore)


async def test_a_missing_table(make: Make, path: Path) -> None:
    await _made(make)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE keys")
    connection.close()
    assert "keys" in await _refused(make, CorruptStore)


async def test_a_folder(make: Make, path: Path) -> None:
    path.mkdir()
    assert "folder" in await _refused(make, CorruptStore)


async def test_a_pipe(make: Make, path: Path) -> None:
    os.mkfifo(path)
    await _refused(make, CorruptStore)


async def test_a_loop_of_links(make: Make, path: Path) -> None:
    path.symlink_to(path.with_name("other"))
    path.with_name("other").symlink_to(path)
    assert "loop" in await _refused(make, CorruptStore)


async def test_a_missing_folder_is_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable, match="create it first"):
        await SqliteStorage(tmp_path / "gone" / "jobs.db").open()
    assert not (tmp_path / "gone").exists()


async def test_a_link_leads_to_the_same_store(stage: Stage, path: Path) -> None:
    job_id = await stage.enqueue()
    link = path.with_name("link.db")
    link.symlink_to(path)
    other = SqliteStorage(link)
    await other.open()
    assert (await other.get([job_id]))[0] is not None
    await other.close()


async def test_another_programs_tables(make: Make, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = path.read_bytes()
    assert "theirs" in await _refused(make, ForeignStore)
    assert path.read_bytes() == before


async def test_tables_beside_ours_are_no_harm(make: Make, path: Path) -> None:
    await _made(make)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    await _made(make)


async def test_another_programs_database_becomes_a_store_where_it_is_to(make: Make, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.execute("INSERT INTO theirs VALUES (1)")
    connection.commit()
    storage = make(adopts=True)
    await storage.open()
    assert await storage.count() == {}
    await storage.close()
    assert connection.execute("SELECT a FROM theirs").fetchall() == [(1,)]
    connection.close()
    await _made(make)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("CREATE TABLE jobs (a)", "a table of its own called jobs"),
        ("CREATE VIEW counts AS SELECT 1", "a table of its own called counts"),
        ("PRAGMA user_version = 7", "its user_version is 7"),
        ("PRAGMA application_id = 7", "its application id is 0x00000007"),
    ],
)
async def test_unless_something_of_it_stands_in_the_way(make: Make, path: Path, statement: str, told: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.execute(statement)
    connection.commit()
    connection.close()
    assert told in await _refused(make, ForeignStore, adopts=True)


async def test_another_application(make: Make, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA application_id = 77")
    connection.close()
    await _refused(make, ForeignStore)


async def test_tables_of_a_replicator_are_no_harm(make: Make, path: Path) -> None:
    await _made(make)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
    connection.close()
    await _made(make)


async def test_a_newer_schema_is_refused_before_any_write(make: Make, path: Path) -> None:
    await _made(make)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.execute("CREATE TABLE later (a)")
    connection.close()
    before = path.read_bytes()
    assert "99" in await _refused(make, SchemaTooNew)
    assert path.read_bytes() == before


async def test_columns_that_this_version_does_not_know(make: Make, path: Path, clock: ManualClock) -> None:
    await _made(make)
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE jobs ADD COLUMN later TEXT")
    connection.close()
    storage = make()
    await storage.open()
    stage = Stage(storage, clock)
    await stage.settle(await stage.running())
    await storage.close()


async def test_an_older_schema_is_migrated_only_where_that_is_allowed(
    make: Make, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _made(make)
    from headrace.storage.sqlite import migrating, store

    newest = migrating.LATEST + 1
    monkeypatch.setitem(migrating._MIGRATIONS, newest, "ALTER TABLE jobs ADD COLUMN later TEXT;\n")
    for module in (migrating, inspection, store):
        monkeypatch.setattr(module, "LATEST", newest)
    assert "migrate" in await _refused(make, SchemaTooOld, auto_migrate=False)
    await _made(make)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (newest,)
    assert connection.execute("SELECT count(later) FROM jobs").fetchone() == (0,)
    connection.close()


async def test_an_empty_database_is_filled(make: Make, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert path.stat().st_size > 0
    await _made(make)


async def test_a_new_file_is_its_owners(make: Make, path: Path) -> None:
    before = os.umask(0)
    try:
        storage = make()
        await storage.open()
        await storage.put([])
        names = [path, path.with_name("jobs.db-wal"), path.with_name("jobs.db-shm")]
        assert [name.stat().st_mode & 0o777 for name in names] == [0o600] * 3
        assert path.with_name("jobs.db-wake").stat().st_mode & 0o777 == 0o700
        await storage.close()
    finally:
        os.umask(before)
    assert sorted(os.listdir(path.parent)) == ["jobs.db", "jobs.db-wake"]


async def test_a_refused_open_can_be_tried_again(make: Make, path: Path) -> None:
    path.mkdir()
    storage = make()
    with pytest.raises(CorruptStore):
        await storage.open()
    path.rmdir()
    await storage.open()
    await storage.close()


@pytest.mark.parametrize("kind", ["nfs4", "9p", "fuse.sshfs", "cifs"])
async def test_filesystems_whose_locks_lie(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 /dev/x rw\n2 1 0:2 / {tmp_path} rw shared:1 - {kind} host:/x rw\n")
    monkeypatch.setattr(inspection, "_MOUNTS", mounts)
    assert kind in await _refused(make, UnsafeFilesystem)
    storage = make(filesystem_checked=False)
    await storage.open()
    await storage.close()


async def test_reading_only(make: Make, stage: Stage) -> None:
    await stage.storage.close()
    reading = make(read_only=True)
    await reading.open()
    assert await reading.count() == {}
    with pytest.raises(StoreReadOnly):
        await Stage(reading, stage.clock).insert()
    await reading.close()


async def test_reading_only_makes_no_file(make: Make, path: Path) -> None:
    await _refused(make, StoreUnreachable, read_only=True)
    assert not path.exists()


async def test_a_file_that_vanishes_takes_no_more_writes(stage: Stage, path: Path) -> None:
    await stage.enqueue()
    path.rename(path.with_name("elsewhere.db"))
    with pytest.raises(StoreUnreachable, match="moved"):
        await stage.insert()
    path.with_name("elsewhere.db").rename(path)
    await stage.enqueue()


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EROFS, StoreReadOnly), (errno.EDQUOT, StoreFull), (errno.EMFILE, StoreUnreachable)]
)
async def test_what_the_system_refuses_has_a_name(
    make: Make, path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    def refuse(path: str) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("headrace.storage.sqlite.store.create", refuse)
        await _refused(make, error)
    assert not path.exists()
    await _made(make)


def test_an_option_that_is_none() -> None:
    with pytest.raises(InvalidOption):
        SqliteStorage("jobs.db", durability="sometimes")


def test_warnings_name_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 2))
    assert "WAL-reset" in sqlite_warnings()[0]
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert sqlite_warnings() == []


@pytest.mark.anyio
async def test_a_url_may_say_that_tables_are_shared(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop:
        shop.execute("CREATE TABLE orders (id INTEGER)")
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    with pytest.raises(ForeignStore, match="orders"):
        await open_url(url, clock=ManualClock()).open()
    storage = open_url(f"{url}?tables=shared", clock=ManualClock())
    await storage.open()
    assert dict(await storage.count()) == {}
    await storage.close()
