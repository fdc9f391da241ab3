"""A journal in a SQLite file: the head in one table, the entries in another."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

import msgspec

from headrace.model.errors import CorruptStore, ForeignStore, StoreError
from headrace.model.ownership import Owner
from headrace.storage.contract import Capabilities
from headrace.storage.journal.shelf import Fenced, Head, belongs_to
from headrace.storage.sqlite import inspection
from headrace.storage.sqlite.connecting import APPLICATION_ID as OF_SQLITE
from headrace.storage.sqlite.connecting import connect_reader, open_connection
from headrace.storage.sqlite.faults import breaks_connection, translated, translated_os
from headrace.storage.sqlite.migrating import create
from headrace.storage.survival import Fate, Survival

T = TypeVar("T")

APPLICATION_ID = 0x4844524A
"""HDRJ, in the header of every file of ours."""
_PATIENT = 5.0
"""Seconds that a write waits for readers: they read the whole file in one go."""
_SCHEMA = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), value BLOB NOT NULL)",
    "CREATE TABLE entries (number INTEGER PRIMARY KEY, data BLOB NOT NULL)",
)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Head).decode


class FileShelf:
    """Implements ``journal.Shelf``."""

    def __init__(self, path: str, interval: float, *, filesystem_checked: bool) -> None:
        self._path = path
        self._survival = Survival(
            acknowledged="in the memory of the process, and in the file an interval later",
            kill=Fate.LAST,
            power=Fate.LAST,
            window=interval,
        )
        self._filesystem_checked = filesystem_checked
        self._connection: sqlite3.Connection | None = None
        self._owner: Owner | None = None

    @property
    def where(self) -> str:
        return self._path

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("hybrid", "one", self._survival)

    async def look(self) -> Head | None:
        return self._within(lambda: self._look() if self._is_there() else None)

    async def read(self) -> AsyncIterator[tuple[int, bytes]]:
        for entry in self._within(self._read_all):
            yield entry

    async def take(self, seen: Head | None, head: Head) -> bool:
        return self._within(lambda: self._take(seen, head))

    async def write(self, entries: Sequence[tuple[int, bytes]], head: Head) -> None:
        self._within(lambda: self._write(entries, head))

    async def close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _within(self, run: Callable[[], T]) -> T:
        """Errors of SQLite and the system become those that users meet."""
        try:
            return run()
        except sqlite3.Error as error:
            if breaks_connection(error) and self._connection is not None:
                with suppress(sqlite3.Error):
                    self._connection.close()
                self._connection = None
            told: StoreError = translated(error, self._path, _PATIENT)
            raise (inspection.describe_damage(self._path, error) if isinstance(told, CorruptStore) else told) from error
        except OSError as error:
            raise translated_os(error, self._path) from error

    def _is_there(self) -> bool:
        inspection.resolve_path(self._path)
        if self._filesystem_checked:
            inspection.check_filesystem(self._path)
        return inspection.is_there(self._path)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _look(self) -> Head:
        if self._connection is not None:
            return self._head(self._connection)
        with self._reading() as connection:
            return self._head(connection)

    def _read_all(self) -> list[tuple[int, bytes]]:
        with self._reading() as connection:
            connection.execute("BEGIN")
            head = self._head(connection)
            found = list(connection.execute("SELECT number, data FROM entries ORDER BY number"))
            connection.execute("COMMIT")
        if [number for number, _ in found] != list(range(head.first, head.next)):
            raise CorruptStore(self._path, f"of its entries {head.first} to {head.next - 1} not all are there")
        return found

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        connection = connect_reader(self._path)
        try:
            self._check(connection)
            yield connection
        finally:
            connection.close()

    def _check(self, connection: sqlite3.Connection) -> None:
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
        if application == OF_SQLITE:
            raise ForeignStore(self._path, "it is a store of sqlite:///, not of hybrid:///")
        if application != APPLICATION_ID:
            raise ForeignStore(self._path, f"its application id is {application:#010x}")

    def _head(self, connection: sqlite3.Connection) -> Head:
        row = connection.execute("SELECT value FROM head").fetchone()
        if row is None:
            raise CorruptStore(self._path, "its head is missing")
        try:
            return _decode(row[0])
        except msgspec.MsgspecError as error:
            raise CorruptStore(self._path, f"its head can't be read: {error}") from None

    # --- writing -----------------------------------------------------------------------------------------------------

    def _take(self, seen: Head | None, head: Head) -> bool:
        if not self._is_there():
            if seen is not None:
                return False
            create(self._path, lambda draft: _fill(draft, head))
        elif seen is None:
            return False
        connection = self._writer()
        with _transaction(connection):
            if self._head(connection) not in (seen, head):
                return False
            connection.execute("UPDATE head SET value = ?", (_encode(head),))
        self._owner = head.owner
        return True

    def _write(self, entries: Sequence[tuple[int, bytes]], head: Head) -> None:
        connection = self._writer()
        with _transaction(connection):
            there = self._head(connection)
            if there == head:  # done before, and the answer was lost
                return
            if not belongs_to(there, self._owner):
                raise Fenced(self._path)
            connection.executemany("INSERT OR REPLACE INTO entries (number, data) VALUES (?, ?)", entries)
            connection.execute("DELETE FROM entries WHERE number < ?", (head.first,))
            connection.execute("UPDATE head SET value = ?", (_encode(head),))

    def _writer(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = open_connection(self._path, "rw", _PATIENT)
            try:
                _prepare(connection)
                self._check(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Nearly all that is written is added at the end: with a rollback journal it is written once, not twice."""
    connection.execute("PRAGMA journal_mode = DELETE")
    # With FULL the removal of the rollback journal, by which a write is committed, would itself not be synced.
    connection.execute("PRAGMA synchronous = EXTRA")
    connection.execute("PRAGMA fullfsync = 1")


def _fill(draft: str, head: Head) -> None:
    connection = open_connection(draft, "rw", 0.0)
    try:
        _prepare(connection)
        with _transaction(connection):
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("INSERT INTO head (id, value) VALUES (1, ?)", (_encode(head),))
    finally:
        connection.close()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
