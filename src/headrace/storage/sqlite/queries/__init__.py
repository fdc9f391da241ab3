"""The SQL, as files: statements under ``-- name:`` lines, read once at import."""

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_MARK = "-- name: "
_FIRST = """jobs.id, jobs.task, jobs.queue, jobs.payload, jobs.encoding, jobs.state, jobs.priority, jobs.due_at,
    jobs.enqueued_at"""
_JOB = f"""iif(
    jobs.generation = 0 AND jobs.until = 'finished' AND jobs.options = '{{}}' AND jobs.history = '[]'
        AND jobs.cancel_requested = 0
        AND coalesce(jobs.key, jobs.reason, jobs.finished_at, jobs.result, jobs.notes, jobs.parked_at) IS NULL,
    json_array({_FIRST}),
    json_array(
        {_FIRST}, jobs.attempt, jobs.crashes, jobs.generation, jobs.worker, jobs.alone, jobs.rescued,
        jobs.cancel_requested, jobs.parked_at, jobs.started_at, jobs.finished_at, jobs.key, jobs.until,
        json(jobs.options), jobs.reason, jobs.result, jobs.result_error, json(jobs.history), json(jobs.notes)
    )
)"""
"""A row as the JSON of a Job, whose fields stand in this order. A job that was never claimed, and of which nothing
special was asked, is told by its first fields; the others have their defaults: of most jobs, a claim reads only those.

A whole result comes as one row: the sqlite3 module gives the GIL up and takes it again at every row.
"""


def expand(statement: str) -> str:
    """Fills in what stands for a whole job."""
    return statement.replace("{JOB}", _JOB)


def load_queries(area: str) -> Mapping[str, str]:
    """The statements of one file by name."""
    text = (files(__package__) / f"{area}.sql").read_text("utf-8")
    found: dict[str, str] = {}
    for part in text.split(_MARK)[1:]:
        name, _, statement = part.partition("\n")
        found[name.strip()] = expand(statement.strip().removesuffix(";"))
    return MappingProxyType(found)
