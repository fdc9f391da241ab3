"""Reads of committed state."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from headrace.model.job import Job
from headrace.model.state import State
from headrace.storage.contract import Filter, Page
from headrace.storage.sqlite.queries import expand, load_queries
from headrace.storage.sqlite.transaction import Transaction, json_text

_ROWS = load_queries("rows")
_counts = msgspec.json.Decoder(list[tuple[str, State, int]])
_ONE_STATE: Mapping[State, str] = {State.RUNNING: "jobs_running", State.DEAD: "jobs_dead"}
"""Where few of very many rows are in the state that is asked for, and an index holds just those."""


def get(transaction: Transaction, ids: Sequence[str]) -> list[Job | None]:
    """In order."""
    rows = transaction.jobs_by_id(ids)
    return [rows.get(job_id) for job_id in ids]


def find(transaction: Transaction, where: Filter, limit: int, after: str | None) -> Page:
    """One more than asked for tells whether there is a next page."""
    conditions, parameters = _conditions(where)
    if after is not None:
        conditions.append("id < ?")
        parameters.append(after)
    statement = expand(
        f"SELECT json_group_array({{JOB}}) FROM (SELECT * FROM jobs {_index(where)} "
        f"WHERE {' AND '.join(conditions) or 'true'} ORDER BY id DESC LIMIT ?) AS jobs"
    )
    found = transaction.jobs(statement, [*parameters, limit + 1])
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


def _index(where: Filter) -> str:
    if where.cancel_requested:
        return "INDEXED BY jobs_stopping"
    if where.states is not None and len(where.states) == 1:
        name = _ONE_STATE.get(next(iter(where.states)))
        if name is not None:
            return f"INDEXED BY {name}"
    return ""


def _conditions(where: Filter) -> tuple[list[str], list[str | int | float | None]]:
    # A plus keeps SQLite from walking another index than that of ids, and sorting all it finds there for one page.
    index = _index(where)
    plus = "" if index else "+"
    in_order = "" if index.endswith("jobs_running") else "+"  # that of running jobs begins with queue and worker
    conditions: list[str] = []
    parameters: list[str | int | float | None] = []
    if where.states is not None:
        # As literals: only so does SQLite see that a partial index holds these rows.
        names = [f"'{state.value}'" for state in sorted(where.states)]
        conditions.append(f"{plus}state = {names[0]}" if len(names) == 1 else f"{plus}state IN ({', '.join(names)})")
    for column, wanted in (
        (f"{in_order}queue", where.queue),
        ("+task", where.task),
        (f"{in_order}worker", where.worker),
    ):
        if wanted is not None:
            conditions.append(f"{column} = ?")
            parameters.append(wanted)
    if where.cancel_requested is not None:
        conditions.append(f"{plus}cancel_requested = {int(where.cancel_requested)}")
    return conditions, parameters


def count(transaction: Transaction) -> dict[tuple[str, State], int]:
    """Of each queue and state that has any."""
    return {(queue, state): number for queue, state, number in _counts.decode(transaction.text(_ROWS["count"]))}


def next_due(transaction: Transaction, queues: Collection[str]) -> float | None:
    """Over all of these queues."""
    due_at = transaction.value(_ROWS["next_due"], (json_text(list(queues)),))
    return None if due_at is None else max(0, int(due_at) - transaction.now) / 1000
