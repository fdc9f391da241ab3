"""Writes inside a transaction that the caller has on a connection of their own to the same file."""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from headrace.model.change import Change, Verdict
from headrace.model.errors import InvalidOption
from headrace.model.job import NewJob
from headrace.storage import sessions
from headrace.storage.contract import AsyncEnlisted, Enlisted, Receipt
from headrace.storage.sqlite import applying, inserting
from headrace.storage.sqlite.faults import is_moved, translated
from headrace.storage.sqlite.inspection import check_version
from headrace.storage.sqlite.moments import Moment
from headrace.storage.sqlite.transaction import Parameters, Transaction, write_counts
from headrace.storage.sqlite.wal import WalWatch

T = TypeVar("T")
Write = Callable[[Transaction], T]

_KNOWN = f"for this store it must be a connection of sqlite3 or aiosqlite, {sessions.LIBRARIES}"
_NO_TRANSACTION = (
    "it is in no transaction and commits each statement by itself, so nothing could be rolled back; "
    "begin one first, or give it an isolation_level"
)
_LEGACY = -1
"""``sqlite3.LEGACY_TRANSACTION_CONTROL``, from Python 3.12 on."""
_TAKE_LOCK = "UPDATE jobs SET id = id WHERE 0"
"""Changes nothing, and waits for the write lock as the caller's connection does. A transaction that began by reading
could not have it any more once others had written."""


def within(path: str, moment: Callable[[], Moment], session: object) -> Enlisted | AsyncEnlisted:
    """See ``contract.Enlisting``."""
    guest = _Guest(path, moment, session)
    if sessions.is_async(session) or _is_aiosqlite(session):
        return _OnItsThread(guest, session)
    connection = sessions.driver_connection(session)
    if not isinstance(connection, sqlite3.Connection):
        raise InvalidOption("session", session, _KNOWN)
    guest.check(connection)
    return _Here(guest, connection)


class _Guest:
    """What one caller may have written there."""

    def __init__(self, path: str, moment: Callable[[], Moment], session: object) -> None:
        self._path, self._moment, self._session = path, moment, session

    def check(self, connection: sqlite3.Connection) -> None:
        """It leads to our file, and into a transaction."""
        with _plain(connection) as plain:
            found = {name: file for _, name, file in plain.execute("PRAGMA database_list")}["main"]
        if not _is_same(found, self._path):
            allowed = f"it is connected to {found or 'a database in memory'}, and the jobs are in {self._path}"
            raise InvalidOption("session", self._session, f"{allowed}: one transaction can't hold both")
        if not connection.in_transaction and _commits_by_itself(connection):
            raise InvalidOption("session", self._session, _NO_TRANSACTION)

    def write(self, connection: sqlite3.Connection, run: Write[T]) -> T:
        """All of it, or nothing: the caller may go on after an error, and commit."""
        WalWatch(os.path.realpath(self._path)).refuse_lost()
        with _plain(connection) as plain:
            begins = not connection.in_transaction
            self._take_lock(plain, begins=begins)
            plain.execute("SAVEPOINT headrace")
            try:
                transaction = Transaction(plain, self._moment())
                answer = run(transaction)
                write_counts(plain, transaction.moved)
            except BaseException as error:
                _undo(connection, plain, begins=begins)
                if isinstance(error, sqlite3.Error) and is_moved(error):
                    raise translated(error, self._path, 0.0) from error
                raise
            plain.execute("RELEASE headrace")
            return answer

    def _take_lock(self, plain: "_Plain", *, begins: bool) -> None:
        if begins:  # as the sqlite3 module does before an INSERT, and at once for writing
            plain.execute("BEGIN IMMEDIATE")
        try:
            if not begins:
                plain.execute(_TAKE_LOCK)
            check_version(plain, self._path)
        except BaseException as error:
            if begins:
                plain.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):  # where the table is missing, this says what is there
                check_version(plain, self._path)
            raise


class _Here(Enlisted):
    """On the calling thread."""

    def __init__(self, guest: _Guest, connection: sqlite3.Connection) -> None:
        self._guest, self._connection = guest, connection

    def insert(self, jobs: Sequence[NewJob]) -> Sequence[Receipt[object]]:
        return self._guest.write(self._connection, partial(inserting.insert_jobs, jobs=jobs))

    def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        return self._guest.write(self._connection, partial(applying.apply, changes=changes))


class _OnItsThread(AsyncEnlisted):
    """On the thread that aiosqlite has for a connection."""

    def __init__(self, guest: _Guest, session: object) -> None:
        self._guest, self._session = guest, session

    async def insert(self, jobs: Sequence[NewJob]) -> Sequence[Receipt[object]]:
        return await self._write(partial(inserting.insert_jobs, jobs=jobs))

    async def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        return await self._write(partial(applying.apply, changes=changes))

    async def _write(self, run: Write[T]) -> T:
        driver: Any = self._session
        if not _is_aiosqlite(driver):
            driver = await sessions.adriver_connection(driver)
        if not _is_aiosqlite(driver):
            raise InvalidOption("session", self._session, _KNOWN)

        def write() -> T:
            connection: sqlite3.Connection = driver._conn  # noqa: SLF001 - see _execute
            self._guest.check(connection)
            return self._guest.write(connection, run)

        # What all of its own methods do, and what it has no public name for: one function on its thread.
        answer: T = await driver._execute(write)  # noqa: SLF001
        return answer


class _Plain:
    """Executes on a foreign connection by cursors of our own, which make plain tuples whatever its ``row_factory``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Parameters = (), /) -> sqlite3.Cursor:
        return sqlite3.Cursor(self._connection).execute(sql, parameters)


@contextmanager
def _plain(connection: sqlite3.Connection) -> Iterator[_Plain]:
    text_factory, connection.text_factory = connection.text_factory, str
    try:
        yield _Plain(connection)
    finally:
        connection.text_factory = text_factory


def _undo(connection: sqlite3.Connection, plain: _Plain, *, begins: bool) -> None:
    if not connection.in_transaction:  # a full disk, for one: SQLite has taken all of it back by itself
        return
    if begins:
        plain.execute("ROLLBACK")
    else:
        plain.execute("ROLLBACK TO headrace")
        plain.execute("RELEASE headrace")


def _commits_by_itself(connection: sqlite3.Connection) -> bool:
    control = getattr(connection, "autocommit", _LEGACY)
    return connection.isolation_level is None if control == _LEGACY else bool(control)


def _is_same(found: str, path: str) -> bool:
    """By name, not by inode: a hard link has a -wal of its own, and so no transaction in common with the other."""
    return bool(found) and os.path.realpath(found) == os.path.realpath(path)


def _is_aiosqlite(session: object) -> bool:
    module = sys.modules.get("aiosqlite")
    return module is not None and isinstance(session, module.Connection)
