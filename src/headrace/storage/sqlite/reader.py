"""The one thread that reads: beside the writer, and never in its way."""

import os
import sqlite3
from contextlib import suppress

from headrace.model.errors import StoreFull, StoreUnreachable
from headrace.storage.sqlite.connecting import connect_reader
from headrace.storage.sqlite.faults import breaks_connection, translated
from headrace.storage.sqlite.lane import Batch, Lane
from headrace.storage.sqlite.operation import deliver
from headrace.storage.sqlite.wal import WalWatch, leave_open

_MOST_AT_ONCE = 64
"""Answers to a call into the loop: the first need not wait for all."""


class Reader:
    """Owns the reading connection. Each statement is its own transaction: none stays open and keeps the -wal."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._wal = WalWatch(path)
        self._is_checked = False
        self._is_makeshift = False
        self.lane = Lane("headrace-sqlite-reader", _MOST_AT_ONCE, self._serve, lambda: None, self._end)
        self.submit, self.stop = self.lane.submit, self.lane.stop

    def connection(self) -> sqlite3.Connection:
        """In its thread."""
        if self._connection is None:
            self._connection = self._connect()
        if not self._is_checked:
            self._wal.check()
            self._is_checked = True
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        if os.access(self._path, os.W_OK) and os.access(os.path.dirname(self._path), os.W_OK):
            try:
                return _checked(connect_reader(self._path))
            except sqlite3.Error as error:
                if not self._lies_still(error):
                    raise
            self._is_makeshift = True
            return _checked(connect_reader(self._path, mode="mode=ro&immutable=1"))
        self._is_makeshift = True
        with suppress(sqlite3.Error):
            return _checked(connect_reader(self._path, mode="ro"))
        if not os.path.exists(f"{self._path}-wal"):
            # On a disk that nobody can write, nobody can change what is read.
            return _checked(connect_reader(self._path, mode="mode=ro&immutable=1"))
        return _checked(connect_reader(self._path, mode="ro"))

    def _lies_still(self, error: sqlite3.Error) -> bool:
        """Whether there is no room for the -shm, without which nobody writes, nor anything in the -wal."""
        if not isinstance(translated(error, self._path, 0.0), StoreFull):
            return False
        try:
            return os.stat(f"{self._path}-wal").st_size == 0
        except FileNotFoundError:
            return True

    def _serve(self, batch: Batch) -> None:
        self._is_checked = False
        for operation in batch:
            try:
                operation.serve(self.connection)
            except sqlite3.Error as error:
                operation.error = self._told(error)
            except Exception as error:
                operation.error = error
            except BaseException as error:
                operation.error = StoreUnreachable(self._path, f"its reader was interrupted: {error!r}")
        if self._is_makeshift and self._connection is not None:
            # Soon there may be room, or the disk may be written: our own writer too could not, beside a connection
            # that has the -shm for reading only.
            self._is_makeshift = False
            self._close(self._connection)
        deliver(batch, (), set())

    def _told(self, error: sqlite3.Error) -> Exception:
        told = translated(error, self._path, 0.0)
        told.__cause__ = error
        if breaks_connection(error) and self._connection is not None:
            self._close(self._connection)
        return told

    def disconnect(self) -> None:
        """In a forked child, before anything is opened anew."""
        self._end()

    def _end(self) -> None:
        if self._connection is not None:
            self._close(self._connection)

    def _close(self, connection: sqlite3.Connection) -> None:
        if self._wal.is_lost:
            leave_open(connection)
        else:
            with suppress(sqlite3.Error):
                connection.close()
        self._connection = None
        self._wal.forget()


def _checked(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection
