"""Those who meddle: an operator who cancels, sends back, hurries and removes, and one who claims by hand."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from headrace.interface.claims import Claim
from headrace.interface.jobs import CancelOutcome
from headrace.interface.task import Call
from headrace.model.errors import HeadraceError, StoreError
from headrace.model.state import State
from headrace.testing.chaos.ledger import Ledger
from headrace.testing.chaos.notes import note_end, note_start, note_wanted
from headrace.testing.chaos.producer import until_sigterm
from headrace.testing.chaos.recording import RecordedApp
from headrace.testing.chaos.station import Station
from headrace.testing.chaos.workload import BY_HAND, make_app, number_of
from headrace.testing.dice import Dice
from headrace.testing.history.records import Ordered, Ordering

PAUSE = 0.05
TOGETHER = 20
"""Most jobs of one command."""
_LONG = 1_000
"""Milliseconds."""
_LONGEST = 0.05
"""Seconds that the claimer works on a job, at most."""
_FAILING = 0.1
"""The share of jobs that the claimer gives back with an error at their first attempt."""


class Operator:
    """One process."""

    def __init__(self, station: Station) -> None:
        self._ledger = station.open_ledger()
        self.app = make_app(station, self._ledger)
        self._dice = Dice(station.seed).of(station.name)

    async def run(self, stopping: asyncio.Event) -> int:
        """Until then."""
        while not stopping.is_set():
            with suppress(StoreError):
                await self._step()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), PAUSE)
        await self.app.aclose()
        return 0

    async def _step(self) -> None:
        match self._dice.whole(1, 5):
            case 1:
                ids = await self._some(State.DEAD, "dies")
                await self._order("retry", ids, self._retry)
            case 2:
                states = [State.PENDING, State.SCHEDULED, State.RUNNING]
                ids = await self._some(self._dice.pick(states), "cancellable")
                await self._order("cancel", ids, self._cancel)
            case 3:
                await self._order("run_now", await self._some(State.SCHEDULED, "work"), self._run_now)
            case 4:
                await self.hurry()
            case _:
                ids = (await self._some(State.DEAD, "dies"))[:1]
                await self._order("delete", ids, self._delete)

    async def hurry(self) -> None:
        """Those that crashed often wait for minutes: now is better."""
        page = await self.app.ajobs(state=State.RETRYING, limit=5 * TOGETHER)
        late = [job.id for job in page if job.crashes > 1 and job.due_at > self._ledger.now() + _LONG]
        await self._order("run_now", late[:TOGETHER], self._run_now)

    async def _some(self, state: State, task: str) -> Sequence[str]:
        page = await self.app.ajobs(state=state, task=task, limit=TOGETHER)
        return [job.id for job in page]

    async def _order(self, command: str, ids: Sequence[str], carry_out: Callable[[str], Awaitable[bool]]) -> None:
        """The command for each of them, written down before and after."""
        if not ids:
            return
        call = self._ledger.next_call()
        self._ledger.write(lambda at, process: Ordering(at=at, process=process, call=call, command=command, jobs=ids))
        done = [job_id for job_id in ids if await carry_out(job_id)]
        self._ledger.write(lambda at, process: Ordered(at=at, process=process, call=call, command=command, done=done))

    async def _retry(self, job_id: str) -> bool:
        return await _accepted(self.app.aretry(job_id))

    async def _run_now(self, job_id: str) -> bool:
        return await _accepted(self.app.arun_now(job_id))

    async def _cancel(self, job_id: str) -> bool:
        return await self.app.acancel(job_id) is CancelOutcome.CANCELLED

    async def _delete(self, job_id: str) -> bool:
        return await self.app.aclear_dead_letters(jobs=[job_id]) == 1


async def _accepted(command: Awaitable[None]) -> bool:
    """Whether it was carried out: another operator, or a worker, may have been first."""
    try:
        await command
    except StoreError:
        raise
    except HeadraceError:
        return False
    return True


class Claimer:
    """One process that claims by hand and acknowledges."""

    def __init__(self, station: Station) -> None:
        self._ledger: Ledger = station.open_ledger()
        self._app: RecordedApp = make_app(station, self._ledger)
        self._dice = Dice(station.seed).of(station.name)

    async def run(self, stopping: asyncio.Event) -> int:
        """Until then."""
        while not stopping.is_set():
            claims: Sequence[Claim] = ()
            with suppress(StoreError):
                claims = await self._app.aclaim(BY_HAND, limit=self._dice.whole(1, 6))
            for claim in claims:
                with suppress(HeadraceError):  # LeaseLost: it is somebody else's by now
                    await self._serve(claim)
            if not claims:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), PAUSE)
        await self._app.aclose()
        return 0

    async def _serve(self, claim: Claim) -> None:
        note_start(self._ledger, claim.job)
        await asyncio.sleep(self._dice.between(0, _LONGEST))
        if self._dice.chance(0.1):
            await self._app.arenew(claim)
        if claim.attempt == 1 and self._dice.chance(_FAILING):
            note_end(self._ledger, claim.job, "Planned")
            await self._app.anack(claim, "planned")
            return
        number = number_of(claim.job)
        note_end(self._ledger, claim.job, "returned", number)
        following: Sequence[Call[object]] = ()
        if self._dice.chance(0.1):
            job_id = self._app.ids.new()
            call = self._app.by_name("child", {"number": number or 0}, {"id": job_id})
            note_wanted(self._ledger, [call.make(job_id)], claim.id)
            following = [call]
        await self._app.aack(claim, number, then=following)


def operate(station: Station) -> int:
    """The whole process."""
    return until_sigterm(Operator(station).run)


def claim(station: Station) -> int:
    """The whole process."""
    return until_sigterm(Claimer(station).run)
