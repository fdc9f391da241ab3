"""Writes back rows that were changed in memory: all that a patch may change."""

from collections.abc import Sequence

import msgspec

from headrace.model.job import Job
from headrace.storage.keeping import kept_for
from headrace.storage.sqlite.chunks import chunked, many_rows
from headrace.storage.sqlite.transaction import Parameters, Transaction

_COLUMNS = (
    "state",
    "due_at",
    "attempt",
    "crashes",
    "alone",
    "rescued",
    "cancel_requested",
    "parked_at",
    "finished_at",
    "reason",
    "result",
    "result_error",
    "history",
    "notes",
    "retention",
)
_WIDTH = 1 + len(_COLUMNS)
_SETTING = ", ".join(f"{column} = given.column{place}" for place, column in enumerate(_COLUMNS, 2))
_UPDATE = f"UPDATE jobs SET {_SETTING} FROM (VALUES {{rows}}) AS given WHERE jobs.id = given.column1"
_json = msgspec.json.Encoder()


def rewrite(transaction: Transaction, jobs: Sequence[Job]) -> None:
    """These rows, as they are now."""
    for chunk in chunked(jobs):
        transaction.run(many_rows(_UPDATE, _row, len(chunk)), _parameters(chunk))


def _row(_: int) -> str:
    return f"({','.join('?' * _WIDTH)})"


def _parameters(jobs: Sequence[Job]) -> Parameters:
    parameters: list[str | int | float | None] = []
    for job in jobs:
        parameters += (job.id, job.state, job.due_at, job.attempt, job.crashes, job.alone, job.rescued)
        parameters += (job.cancel_requested, job.parked_at, job.finished_at, job.reason, job.result)
        parameters += (job.result_error, _json.encode(job.history).decode() if job.history else "[]")
        parameters += (
            None if job.notes is None else _json.encode(job.notes).decode(),
            kept_for(job.options, job.state),
        )
    return parameters
