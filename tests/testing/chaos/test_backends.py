"""What a run needs to know of SQLite: who writes, and whether the file is whole."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headrace.testing.chaos.backends import BACKENDS

BACKEND = BACKENDS["sqlite"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE jobs (id TEXT PRIMARY KEY, payload TEXT)")
        connection.executemany("INSERT INTO jobs VALUES (?, ?)", [(f"{n}", "x" * 500) for n in range(500)])
        yield connection


def test_the_writer_is_whoever_has_a_write_transaction(tmp_path: Path, store: sqlite3.Connection) -> None:
    url = BACKEND.make(tmp_path)
    assert BACKEND.writer(url) is None
    store.execute("BEGIN IMMEDIATE")
    assert BACKEND.writer(url) == os.getpid()
    store.execute("COMMIT")
    assert BACKEND.writer(url) is None
    assert BACKEND.writer(BACKEND.make(tmp_path / "elsewhere")) is None


def test_a_damaged_file_is_not_whole(tmp_path: Path, store: sqlite3.Connection) -> None:
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    url = BACKEND.make(tmp_path)
    assert BACKEND.integrity(url) == "ok"
    path = tmp_path / "jobs.db"
    with path.open("r+b") as file:
        file.seek(5 * 4096)
        file.write(b"\xff" * 4096)
    assert BACKEND.integrity(url) != "ok"
    assert BACKEND.versions() == {"sqlite": sqlite3.sqlite_version}
