"""The course of the demo on a storage that only one process may write to: it is killed, and started again."""

import os
import sys
from collections import deque
from collections.abc import Callable

from headrace.interface.cli.demo import roster, sole
from headrace.interface.cli.demo.audit import Audit, Window, take_audit
from headrace.interface.cli.demo.course import KILL_AT, Plan
from headrace.interface.cli.demo.ledger import Ledger, read_ledger
from headrace.interface.cli.demo.patience import STALLED
from headrace.interface.cli.demo.planning import Progress, read_progress, write_plan
from headrace.interface.cli.demo.screen import Screen
from headrace.interface.cli.demo.tasks import QUEUE, Parts
from headrace.interface.cli.demo.workforce import DemoStopped, last_words
from headrace.model.state import FINAL
from headrace.storage.contract import Storage
from headrace.system.program import Program

_LOOK = 0.05
_GRACE = 15.0


class SoleCourse:
    """One run. This process reads the store before the other is there, and when it has ended."""

    def __init__(self, plan: Plan, parts: Parts, storage: Storage, screen: Screen) -> None:
        self._plan, self._parts, self._storage, self._screen = plan, parts, storage, screen
        self._clock = parts.app.clock
        self._window = storage.capabilities.window
        self._log = plan.folder / "worker.log"
        self._before = 0
        """Jobs that were final already."""
        self._total = len(plan.sources)
        self._seen: Progress | None = None
        self._moved_at = self._killed_at = 0.0
        """When it last got on, and when it was killed."""
        self._sizes: deque[tuple[float, int]] = deque()
        """Of the ledger: at each look within the last window, and at the last one before."""
        self._unkept: frozenset[str] = frozenset()
        """What was acknowledged in the last window before the kill."""

    async def run(self) -> Audit:
        """From the first process to the account. DemoStopped where it can't go on."""
        await self._take_stock()
        write_plan(self._plan.folder, self._plan.planned(self._parts.app.ids.new))
        with Ledger(self._plan.ledger):
            pass  # what an earlier run wrote is gone
        roster.prepare(self._plan.folder)
        self._log.write_bytes(b"")
        program = await self._start()
        self._screen.step(
            "process",
            f"{program.pid} enqueues the jobs and does them, {sole.SLOTS} at once: only one process may write to this "
            f"storage. Each id is written to {self._plan.ledger.name} after its acknowledgement.",
        )
        try:
            if await self._until(program, self._is_to_die):
                program = await self._replace(program)
                await self._until(program, lambda _: False)
        finally:
            await program.stop(_GRACE)
        return await self._account()

    async def _take_stock(self) -> None:
        left = 0
        for (queue, state), number in (await self._storage.count()).items():
            if queue == QUEUE and state in FINAL:
                self._before += number
            elif queue == QUEUE:
                left += number
        self._total += left
        if left:
            self._screen.step("earlier", f"{left:,} jobs wait here since an earlier run. They are done, too.")

    async def _start(self) -> Program:
        command = [sys.executable, "-m", sole.__name__, str(self._plan.folder)]
        self._moved_at = self._clock.monotonic()
        return await Program.start(command, {**os.environ, "HEADRACE_URL": self._plan.url}, self._log)

    async def _until(self, program: Program, reached: Callable[[Progress], bool]) -> bool:
        """Whether it got so far; it may have ended before, with all done."""
        while program.exit_code is None:
            now = self._clock.monotonic()
            self._note_size(now)
            seen = read_progress(self._plan.folder, program.pid)
            if seen is not None:
                if seen != self._seen:
                    self._seen, self._moved_at = seen, now
                self._screen.advance(seen.done - self._before, self._total, now)
                if reached(seen):
                    return True
            if now - self._moved_at > STALLED:
                raise DemoStopped(f"the process has not got on for {STALLED:.0f} s.{last_words(self._log)}")
            await self._clock.sleep(_LOOK)
        if program.exit_code:
            raise DemoStopped(f"the process ended, exit code {program.exit_code}.{last_words(self._log)}")
        return False

    def _is_to_die(self, seen: Progress) -> bool:
        return bool(seen.held) and seen.done - self._before >= self._total * KILL_AT

    def _note_size(self, now: float) -> None:
        self._sizes.append((now, self._plan.ledger.stat().st_size))
        while len(self._sizes) > 1 and self._sizes[1][0] <= now - self._window:
            self._sizes.popleft()

    async def _replace(self, program: Program) -> Program:
        """Kill it, and start it again. It is frozen first: between the last look and its end it does nothing."""
        await program.freeze(program.pid)
        self._killed_at = self._clock.monotonic()
        self._note_size(self._killed_at)
        self._unkept = self._acknowledged_last()
        program.kill(program.pid)
        await program.wait()
        self._tell_kill(program.pid)
        program = await self._start()
        await self._until(program, lambda _: True)
        self._screen.step(
            "again",
            f"Process {program.pid} is at work {self._clock.monotonic() - self._killed_at:.1f} s later: the killed one "
            "is gone, so it waits for no lease. What that was at runs again, and what was not acknowledged is "
            "enqueued again, by the same ids.",
            "green",
        )
        return program

    def _tell_kill(self, pid: int) -> None:
        seen, acknowledged = self._seen, len(read_ledger(self._plan.ledger))
        held, done = ("", 0) if seen is None else (", ".join(seen.held), seen.done - self._before)
        self._screen.step(
            "killed",
            f"Process {pid}, the only one, with SIGKILL, at {done:,} done and {acknowledged:,} acknowledged. It was at "
            f"{held}.",
            "red",
        )

    def _acknowledged_last(self) -> frozenset[str]:
        if not self._window:
            return frozenset()
        data = self._plan.ledger.read_bytes()
        return frozenset(data[self._sizes[0][1] :].decode().split())

    async def _account(self) -> Audit:
        ids, expected = read_ledger(self._plan.ledger), len(self._plan.sources)
        window = Window(self._window, self._unkept)
        return await take_audit(self._storage, ids, expected, self._plan.folder, window)
