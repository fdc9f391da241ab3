"""Changes of jobs: the common shape in one statement, all others one after another."""

from collections.abc import Sequence

import msgspec

from headrace.model.change import APPLIED, MISSING, STALE, Change, Held, Status, Verdict, passes, patched
from headrace.model.job import Job, NewJob, Until
from headrace.model.state import FINAL, State
from headrace.storage.batching import Finish, commute, finish_of
from headrace.storage.sqlite import keys
from headrace.storage.sqlite.inserting import insert_jobs
from headrace.storage.sqlite.queries import load_queries
from headrace.storage.sqlite.records import write_all
from headrace.storage.sqlite.rewriting import rewrite
from headrace.storage.sqlite.transaction import Transaction, json_text

_APPLY = load_queries("apply")
_RUNNING, _PENDING, _COMPLETED = State.RUNNING, State.PENDING, State.COMPLETED
_fenced = msgspec.json.Decoder(list[tuple[str, int, int, int, str]])


def apply(transaction: Transaction, changes: Sequence[Change]) -> list[Verdict]:
    """Each change against what the ones before it left."""
    together: dict[Finish, list[int]] = {}
    alone: list[int] = []
    for place, change in enumerate(changes):
        finish = finish_of(change)
        (alone if finish is None else together.setdefault(finish, [])).append(place)
    if len({change.job_id for change in changes}) < len(changes) or not commute([changes[place] for place in alone]):
        return _Sequence(transaction, changes).apply()
    verdicts = [APPLIED] * len(changes)
    for finish, places in together.items():
        if not _finish(transaction, finish, [changes[place] for place in places]):
            alone += places
    if alone:
        answers = _Sequence(transaction, [changes[place] for place in alone]).apply()
        for place, verdict in zip(alone, answers, strict=True):
            verdicts[place] = verdict
    return verdicts


def _finish(transaction: Transaction, finish: Finish, changes: Sequence[Change]) -> bool:
    """All of these, or none: then at least one guard fails."""
    generations = json_text({change.job_id: _generation(change) for change in changes})
    fenced = _fenced.decode(transaction.text(_APPLY["fence"], (generations, finish.worker)))
    if sum(number for _, number, _, _, _ in fenced) < len(changes):
        return False
    if finish.release_key and any(keyed for _, _, keyed, _, _ in fenced):
        keys.release_of_running(transaction, generations)
    places = f"[{','.join([places for *_, places in fenced])}]"
    transaction.run(_APPLY["finish"], (places, _COMPLETED, transaction.now, finish.reason))
    results = {
        change.job_id: (patch.result, patch.result_error or None)
        for change in changes
        if (patch := change.patch).result is not None or patch.result_error
    }
    if results:
        transaction.run(_APPLY["keep_results"], (json_text(results),))
    for queue, number, _, has_ceiling, _ in fenced:
        transaction.move(queue, _RUNNING, _COMPLETED, number)
        if has_ceiling:
            transaction.topics.add(f"queue:{queue}")
    transaction.finals += [change.job_id for change in changes]
    return True


def _generation(change: Change) -> int:
    return change.guard.generation if isinstance(change.guard, Held) else -1


class _Sequence:
    """Changes one after another: decided on rows in memory, which are written back at the end."""

    def __init__(self, transaction: Transaction, changes: Sequence[Change]) -> None:
        self._transaction = transaction
        self._changes = changes
        self._rows = transaction.jobs_by_id([change.job_id for change in changes])
        self._before = dict(self._rows)
        self._then: list[NewJob] = []
        self._released: list[tuple[str, str | None, str]] = []
        self._left: set[str] = set()
        """Queues that have a running job less."""

    def apply(self) -> list[Verdict]:
        verdicts = [self._apply(change) for change in self._changes]
        self._settle()
        changed = [job for job_id, job in self._rows.items() if job is not self._before.get(job_id)]
        rewrite(self._transaction, changed)
        if self._left:
            ceilings = self._transaction.ids(_APPLY["ceilings"], (json_text(list(self._left)),))
            self._transaction.topics.update([f"queue:{queue}" for queue in ceilings])
        return verdicts

    def _apply(self, change: Change) -> Verdict:
        transaction, patch = self._transaction, change.patch
        job = self._look_up(change.job_id)
        if job is None:
            return MISSING
        if not passes(change.guard, job):
            return STALE
        if patch.take_key and job.key is not None:
            self._settle()
            holder = keys.find_holders(transaction, [(job.queue, job.key)]).get((job.queue, job.key))
            if holder is not None and holder != job.id:
                return Verdict(Status.HELD, holder)
        if change.puts and write_all(transaction, change.puts) is not None:
            return STALE
        after = self._rows[job.id] = patched(job, patch, transaction.now)
        transaction.move(job.queue, job.state, after.state)
        self._note_topics(job, after)
        if job.key is not None:
            if patch.take_key:
                keys.take_back(transaction, job)
            if patch.release_key and job.until is not Until.WINDOW:
                self._released.append((job.queue, job.key, job.id))
        self._follow_up(change.then)
        return APPLIED

    def _look_up(self, job_id: str) -> Job | None:
        job = self._rows.get(job_id)
        if job is None and any(new.id == job_id for new in self._then):
            self._settle()
            found = self._transaction.jobs_by_id([job_id])
            self._rows |= found
            self._before |= found
            job = found.get(job_id)
        return job

    def _follow_up(self, jobs: Sequence[NewJob]) -> None:
        self._then += jobs
        if any(new.key is not None or new.puts for new in jobs):
            self._settle()  # what comes later must find these keys and records

    def _settle(self) -> None:
        """Makes true what was put off so that one statement does it for many."""
        keys.free(self._transaction, self._released)
        self._released = []
        if self._then:
            insert_jobs(self._transaction, self._then)
            self._then = []

    def _note_topics(self, before: Job, after: Job) -> None:
        transaction = self._transaction
        if before.state is _RUNNING and after.state is not _RUNNING:
            self._left.add(before.queue)
        if after.state is _PENDING:
            transaction.topics.add(f"queue:{after.queue}")
        elif after.state in FINAL:
            transaction.finals.append(after.id)
        elif after.state is _RUNNING and after.cancel_requested and not before.cancel_requested:
            transaction.topics.add(f"worker:{after.worker}")
