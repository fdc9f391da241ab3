"""Dedup keys: who holds which, and until when."""

from collections.abc import Iterable

import msgspec

from headrace.model.job import Job, NewJob, Until
from headrace.storage.sqlite.queries import load_queries
from headrace.storage.sqlite.transaction import Transaction, json_text

_KEYS = load_queries("keys")
_holders = msgspec.json.Decoder(list[tuple[str, str, str]])

KeyName = tuple[str, str]
"""A queue and a key in it."""


def find_holders(transaction: Transaction, names: Iterable[KeyName]) -> dict[KeyName, str]:
    """The ids of the jobs that hold these keys."""
    wanted = list(set(names))
    if not wanted:
        return {}
    found = _holders.decode(transaction.text(_KEYS["holders"], (json_text(wanted), transaction.now)))
    return {(queue, key): job_id for queue, key, job_id in found}


def hold(transaction: Transaction, jobs: Iterable[NewJob]) -> None:
    """New jobs take free keys."""
    rows = [(new.queue, new.key, new.id, _ends_at(new, transaction.now)) for new in jobs if new.key is not None]
    if rows:
        transaction.run(_KEYS["hold"], (json_text(rows),))


def _ends_at(new: NewJob, now: int) -> int | None:
    return now + round((new.window or 0) * 1000) if new.until is Until.WINDOW else None


def take_back(transaction: Transaction, job: Job) -> None:
    """A job takes a free key again. A window is never opened anew."""
    if job.until is not Until.WINDOW:
        transaction.run(_KEYS["hold"], (json_text([(job.queue, job.key, job.id, None)]),))


def free(transaction: Transaction, held: Iterable[tuple[str, str | None, str]]) -> None:
    """Frees keys, each given as queue, key and the job that gives it up, where that job holds it."""
    rows = [row for row in held if row[1] is not None]
    if rows:
        transaction.run(_KEYS["free"], (json_text(rows),))


def release_of_running(transaction: Transaction, generations: str) -> None:
    """Frees the keys that these jobs hold, but no window. ``generations``: a JSON object by job id."""
    transaction.run(_KEYS["release_of_jobs"], (generations,))


def forget_lapsed_keys(transaction: Transaction) -> None:
    """Drops windows that have ended."""
    if transaction.value(_KEYS["any_lapsed_key"], (transaction.now,)):
        transaction.run(_KEYS["forget_lapsed_keys"], (transaction.now,))
