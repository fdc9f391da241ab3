"""The SQL, as files: statements under ``-- name:`` lines, read once at import.

``{schema}`` stands for the schema, ``{job}`` for all columns of a job, ``{moment}`` for the present, as a table of one
row. Parameters are ``$1`` and so on; where the present is asked for, ``$1`` is the latest that this process saw.
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

_MOMENT = """(
    SELECT CASE WHEN CAST($1 AS bigint) - clock[1] BETWEEN 1 AND 5000 THEN $1 ELSE clock[1] END AS now,
        coalesce(clock[2], clock[1]) AS lease
    FROM (SELECT {schema}.clock() AS clock OFFSET 0) AS read
)"""
"""The wall clock, which holds still while it is up to 5 s behind what was seen before, and the clock of leases."""


def load_queries(area: str) -> Mapping[str, str]:
    """The statements of one file by name."""
    text = (files(__package__) / f"{area}.sql").read_text("utf-8")
    found: dict[str, str] = {}
    for part in text.split(_MARK)[1:]:
        name, _, statement = part.partition("\n")
        found[name.strip()] = statement.strip().removesuffix(";").replace("{job}", JOB).replace("{moment}", _MOMENT)
    return MappingProxyType(found)
