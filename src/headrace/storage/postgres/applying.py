"""Changes of jobs: plain completions in one statement, all others one after another on a draft."""

from collections.abc import Sequence

from headrace.model.change import APPLIED, Change, Verdict
from headrace.storage.batching import Finish, finish_of
from headrace.storage.postgres import drafting
from headrace.storage.postgres.queries import load_queries
from headrace.storage.postgres.statement import Statement, Steps
from headrace.storage.postgres.telling import Told

_APPLY = load_queries("apply")


def common_finish(changes: Sequence[Change]) -> Finish | None:
    """What all of these have in common, each about a job of its own: one statement does it."""
    first = finish_of(changes[0]) if changes else None
    if first is None or len({change.job_id for change in changes}) < len(changes):
        return None
    return first if all(finish_of(change) == first for change in changes) else None


def complete(told: Told, changes: Sequence[Change], finish: Finish) -> Steps[dict[str, Verdict]]:
    """Verdicts of those that were applied, by job; the guards of the others failed."""
    changes = sorted(changes, key=lambda change: change.job_id)  # the order in which all lock rows
    results = [change.patch.result for change in changes]
    errors = [change.patch.result_error or None for change in changes]
    rows = yield Statement(
        _APPLY["complete"],
        (
            told.latest,
            finish.worker,
            [change.job_id for change in changes],
            [change.guard.generation for change in changes],  # type: ignore[union-attr] # finish_of says so
            results if any(results) else [],  # an array that is shorter than the ids goes on with NULL
            errors if any(errors) else [],
            finish.reason,
            finish.release_key,
        ),
    )
    told.now, some, ceilings = rows[0]
    done = dict.fromkeys([change.job_id for change in changes] if some is None else some, APPLIED)
    told.finals += done
    told.queues(ceilings)
    return done


def apply(told: Told, changes: Sequence[Change]) -> Steps[list[Verdict]]:
    """Each change against what the ones before it left."""
    draft = yield from drafting.begin(told)
    jobs = [new for change in changes for new in change.then]
    yield from drafting.load(draft, jobs, (), changes)
    verdicts = [draft.apply(change) for change in changes]
    yield from drafting.write(draft)
    return verdicts
