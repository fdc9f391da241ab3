"""Asks the store what became of completions that handlers put into transactions of their own."""

from collections.abc import Callable, Sequence
from functools import partial

from headrace.model.change import APPLIED, Change, is_settled
from headrace.model.job import Job
from headrace.model.outcome import ROLLED_BACK, Outcome, Raised, Refused, Returned, Snoozed
from headrace.runtime.attempt import Attempt, Stop
from headrace.runtime.coalescer import Coalescer
from headrace.runtime.completer import PAUSE, Counted, Settled, Settlement
from headrace.runtime.loop import Report
from headrace.runtime.settler import Settler
from headrace.storage.contract import Storage
from headrace.system.clock import Clock
from headrace.system.ids import Entropy

_Answer = Callable[[bool | None], None]
"""Told whether it was committed; None where the store was not asked any more."""


class RaisedAfterCommit(RuntimeError):
    """A handler raised when its job was completed already, in a transaction of the handler's own."""

    def __init__(self, job: Job, what: str) -> None:
        super().__init__(f"task {job.task!r} completed its job {job.id} in its own transaction, and then {what}")


class Readback:
    """An attempt that is handed in is never dropped while the worker lives, as with the completer."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        entropy: Entropy,
        report: Report,
        settler: Settler,
        settled: Settled,
        counted: Counted,
        made_good: Callable[[Attempt], None],
        follow: Callable[[Attempt, Outcome | Stop], None],
    ) -> None:
        self._storage, self._clock, self._entropy, self._report = storage, clock, entropy, report
        self._settler, self._settled, self._counted, self._made_good = settler, settled, counted, made_good
        self._follow = follow
        """Does what follows from an outcome where nothing was committed."""
        self._given_up = False
        self._coalescer: Coalescer[tuple[str, Change], _Answer, bool] = Coalescer(self._ask, _deliver, _fail)

    def ended(self, attempt: Attempt, completion: Change, outcome: Outcome | Stop) -> None:
        """Its handler has ended."""
        self._coalescer.add((attempt.job.id, completion), partial(self._conclude, attempt, completion, outcome))

    def refused(self, settlement: Settlement, attempt: Attempt, completion: Change) -> None:
        """Nothing was committed, and what followed from that was refused: it may have been committed meanwhile."""
        self._coalescer.add((attempt.job.id, completion), partial(self._concede, settlement, attempt, completion))

    async def flush(self) -> None:
        """Returns when all is answered."""
        await self._coalescer.flush()

    def give_up(self) -> None:
        """The worker must end: ask no more. Its lease runs out, and a rescuer settles what is not settled."""
        self._given_up = True

    def _conclude(
        self, attempt: Attempt, completion: Change, outcome: Outcome | Stop, committed: bool | None = None
    ) -> None:
        if committed is None:
            self._follow(attempt, Stop.LOST)
        elif committed:
            settlement = Settlement(attempt.job, completion, attempt)
            self._settler.forget(attempt)
            self._settled(settlement, True)
            self._counted([settlement], [APPLIED])
            self._complain(attempt.job, outcome)
        else:
            self._settler.take_back(attempt)
            self._follow(attempt, ROLLED_BACK if type(outcome) is Returned else outcome)

    def _concede(
        self, settlement: Settlement, attempt: Attempt, completion: Change, committed: bool | None = None
    ) -> None:
        if committed:
            self._settled(Settlement(attempt.job, completion, attempt), True)
            self._made_good(attempt)
        else:
            attempt.enlisted = None
            self._settled(settlement, False)

    def _complain(self, job: Job, outcome: Outcome | Stop) -> None:
        match outcome:
            case Raised(failure) | Refused(failure):
                self._report("worker", RaisedAfterCommit(job, f"failed: {failure.text}\n{failure.traceback}".strip()))
            case Snoozed(reason=reason):
                self._report("worker", RaisedAfterCommit(job, f"asked to run again ({reason}), which it does not"))

    async def _ask(self, completions: Sequence[tuple[str, Change]]) -> Sequence[bool]:
        rows = await self._rows([job_id for job_id, _ in completions])
        return [is_settled(row, completion) for row, (_, completion) in zip(rows, completions, strict=True)]

    async def _rows(self, ids: Sequence[str]) -> Sequence[Job | None]:
        failures = 0
        while True:
            try:
                return await self._storage.get(ids)
            except Exception as error:
                failures += 1
                self._report("readback", error)
                if self._given_up:
                    raise
                await self._clock.sleep(PAUSE.delay(failures, self._entropy()))


def _deliver(owners: Sequence[_Answer], answers: Sequence[bool]) -> None:
    for tell, committed in zip(owners, answers, strict=True):
        tell(committed)


def _fail(owners: Sequence[_Answer], _: BaseException) -> None:
    for tell in owners:
        tell(None)
