"""Jobs leave the store: by wish, by age, by number."""

from collections.abc import Collection, Mapping, Sequence

from headrace.model.change import APPLIED, MISSING, STALE, Verdict
from headrace.model.state import State
from headrace.storage.contract import Keep
from headrace.storage.keeping import Sweep, sweeps
from headrace.storage.postgres.queries import load_queries
from headrace.storage.postgres.rows import is_id
from headrace.storage.postgres.statement import Statement, Steps
from headrace.storage.postgres.telling import Told
from headrace.storage.postgres.timeline import prune_timeline

_INSERT, _KEYS, _PRUNE, _RECORDS = (load_queries(area) for area in ("insert", "keys", "prune", "records"))


def delete(ids: Sequence[str], states: Collection[State]) -> Steps[list[Verdict]]:
    """Removes what doesn't run, with its keys."""
    wanted = [job_id for job_id in dict.fromkeys(ids) if is_id(job_id)]
    there = {row[0] for row in (yield Statement(_INSERT["there"], (wanted,)))}
    gone = set((yield from _remove(wanted, states, windows=True)))
    verdicts: list[Verdict] = []
    for job_id in ids:
        # named twice, it is missing the second time
        verdicts.append(APPLIED if job_id in gone else STALE if job_id in there else MISSING)
        if job_id in gone:
            gone.discard(job_id)
            there.discard(job_id)
    return verdicts


def prune(
    told: Told,
    keep: Mapping[State, Keep],
    limit: int,
    of_queues: Mapping[str, Mapping[State, Keep]],
    entries: Mapping[str, float],
) -> Steps[int]:
    """Jobs, and what else is kept for a time."""
    ((told.now, lease),) = yield Statement(_INSERT["moment"], (told.latest,))
    removed = 0
    for sweep in sweeps(keep, of_queues):
        removed += yield from _sweep(told.now, sweep, limit - removed)
    yield Statement(_KEYS["forget_lapsed"], (told.now,))
    yield Statement(_RECORDS["forget_lapsed"], (lease,))
    return removed + (yield from prune_timeline(told.now, entries, limit))


def _sweep(now: int, sweep: Sweep, limit: int) -> Steps[int]:
    """By age first, then by number, oldest first."""
    queues = list(sweep.own)
    if sweep.rule is not None:
        queues += [row[0] for row in (yield Statement(_PRUNE["queues"], (sweep.state.value,))) if row[0] not in queues]
    rules = {queue: rule for queue in queues if (rule := sweep.rule_of(queue)) is not None}
    ends = [now - round(rule.age * 1000) for rule in rules.values()]
    doomed = yield Statement(_PRUNE["too_old"], (sweep.state.value, list(rules), ends, limit))
    removed = len((yield from _remove([row[0] for row in doomed], [sweep.state])))
    among = None if sweep.rule is not None else list(sweep.own)
    doomed = yield Statement(_PRUNE["expired"], (sweep.state.value, now, among, limit - removed))
    removed += len((yield from _remove([row[0] for row in doomed], [sweep.state])))
    mosts = [rule.most for rule in rules.values()]
    doomed = yield Statement(_PRUNE["beyond"], (sweep.state.value, list(rules), mosts, limit - removed))
    removed += len((yield from _remove([row[0] for row in doomed], [sweep.state])))
    return removed


def _remove(ids: Sequence[str], states: Collection[State], *, windows: bool = False) -> Steps[list[str]]:
    """Those of these jobs that are in such a state, with their keys; ``windows``: those that last included."""
    if not ids:
        return []
    names = [state.value for state in states if state is not State.RUNNING]
    return [row[0] for row in (yield Statement(_PRUNE["remove"], (list(ids), names, windows)))]
