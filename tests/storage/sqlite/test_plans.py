"""How SQLite finds rows: by an index made for it, so that no call grows slower with what it doesn't look for."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files

import pytest

from headrace.storage.sqlite.migrating import migrate_open
from headrace.storage.sqlite.queries import load_queries

AREAS = sorted(
    file.name.removesuffix(".sql")
    for file in files("headrace.storage.sqlite.queries").iterdir()
    if file.name.endswith(".sql")
)
STATEMENTS = {(area, name): text for area in AREAS for name, text in load_queries(area).items()}
GROWING = "jobs|timeline|records|keys"
"""Tables that may hold millions of rows. There are never more workers, nor more counts, than workers and queues."""
RUNNING = "SCAN jobs USING INDEX jobs_running"
"""The one walk through a whole index: what runs is never much, and orphans may be anybody's."""

WANTED = {
    ("timeline", "history"): "SEARCH timeline USING INDEX timeline_order (kind=? AND (at,id)>(?,?) AND at<?)",
    ("timeline", "history_of_queue"): (
        "SEARCH timeline USING INDEX timeline_of_queue (kind=? AND queue=? AND (at,id)>(?,?) AND at<?)"
    ),
    ("timeline", "prune"): "SEARCH timeline USING COVERING INDEX timeline_order (kind=? AND at<?)",
    ("records", "record"): "SEARCH records USING PRIMARY KEY (kind=? AND name=?)",
    ("records", "records"): "SEARCH records USING PRIMARY KEY (kind=? AND name>?)",
    ("records", "records_by_name"): "SEARCH records USING PRIMARY KEY (kind=? AND name=?)",
    ("records", "any_lapsed_record"): "SEARCH records USING COVERING INDEX records_lapsing (lapses_at>?)",
    ("records", "forget_lapsed_records"): "SEARCH records USING COVERING INDEX records_lapsing (lapses_at>?)",
    ("prune", "aged_queues"): (
        "SEARCH jobs USING COVERING INDEX jobs_final (state=? AND queue=? AND finished_at>? AND finished_at<?)"
    ),
    ("prune", "too_old"): (
        "SEARCH jobs USING INDEX jobs_final (state=? AND queue=? AND finished_at>? AND finished_at<?)"
    ),
    ("prune", "expired"): "SEARCH jobs USING INDEX jobs_expiring (state=? AND <expr><?)",
    ("prune", "oldest"): "SEARCH jobs USING INDEX jobs_final (state=? AND queue=? AND finished_at>?)",
}


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate_open(connection)
        yield connection


def _plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    parameters = max([0, *(int(number) for number in re.findall(r"\?(\d+)", statement))])
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", [None] * parameters)]


@pytest.mark.parametrize("name", STATEMENTS, ids="/".join)
def test_nothing_reads_a_whole_table(connection: sqlite3.Connection, name: tuple[str, str]) -> None:
    plan = _plan(connection, STATEMENTS[name])
    named = {line.removeprefix("CO-ROUTINE ") for line in plan if line.startswith("CO-ROUTINE ")}
    walks = [
        line for line in plan if re.match(rf"SCAN ({GROWING})\b", line) and line.removeprefix("SCAN ") not in named
    ]
    assert set(walks) <= {RUNNING}


@pytest.mark.parametrize("name", WANTED, ids="/".join)
def test_it_goes_by_its_index(connection: sqlite3.Connection, name: tuple[str, str]) -> None:
    plan = _plan(connection, STATEMENTS[name])
    assert WANTED[name] in plan
    sorted_here = [line for line in plan if line.startswith("USE TEMP B-TREE")]
    assert not sorted_here or name == ("records", "records_by_name")  # names come in the caller's order


def test_what_a_page_costs_does_not_depend_on_where_it_lies(connection: sqlite3.Connection) -> None:
    """Steps of SQLite's machine, counted in tens: a page in the middle of 20,000 entries costs what the first costs."""
    rows = [(f"{number:05}", "minute", f"q{number % 100}", number // 50, "{}") for number in range(20_000)]
    connection.executemany("INSERT INTO timeline VALUES (?, ?, ?, ?, ?)", rows)

    def cost(name: str, *parameters: object) -> int:
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        connection.set_progress_handler(count, 10)
        assert connection.execute(STATEMENTS["timeline", name], parameters).fetchone()[0].count('{"id"') == 50
        connection.set_progress_handler(None, 0)
        return steps

    for name, more in (("history", ()), ("history_of_queue", ("q7",))):
        first = cost(name, "minute", 0, "", 2**62, 50, *more)
        middle = cost(name, "minute", 200, "10025", 2**62, 50, *more)
        assert middle < first * 1.1
