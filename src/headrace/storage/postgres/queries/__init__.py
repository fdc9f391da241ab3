"""The SQL, as files: statements under ``-- name:`` lines, read once at import.

``{schema}`` stands for the schema, ``{job}`` for all columns of a job. Parameters are ``$1`` and so on.
"""

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_MARK = "-- name: "
JOB = """jobs.id::text, jobs.task, jobs.queue, jobs.payload, jobs.encoding, jobs.state, jobs.priority, jobs.due_at,
    jobs.enqueued_at, jobs.attempt, jobs.crashes, jobs.generation, jobs.worker, jobs.alone, jobs.rescued,
    jobs.cancel_requested, jobs.parked_at, jobs.started_at, jobs.finished_at, jobs.key, jobs.until, jobs.options,
    jobs.reason, jobs.result, jobs.result_error, jobs.history, jobs.notes"""
"""The columns of a row, in the order of the fields of a Job."""


def load_queries(area: str) -> Mapping[str, str]:
    """The statements of one file by name."""
    text = (files(__package__) / f"{area}.sql").read_text("utf-8")
    found: dict[str, str] = {}
    for part in text.split(_MARK)[1:]:
        name, _, statement = part.partition("\n")
        found[name.strip()] = statement.strip().removesuffix(";").replace("{job}", JOB)
    return MappingProxyType(found)
