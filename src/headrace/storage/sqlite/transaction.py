"""What an operation sees of the transaction it runs in."""

import sqlite3
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from headrace.model.job import Job
from headrace.model.state import State
from headrace.storage.sqlite.moments import Moment
from headrace.storage.sqlite.queries import load_queries

_ROWS = load_queries("rows")
_jobs = msgspec.json.Decoder(list[Job], strict=False)
"""Not strict: SQLite has no booleans and says 0 and 1."""
_ids = msgspec.json.Decoder(list[str])
_text = msgspec.json.Encoder()

Parameters = Sequence[str | int | float | None]


class Executes(Protocol):
    """A connection, or what stands before one that isn't ours."""

    def execute(self, sql: str, parameters: Parameters = (), /) -> sqlite3.Cursor:
        """Rows are plain tuples, and text is ``str``."""
        ...


class Transaction:
    """A connection at one moment, and what the operation has changed so far beyond its rows."""

    def __init__(self, connection: Executes, moment: Moment) -> None:
        self._connection = connection
        self.now, self.boot, self.boot_id = moment
        self.moved: Counter[tuple[str, State]] = Counter()
        """By how much the number of a queue's jobs in a state has changed."""
        self.topics: set[str] = set()
        self.finals: list[str] = []
        """Ids of jobs that became final."""

    def run(self, statement: str, parameters: Parameters = ()) -> int:
        """How many rows it changed."""
        return self._connection.execute(statement, parameters).rowcount

    def value(self, statement: str, parameters: Parameters = ()) -> str | int | None:
        """The one value it gives; None without a row."""
        row: tuple[str | int | None] | None = self._connection.execute(statement, parameters).fetchone()
        return None if row is None else row[0]

    def rows(self, statement: str, parameters: Parameters = ()) -> Generator[tuple[Any, ...], None, None]:
        """Those it gives, one by one: for as many as no one wants in memory at once. To be closed, or read to the
        end: what reads on keeps the -wal."""
        cursor = self._connection.execute(statement, parameters)
        try:
            yield from cursor
        finally:
            cursor.close()

    def text(self, statement: str, parameters: Parameters = ()) -> str:
        """The one text it gives."""
        return str(self.value(statement, parameters))

    def jobs(self, statement: str, parameters: Parameters = ()) -> list[Job]:
        """The rows it gives, as one JSON text."""
        return _jobs.decode(self.text(statement, parameters))

    def ids(self, statement: str, parameters: Parameters = ()) -> list[str]:
        """The ids it gives, as one JSON text."""
        return _ids.decode(self.text(statement, parameters))

    def jobs_by_id(self, ids: Iterable[str]) -> dict[str, Job]:
        """Those of these jobs that are there."""
        return {job.id: job for job in self.jobs(_ROWS["jobs_by_id"], (json_text(list(dict.fromkeys(ids))),))}

    def move(self, queue: str, before: State | None, after: State | None, number: int = 1) -> None:
        """Notes for the counts that jobs went from one state to another; None: into or out of the store."""
        if before is not None:
            self.moved[queue, before] -= number
        if after is not None:
            self.moved[queue, after] += number


def json_text(value: object) -> str:
    """``value`` as one parameter."""
    return _text.encode(value).decode()


def write_counts(connection: Executes, moved: Counter[tuple[str, State]]) -> None:
    """Adds up what a transaction moved."""
    rows = [(queue, state, number) for (queue, state), number in moved.items() if number]
    if rows:
        connection.execute(_ROWS["insert_counts"], (json_text(rows),))
