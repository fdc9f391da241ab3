"""What the system refuses: syncs, descriptors, room. Real disks and real limits are in test_machine_faults.py."""

import asyncio
import errno
import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.model.change import Change, In, Patch
from headrace.model.errors import AnswerLost, EnqueueUnknown, StoreFull, StoreUnreachable
from headrace.model.state import State
from headrace.storage.sqlite import SqliteStorage, faults, migrating, reader, writer
from headrace.storage.sqlite.probing import refusal
from headrace.storage.sqlite.turn import Turn
from headrace.testing.conformance.stage import Stage

pytestmark = pytest.mark.anyio
Make = Callable[..., SqliteStorage]

IOERR_FSYNC, IOERR_WRITE, IOERR_SHMSIZE = 1034, 778, 4874


class Failing:
    """A connection whose next commits fail."""

    def __init__(self, inner: sqlite3.Connection, codes: list[int]) -> None:
        self._inner, self._codes = inner, codes

    def execute(self, statement: str, *parameters: Any) -> Any:
        if statement == "COMMIT" and self._codes:
            self._inner.execute("ROLLBACK")
            raise failure(self._codes.pop(0))
        return self._inner.execute(statement, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def failure(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    return error


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """With which the next commits fail."""
    waiting: list[int] = []
    connect = writer.connect_writer
    monkeypatch.setattr(writer, "connect_writer", lambda *given, **named: Failing(connect(*given, **named), waiting))
    return waiting


# --- commits --------------------------------------------------------------------------------------------------------


async def test_a_commit_that_was_not_synced_is_written_over_and_refused(codes: list[int], stage: Stage) -> None:
    codes += [IOERR_FSYNC]
    with pytest.raises(StoreUnreachable):
        await stage.insert()
    assert not codes
    assert await stage.number(State.PENDING) == 0
    await stage.enqueue()
    assert await stage.number(State.PENDING) == 1


async def test_where_it_can_not_be_written_over_nobody_knows(codes: list[int], stage: Stage) -> None:
    new = stage.new()
    codes += [IOERR_FSYNC, IOERR_FSYNC]
    with pytest.raises(EnqueueUnknown) as unknown:
        await stage.storage.insert([new])
    assert unknown.value.ids == (new.id,)
    assert (await stage.storage.insert([new]))[0].id == new.id
    codes += [IOERR_FSYNC, IOERR_FSYNC]
    with pytest.raises(AnswerLost):
        await stage.storage.apply([Change(new.id, In(frozenset({State.PENDING})), Patch(state=State.CANCELLED))])
    assert await stage.number(State.PENDING) == 1


async def test_of_a_commit_that_was_not_written_nothing_is_left(codes: list[int], stage: Stage) -> None:
    codes += [IOERR_WRITE, IOERR_FSYNC]
    with pytest.raises(StoreUnreachable):
        await stage.insert()
    assert codes == [IOERR_FSYNC], "nothing was written over"


def test_no_store_appears_whose_checkpoint_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(Failing):
        def execute(self, statement: str, *parameters: Any) -> Any:
            if "wal_checkpoint" in statement:
                raise failure(IOERR_WRITE)
            return super().execute(statement, *parameters)

    connect = migrating.connect_writer
    monkeypatch.setattr(migrating, "connect_writer", lambda *given, **named: Stuck(connect(*given, **named), []))
    with pytest.raises(sqlite3.OperationalError):
        migrating.create(str(tmp_path / "jobs.db"))
    assert os.listdir(tmp_path) == []


# --- room -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no room for a -shm, nor for anything else."""

    def connect(path: str, *, mode: str = "rw") -> sqlite3.Connection:
        if "immutable" not in mode:
            raise failure(IOERR_SHMSIZE)
        return _connect_reader(path, mode=mode)

    monkeypatch.setattr(reader, "connect_reader", connect)
    monkeypatch.setattr(faults, "refusal", lambda _: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


_connect_reader = reader.connect_reader


async def test_a_store_on_a_full_disk_can_be_read(stage: Stage, make: Make, full: None) -> None:
    await stage.enqueue()
    await stage.storage.close()
    reading = make(read_only=True)
    await reading.open()
    assert list((await reading.count()).values()) == [1]
    assert reading._store is not None
    assert reading._store.reader._connection is None, "soon there may be room, and a writer"
    await reading.close()


async def test_but_not_where_the_wal_holds_what_is_newer(stage: Stage, make: Make, path: Path, full: None) -> None:
    await stage.enqueue()
    await stage.storage.close()
    path.with_name("jobs.db-wal").write_bytes(b"frames")
    reading = make(read_only=True)
    with pytest.raises(StoreFull):
        await reading.open()
    path.with_name("jobs.db-wal").unlink()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_errors_that_sqlite_has_no_name_for(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "refusal", lambda _: OSError(number, os.strerror(number)))
    assert isinstance(faults.translated(failure(IOERR_WRITE), "/jobs.db", 1.0), StoreFull)


def test_what_a_sound_disk_refuses_is_nothing(tmp_path: Path) -> None:
    before = os.listdir(tmp_path)
    assert refusal(str(tmp_path / "jobs.db")) is None
    assert refusal(str(tmp_path / "nowhere" / "jobs.db")) is None
    assert os.listdir(tmp_path) == before


# --- descriptors ----------------------------------------------------------------------------------------------------


async def test_where_no_socket_is_to_be_had_listeners_look_and_writers_go_on(
    stage: Stage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path.with_name("jobs.db-wake") / "q.1.other").touch()  # another process listens, as far as can be seen

    def refuse(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(socket, "socket", refuse)
    listener = stage.storage.listen(["queue:default"])
    hearing = asyncio.ensure_future(listener.wait(20))
    await stage.enqueue()
    assert await hearing
    await stage.enqueue()
    listener.close()
    assert await stage.number(State.PENDING) == 2


def test_a_turn_that_could_not_be_opened_is_opened_later(tmp_path: Path) -> None:
    folder = tmp_path / "wake"
    early = Turn(str(folder))
    assert early.take(), "without a folder nobody else can have it either"
    folder.mkdir()
    assert early.take()
    other = Turn(str(folder))
    assert not other.take()
    early.give()
    assert other.take()
    for turn in (early, other):
        turn.close()
