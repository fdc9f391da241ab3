"""Jobs leave the store: by wish, by age, by number."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from headrace.model.change import APPLIED, MISSING, STALE, Verdict
from headrace.model.job import Until
from headrace.model.state import State
from headrace.storage.contract import Keep
from headrace.storage.keeping import Sweep, sweeps
from headrace.storage.sqlite.keys import forget_lapsed_keys, free
from headrace.storage.sqlite.queries import load_queries
from headrace.storage.sqlite.records import forget_lapsed_records
from headrace.storage.sqlite.timeline import prune_timeline
from headrace.storage.sqlite.transaction import Transaction, json_text

_PRUNE = load_queries("prune")
_ROWS = load_queries("rows")
_MERGED = 64
"""Among more queues than this, the oldest jobs go first in each queue, not over all of them."""


class _Doomed(msgspec.Struct, array_like=True, frozen=True):
    id: str
    queue: str
    key: str | None
    until: Until
    finished_at: int


_doomed = msgspec.json.Decoder(list[_Doomed])
_crowds = msgspec.json.Decoder(list[tuple[str, int]])


def delete(transaction: Transaction, ids: Sequence[str], states: Collection[State]) -> list[Verdict]:
    """Removes what doesn't run, with its keys."""
    rows = transaction.jobs_by_id(ids)
    gone = [job for job in rows.values() if job.state in states and job.state is not State.RUNNING]
    free(transaction, [(job.queue, job.key, job.id) for job in gone])
    if gone:
        transaction.run(_ROWS["delete_jobs"], (json_text([job.id for job in gone]),))
    for job in gone:
        transaction.move(job.queue, job.state, None)
    left = dict.fromkeys(rows, STALE) | {job.id: APPLIED for job in gone}
    verdicts: list[Verdict] = []
    for job_id in ids:
        verdict = left.get(job_id, MISSING)
        verdicts.append(verdict)
        if verdict is APPLIED:
            del left[job_id]  # named twice, it is missing the second time
    return verdicts


def prune(
    transaction: Transaction,
    keep: Mapping[State, Keep],
    limit: int,
    of_queues: Mapping[str, Mapping[State, Keep]],
    entries: Mapping[str, float],
) -> int:
    """Jobs, and what else is kept for a time."""
    removed = 0
    for sweep in sweeps(keep, of_queues):
        removed += _remove(transaction, sweep.state, _too_old(transaction, sweep, limit - removed))
        removed += _remove(transaction, sweep.state, _expired(transaction, sweep, limit - removed))
        removed += _thin_out(transaction, sweep, limit - removed)
    forget_lapsed_keys(transaction)
    forget_lapsed_records(transaction)
    return removed + prune_timeline(transaction, entries, limit)


def _too_old(transaction: Transaction, sweep: Sweep, limit: int) -> Sequence[_Doomed]:
    ends = {queue: transaction.now - round(rule.age * 1000) for queue, rule in sweep.own.items()}
    if sweep.rule is not None:
        latest = transaction.now - round(sweep.rule.age * 1000)
        ends = dict.fromkeys(transaction.ids(_PRUNE["aged_queues"], (sweep.state, latest)), latest) | ends
    found: list[_Doomed] = []
    for queue, latest in ends.items():
        if len(ends) > _MERGED and len(found) >= limit:
            break
        found += _doomed.decode(transaction.text(_PRUNE["too_old"], (sweep.state, queue, latest, limit)))
    return sorted(found, key=lambda row: (row.finished_at, row.id))[:limit]


def _expired(transaction: Transaction, sweep: Sweep, limit: int) -> Sequence[_Doomed]:
    among = None if sweep.rule is not None else json_text(list(sweep.own))
    return _doomed.decode(transaction.text(_PRUNE["expired"], (sweep.state, transaction.now, limit, among)))


def _thin_out(transaction: Transaction, sweep: Sweep, limit: int) -> int:
    removed = 0
    least = min(rule.most for rule in (*sweep.own.values(), sweep.rule) if rule is not None)
    for queue, number in _crowds.decode(transaction.text(_PRUNE["crowded"], (sweep.state, least))):
        rule = sweep.rule_of(queue)
        if rule is None:
            continue
        # What was removed in this same call is not in the counts yet.
        beyond = min(number + transaction.moved[queue, sweep.state] - rule.most, limit - removed)
        if beyond > 0:
            doomed = _doomed.decode(transaction.text(_PRUNE["oldest"], (sweep.state, queue, beyond)))
            removed += _remove(transaction, sweep.state, doomed)
    return removed


def _remove(transaction: Transaction, state: State, rows: Collection[_Doomed]) -> int:
    if rows:
        free(transaction, [(row.queue, row.key, row.id) for row in rows if row.until is not Until.WINDOW])
        transaction.run(_ROWS["delete_jobs"], (json_text([row.id for row in rows]),))
        for row in rows:
            transaction.move(row.queue, state, None)
    return len(rows)
