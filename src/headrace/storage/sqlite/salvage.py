"""Reads what can still be read of a damaged file into a new one. The damaged file is never written to."""

import os
import sqlite3
from collections.abc import Iterator

import msgspec

from headrace.model.errors import CorruptStore, InvalidOption
from headrace.model.state import State
from headrace.storage.sqlite.connecting import connect_reader, connect_writer
from headrace.storage.sqlite.migrating import create

_BATCH = 500
_FARTHEST = 1 << 40
"""Where a damaged place seems to reach farther than this, it reaches to the end."""
_OTHERS = ("keys", "records", "timeline")
"""Tables beside the jobs. Counts are counted anew; leases of workers mean nothing here."""


class Salvaged(msgspec.Struct, frozen=True):
    """What was read."""

    jobs: int
    damaged: int
    """Places that could not be read. How many jobs stood there can't be known."""


def salvage(path: str, into: str) -> Salvaged:
    """Copies every readable row into the new file ``into``. SQLite keeps no checksums: a row that can be read may
    still have been altered. CorruptStore where nothing can be read at all."""
    if os.path.lexists(into):
        raise InvalidOption("salvage", into, "it exists; name a file that doesn't")
    source = _open_damaged(path)
    try:
        create(into)
        target = connect_writer(into, durable=True)
        try:
            target.execute("BEGIN IMMEDIATE")
            found = _copy_jobs(source, target)
            for table in _OTHERS:
                _copy_table(source, target, table)
            target.execute("INSERT INTO counts SELECT queue, state, count(*) FROM jobs GROUP BY queue, state")
            target.execute("COMMIT")
        finally:
            target.close()
    finally:
        source.close()
    return found


def _open_damaged(path: str) -> sqlite3.Connection:
    try:
        source = connect_reader(path, mode="ro")
        source.execute("SELECT seq FROM jobs LIMIT 0")
    except sqlite3.Error as error:
        raise CorruptStore(path, f"its first pages can't be read ({error})") from error
    return source


def _copy_jobs(source: sqlite3.Connection, target: sqlite3.Connection) -> Salvaged:
    columns = _shared_columns(source, target, "jobs")
    names, places = ", ".join(columns), ", ".join("?" * len(columns))
    state = columns.index("state")
    jobs = damaged = 0
    for row in _readable(source, names):
        if row is None:
            damaged += 1
        elif row[state] in set(State):
            jobs += target.execute(f"INSERT OR IGNORE INTO jobs ({names}) VALUES ({places})", row).rowcount
        else:
            damaged += 1
    return Salvaged(jobs, damaged)


def _readable(source: sqlite3.Connection, names: str) -> Iterator[tuple[object, ...] | None]:
    """Rows in order of their number; None for each place that can't be read."""
    query = f"SELECT {names} FROM jobs NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT ?"
    last, step, most = 0, 1, _BATCH
    while step < _FARTHEST:
        try:
            rows = source.execute(query, (last, most)).fetchall()
        except (sqlite3.Error, UnicodeDecodeError):
            if most > 1:
                most = 1  # row by row up to the damage
                continue
            if step == 1:
                yield None
            last, step = last + step, step * 2
            continue
        if not rows:
            return
        yield from rows
        last, step, most = rows[-1][0], 1, min(_BATCH, most * 2)


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    columns = _shared_columns(source, target, table)
    if not columns:
        return  # an older schema had no such table
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    try:
        for row in source.execute(f"SELECT {', '.join(columns)} FROM {table}"):
            target.execute(insert, row)
    except (sqlite3.Error, UnicodeDecodeError):
        return  # what came before the damage is kept


def _shared_columns(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> list[str]:
    """Those of the target that the source has as well: a damaged file is read in the schema it has."""
    there = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
    return [row[1] for row in target.execute(f"PRAGMA table_info({table})") if row[1] in there]
