"""Connections as this storage needs them."""

import sqlite3
from urllib.parse import quote

APPLICATION_ID = 0x48445243
"""HDRC, in the header of every file of ours."""
_CACHE_KIB = 16_384
"""Pages kept in memory by the writer. The system caches the file too; with 64 MiB a worker peaked 33 MB higher."""
_PATIENT = 5.0
"""Seconds a reader waits for the rare lock of a recovery."""


def connect_writer(path: str, *, durable: bool) -> sqlite3.Connection:
    """For the one thread that writes. It never waits inside SQLite, whose busy handler sleeps too long."""
    connection = open_connection(path, "rw", 0.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        set_durable(connection, durable)
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        # Else what a savepoint may have to take back goes to a file once it is larger than 64 KiB.
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def set_durable(connection: sqlite3.Connection, durable: bool) -> None:
    """Whether a commit waits for the disk."""
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    # Without it, macOS only hands the data to the drive.
    connection.execute(f"PRAGMA fullfsync = {int(durable)}")


def connect_reader(path: str, *, mode: str = "rw") -> sqlite3.Connection:
    """For the one thread that reads."""
    connection = open_connection(path, mode, _PATIENT)
    try:
        connection.execute("PRAGMA query_only = 1")
    except BaseException:
        connection.close()
        raise
    return connection


def open_connection(path: str, mode: str, timeout: float) -> sqlite3.Connection:
    """As all that this library opens; ``timeout``: seconds it waits for a lock."""
    connection = sqlite3.connect(
        f"file:{quote(path)}?{mode if '=' in mode else f'mode={mode}'}",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        # A checkpoint of SQLite's own could race a commit of another process: ours run under the writers' turn.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA mmap_size = 0")
        # Debian builds SQLite to overwrite what it deletes with zeros, which costs writes.
        connection.execute("PRAGMA secure_delete = 0")
    except BaseException:
        connection.close()
        raise
    return connection


def sqlite_warnings() -> list[str]:
    """What users should know of the SQLite that this Python brings."""
    if (3, 7, 0) <= sqlite3.sqlite_version_info < (3, 51, 3):
        return [
            f"SQLite {sqlite3.sqlite_version} has the WAL-reset bug (3.7.0 to 3.51.2): a checkpoint that races a "
            "commit can damage the file. headrace never lets its own race; let no other program write or checkpoint "
            "this file, or use a Python with SQLite 3.51.3 or newer"
        ]
    return []
