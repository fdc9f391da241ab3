"""Brings a file to the latest schema: forward only, each number in one transaction."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.resources import files

from headrace.model.errors import StoreUnreachable
from headrace.storage.sqlite.connecting import APPLICATION_ID, connect_writer
from headrace.system.ids import system_entropy

_PRIVATE = 0o600


def _load() -> dict[int, str]:
    found = files("headrace.storage.sqlite.migrations").iterdir()
    return {int(file.name[:4]): file.read_text("utf-8") for file in found if file.name.endswith(".sql")}


_MIGRATIONS = _load()
LATEST = max(_MIGRATIONS)
"""The schema this version works with."""


def migrate_open(connection: sqlite3.Connection) -> int:
    """Runs what is missing inside the transaction that the caller has begun, and returns the number reached."""
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    for number in sorted(_MIGRATIONS):
        if number > found:
            for statement in _statements(_MIGRATIONS[number]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    return max(found, LATEST)


def _statements(text: str) -> Iterator[str]:
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def create(path: str, fill: Callable[[str], None] | None = None) -> None:
    """A new file appears whole, readable by its owner only; or another process's stays. ``fill`` makes what is in it;
    None: the schema of a store."""
    draft = f"{path}.{os.getpid()}-{int(system_entropy() * 2**48):012x}.new"
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE)
        try:
            os.fchmod(descriptor, _PRIVATE)
        finally:
            os.close(descriptor)
        (fill or _fill)(draft)
        _publish(draft, path)
    finally:
        for rest in (draft, f"{draft}-wal", f"{draft}-shm", f"{draft}-journal"):
            with suppress(OSError):
                os.unlink(rest)


def _fill(draft: str) -> None:
    connection = connect_writer(draft, durable=True)
    try:
        connection.execute("BEGIN IMMEDIATE")
        migrate_open(connection)
        connection.execute("COMMIT")
        # Closing does this too, and keeps silent where it fails: the file would appear without what the -wal holds.
        if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise StoreUnreachable(draft, "somebody else uses it")
    finally:
        connection.close()


def _publish(draft: str, path: str) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except PermissionError:
        raise
    except OSError as error:
        # A filesystem without hard links: the moment between the look and the move is ours to lose.
        if os.path.exists(path):
            return
        if not os.path.exists(draft):
            raise StoreUnreachable(path, str(error)) from None
        os.rename(draft, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
