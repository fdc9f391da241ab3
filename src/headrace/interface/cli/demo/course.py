"""The course of the demo: workers start, jobs come in, one worker dies, all is done, all is counted."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from headrace.interface.cli.demo.audit import Audit, take_audit
from headrace.interface.cli.demo.ledger import LEDGER, Ledger, read_ledger
from headrace.interface.cli.demo.patience import AWAY, STALLED, Patience
from headrace.interface.cli.demo.planning import Planned
from headrace.interface.cli.demo.producer import Producer
from headrace.interface.cli.demo.screen import Screen
from headrace.interface.cli.demo.tasks import LEASE, QUEUE, Parts
from headrace.interface.cli.demo.workforce import Casualty, DemoStopped, Workforce, command
from headrace.model.state import FINAL
from headrace.storage.contract import Storage

_LOOK = 0.05
KILL_AT = 1 / 3
"""How much is done when the kill comes."""


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    url: str
    folder: Path
    sources: Sequence[str]
    processes: int

    def planned(self, new_id: Callable[[], str]) -> Sequence[Planned]:
        """The jobs to be enqueued."""
        return [Planned(new_id(), source) for source in self.sources]

    @property
    def ledger(self) -> Path:
        """Where acknowledged ids are written."""
        return self.folder / LEDGER


class Course:
    """One run."""

    def __init__(self, plan: Plan, parts: Parts, storage: Storage, screen: Screen) -> None:
        self._plan, self._parts, self._storage, self._screen = plan, parts, storage, screen
        self._clock = parts.app.clock
        self._patience = Patience(self._clock, screen, STALLED)
        self._total = len(plan.sources)
        """Jobs to be done, those included that an earlier run left on this storage."""
        self._before = 0
        """Jobs that are final already."""
        self._done = 0
        self._done_at = 0.0
        self._casualty: Casualty | None = None
        self._rescue_told = False

    async def run(self) -> Audit:
        """From the first worker to the account. DemoStopped where it can't go on."""
        self._before, left = await self._count()
        self._total += left
        if left:
            self._screen.step("earlier", f"{left:,} jobs wait here since an earlier run. They are done first.")
        self._done_at = self._clock.monotonic()
        self._screen.advance(0, self._total, self._done_at)
        workforce = await Workforce.start(self._plan.url, self._plan.folder, self._plan.processes)
        self._screen.step("workers", f"{command(self._plan.processes)}")
        try:
            with Ledger(self._plan.ledger) as ledger:
                await self._work(workforce, ledger)
        finally:
            await workforce.stop()
        ids, expected = read_ledger(self._plan.ledger), len(self._plan.sources)
        return await self._patience.ask(lambda: take_audit(self._storage, ids, expected, self._plan.folder))

    async def _work(self, workforce: Workforce, ledger: Ledger) -> None:
        producer = Producer(self._parts, self._plan.folder, ledger, self._patience)
        producing = asyncio.ensure_future(producer.run(self._plan.planned(self._parts.app.ids.new)))
        told = False
        try:
            while not (producing.done() and await self._is_over()):
                workforce.check()
                if producing.done() and not told:
                    producing.result()
                    told = True
                    self._tell_enqueued(ledger)
                await self._look(workforce, ledger)
                await self._clock.sleep(_LOOK)
            await self._tell_rescue()
        except TimeoutError:
            raise DemoStopped(f"the storage has not answered for {STALLED:.0f} s") from None
        finally:
            producing.cancel()
            with suppress(asyncio.CancelledError):
                await producing

    async def _is_over(self) -> bool:
        done, left = await self._count()
        self._note(done - self._before)
        return not left

    async def _look(self, workforce: Workforce, ledger: Ledger) -> None:
        done, left = await self._count()
        self._note(done - self._before)
        now = self._clock.monotonic()
        if now - self._done_at > STALLED:
            raise DemoStopped(f"no job was done for {STALLED:.0f} s; {left:,} are left")
        self._screen.advance(self._done, self._total, now)
        if self._casualty is None and self._done >= self._total * KILL_AT:
            with suppress(*AWAY):  # the storage is away: later
                self._casualty = await workforce.kill_one(self._storage, ledger, now)
            if self._casualty is not None:
                self._tell_kill(self._casualty)
        elif self._casualty is not None:
            await self._tell_rescue()

    def _note(self, done: int) -> None:
        if done != self._done:
            self._done, self._done_at = done, self._clock.monotonic()

    async def _count(self) -> tuple[int, int]:
        """Final jobs in the demo's queue, and those that are not."""
        done = left = 0
        async with asyncio.timeout(STALLED):
            counts = await self._patience.ask(self._storage.count)
        for (queue, state), count in counts.items():
            if queue == QUEUE and state in FINAL:
                done += count
            elif queue == QUEUE:
                left += count
        return done, left

    def _tell_enqueued(self, ledger: Ledger) -> None:
        self._screen.step(
            "enqueued",
            f"{len(ledger):,} jobs acknowledged, half in bulk, half one by one, while the workers ran. "
            f"Each id was written to {ledger.path.name} after its acknowledgement.",
        )

    def _tell_kill(self, casualty: Casualty) -> None:
        self._screen.step(
            "killed",
            f"Worker process {casualty.pid}, with SIGKILL, at {self._done:,} done. In its hands: "
            f"{', '.join(casualty.sources)}. Its supervisor sees that, starts another, and ends the dead one's lease, "
            f"which would run out after {LEASE:g} s. Then its jobs go to a living worker.",
            "red",
        )

    async def _tell_rescue(self) -> None:
        if self._casualty is None or self._rescue_told:
            return
        held = [job.id for job in self._casualty.held]
        jobs = await self._patience.ask(lambda: self._storage.get(held))
        if not all(job is not None and job.crashes for job in jobs):
            return
        self._rescue_told = True
        seconds = self._clock.monotonic() - self._casualty.killed_at
        what = "its job was" if len(jobs) == 1 else f"its {len(jobs)} jobs were"
        self._screen.step(
            "rescued",
            f"{seconds:.1f} s later {what} taken from the dead worker. Each runs again, and alone in its process: "
            "if a job brings its worker down, it is known which.",
            "green",
        )
