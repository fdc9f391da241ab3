"""Reads of committed state."""

from collections.abc import Collection, Sequence

from headrace.model.job import Job
from headrace.model.state import RUNNING, State
from headrace.storage.contract import Filter, Page
from headrace.storage.postgres.queries import JOB, load_queries
from headrace.storage.postgres.rows import is_id, job_of
from headrace.storage.postgres.statement import Statement, Steps
from headrace.storage.postgres.telling import Told

_FIND = load_queries("find")


def get(ids: Sequence[str]) -> Steps[list[Job | None]]:
    """In order."""
    wanted = [job_id for job_id in dict.fromkeys(ids) if is_id(job_id)]
    rows = (yield Statement(_FIND["get"], (wanted,))) if wanted else ()
    found = {job.id: job for job in map(job_of, rows)}
    return [found.get(job_id) for job_id in ids]


def find(where: Filter, limit: int, after: str | None) -> Steps[Page]:
    """One more than asked for tells whether there is a next page."""
    conditions, parameters = _conditions(where)
    if after is not None:
        parameters.append(after)
        conditions.append(f"jobs.id < CAST(CAST(${len(parameters)} AS text) AS uuid)")
    parameters.append(limit + 1)
    # Where few of very many rows pass, and an index holds just those: in this order the server can't walk all ids.
    few = where.cancel_requested or where.states == RUNNING
    order = 'CAST(jobs.id AS text) COLLATE "C"' if few else "jobs.id"
    statement = (
        f"SELECT {JOB} FROM {{schema}}.jobs WHERE {' AND '.join(conditions) or 'true'} "
        f"ORDER BY {order} DESC LIMIT ${len(parameters)}"
    )
    found = [job_of(row) for row in (yield Statement(statement, tuple(parameters)))]
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


def _conditions(where: Filter) -> tuple[list[str], list[object]]:
    """States stand in the text: only so does the server see that a partial index holds these rows."""
    conditions: list[str] = []
    parameters: list[object] = []
    if where.states is not None:
        names = ", ".join(f"'{state.value}'" for state in sorted(where.states))
        conditions.append(f"jobs.state IN ({names})" if names else "false")
    for column, wanted in (("queue", where.queue), ("task", where.task), ("worker", where.worker)):
        if wanted is not None:
            parameters.append(wanted)
            conditions.append(f"jobs.{column} = ${len(parameters)}")
    if where.cancel_requested is not None:
        conditions.append("jobs.cancel_requested" if where.cancel_requested else "NOT jobs.cancel_requested")
    return conditions, parameters


def count() -> Steps[dict[tuple[str, State], int]]:
    """Of each queue and state that has any. It reads all rows, and so fastest in the order in which they lie."""
    yield Statement("SET LOCAL enable_seqscan = on")
    return {(queue, State(state)): number for queue, state, number in (yield Statement(_FIND["count"]))}


def next_due(told: Told, queues: Collection[str]) -> Steps[float | None]:
    """Over all of these queues."""
    ((told.now, due_at),) = yield Statement(_FIND["next_due"], (told.latest, list(queues)))
    return None if due_at is None else max(0, due_at - told.now) / 1000
