"""Records what became of attempts: changes go out in batches, again and again until the storage has answered."""

from collections.abc import Callable, Sequence

import msgspec

from headrace.model.change import APPLIED, STALE, Change, Status, Verdict, stands
from headrace.model.errors import StoreError
from headrace.model.job import Job
from headrace.model.retry import RetryPolicy
from headrace.runtime.attempt import Attempt
from headrace.runtime.coalescer import Coalescer
from headrace.runtime.loop import SOON, Report
from headrace.storage.contract import Storage
from headrace.system.clock import Clock
from headrace.system.ids import Entropy

_APPLIED, _STALE = Status.APPLIED, Status.STALE


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """One change, and whose it is."""

    job: Job
    change: Change
    attempt: Attempt | None = None
    """None where the job was claimed and never started."""


Settled = Callable[[Settlement, bool], None]
"""Told of each settlement, and whether it was applied: False where the fence refused it."""
Counted = Callable[[Sequence[Settlement], Sequence[Verdict]], None]
"""Told of all settlements of one call together, once each was told of: what is done here costs every job."""

PAUSE = RetryPolicy.exponential(base=0.05, cap=SOON, jitter=0.5)
"""Between two tries, for what has to be tried until the storage has answered."""


class Completer:
    """A change that was handed in is never dropped while the worker lives: its job would be run again for nothing."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        entropy: Entropy,
        report: Report,
        settled: Settled,
        counted: Counted,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._entropy = entropy
        self._report = report
        self._settled = settled
        self._counted = counted
        self._given_up = False
        self._coalescer: Coalescer[Change, Settlement, Verdict] = Coalescer(self._apply, self._deliver, self._fail)
        self.waiting = 0
        """Changes handed in and not answered."""

    def add(self, settlement: Settlement) -> None:
        """Record this."""
        self.waiting += 1
        self._coalescer.add(settlement.change, settlement)

    async def flush(self) -> None:
        """Returns when all is recorded."""
        await self._coalescer.flush()

    def give_up(self) -> None:
        """The worker must end: try no more. Its lease runs out, and a rescuer settles the rest."""
        self._given_up = True

    async def _apply(self, changes: Sequence[Change], failures: int = 0) -> Sequence[Verdict]:
        while True:
            try:
                verdicts = await self._storage.apply(changes)
                return await self._recognized(changes, verdicts) if failures else verdicts
            except Exception as error:
                failures += 1
                self._report("completer", error)
                if self._given_up:
                    raise
                if not isinstance(error, StoreError) and len(changes) > 1:  # one of them is at fault: not all wait
                    return [verdict for change in changes for verdict in await self._apply([change], failures)]
                await self._clock.sleep(PAUSE.delay(failures, self._entropy()))

    async def _recognized(self, changes: Sequence[Change], verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
        """An earlier try may have been applied, its answer lost: what is stale then is our own doing."""
        stale = [change for change, verdict in zip(changes, verdicts, strict=True) if verdict.status is _STALE]
        if not stale:
            return verdicts
        rows = await self._storage.get([change.job_id for change in stale])
        ours = {change.job_id for change, job in zip(stale, rows, strict=True) if stands(job, change)}
        return [
            APPLIED if verdict.status is _STALE and change.job_id in ours else verdict
            for change, verdict in zip(changes, verdicts, strict=True)
        ]

    def _deliver(self, settlements: Sequence[Settlement], verdicts: Sequence[Verdict]) -> None:
        self.waiting -= len(settlements)
        for settlement, verdict in zip(settlements, verdicts, strict=True):
            self._settled(settlement, verdict.status is _APPLIED)
        self._counted(settlements, verdicts)

    def _fail(self, settlements: Sequence[Settlement], _: BaseException) -> None:
        self.waiting -= len(settlements)
        for settlement in settlements:
            self._settled(settlement, False)
        self._counted(settlements, [STALE] * len(settlements))
