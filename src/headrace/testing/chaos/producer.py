"""Asks for jobs until it is told to end, and writes down each before it asks and after it was promised."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from headrace.model.errors import AnswerLost, HeadraceError, StoreError, WaitTimeout
from headrace.storage.contract import Receipt
from headrace.testing.chaos.asking import Asker, call_of
from headrace.testing.chaos.ledger import SUFFIX, Ledger
from headrace.testing.chaos.recording import RecordedApp
from headrace.testing.chaos.station import Station
from headrace.testing.chaos.workload import make_app
from headrace.testing.history.reading import read_history
from headrace.testing.history.records import Answer, Enqueued, Enqueueing, NotEnqueued, Waited, Wanted

PAUSE = 0.05
ENOUGH = 300
"""Waiting jobs beyond which none are added: else the healing takes as long as the storm."""
TOGETHER = 9
"""Most jobs of one call: they must fit into one line of a ledger."""
_UNSEEN = 0.1
"""The share of steps in which it asks for jobs though the store did not even say how many there are."""
_WAITING = 0.08
"""The share of calls for whose first job it waits."""


class Producer:
    """One process."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._ledger = station.open_ledger()
        self._app = make_app(station, self._ledger)
        self._asker = Asker(station, self._app.ids.new)
        self._enough = int(station.workload.get("enough", ENOUGH))
        self._owed: list[Sequence[Wanted]] = []
        """Calls that were not answered: they are made again, by the same ids, until they are."""
        self._insists = False
        """Whether it asks again for what was refused, too."""
        self._waits: set[asyncio.Task[None]] = set()

    async def run(self, stopping: asyncio.Event) -> int:
        """Until then."""
        if self._station.heir_of:
            self._owed = unanswered(self._station.ledgers / (self._station.heir_of + SUFFIX))
        while not stopping.is_set():
            await self._step()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), PAUSE)
        for wait in self._waits:
            wait.cancel()
        await self._pay_all()
        await self._app.aclose()
        return 0

    async def ask_for(self, kinds: Sequence[tuple[str, int]]) -> None:
        """So many of each kind, in small calls, in an order drawn; until all is promised."""
        jobs = [job for kind, number in kinds for job in self._asker.of_kind(kind, number)]
        jobs.sort(key=lambda _: self._asker.dice.between(0, 1))
        self._owed = [jobs[start : start + TOGETHER] for start in range(0, len(jobs), TOGETHER)]
        self._insists = True
        await self._pay_all()
        await self._app.aclose()

    async def _step(self) -> None:
        try:
            if await self._app.apending_count() >= self._enough:
                return
        except StoreError:
            if not self._asker.dice.chance(_UNSEEN):
                return
        await self._pay()
        jobs = self._asker.ask(TOGETHER)
        if self._asker.dice.chance(0.5):
            await self._ask_together(jobs)
        else:
            await asyncio.gather(*[self._ask_one(job) for job in jobs])

    async def _pay_all(self) -> None:
        await self._pay()
        while self._owed:
            await asyncio.sleep(PAUSE)
            await self._pay()

    async def _pay(self) -> None:
        owed, self._owed = self._owed, []
        for jobs in owed:
            await self._ask_together(jobs)

    async def _ask_together(self, jobs: Sequence[Wanted]) -> None:
        calls = [call_of(self._app, job) for job in jobs]
        await self._ask(jobs, lambda: self._app.aenqueue_many(calls))

    async def _ask_one(self, job: Wanted) -> None:
        call = call_of(self._app, job)

        async def send() -> Sequence[Receipt[object]]:
            return [await self._app.send(call.make(job.id))]

        await self._ask([job], send)

    async def _ask(self, jobs: Sequence[Wanted], send: Callable[[], Awaitable[Sequence[Receipt[object]]]]) -> None:
        call = self._ledger.next_call()
        self._ledger.write(lambda at, process: Enqueueing(at=at, process=process, call=call, jobs=jobs))
        try:
            receipts = await send()
        except HeadraceError as error:
            name, certain = type(error).__name__, isinstance(error, StoreError) and not isinstance(error, AnswerLost)
            told = NotEnqueued(
                at=self._ledger.now(), process=self._ledger.process, call=call, error=name, certain=certain
            )
            self._ledger.write(lambda at, _: replace(told, at=at))
            if self._insists or not is_given_up(told):
                self._owed.append(jobs)
            return
        answers = [Answer(receipt.id, receipt.duplicate) for receipt in receipts]
        self._ledger.write(lambda at, process: Enqueued(at=at, process=process, call=call, answers=answers))
        if self._asker.dice.chance(_WAITING):
            self._wait_for(receipts[0].id)

    def _wait_for(self, job_id: str) -> None:
        wait = asyncio.get_running_loop().create_task(_wait(self._app, self._ledger, job_id))
        self._waits.add(wait)
        wait.add_done_callback(self._waits.discard)


async def _wait(app: RecordedApp, ledger: Ledger, job_id: str) -> None:
    """Wait for the end of a job, and write down what was told of it."""
    with suppress(HeadraceError, WaitTimeout):
        job = await app.ajoin(job_id, timeout=10)
        ledger.write(lambda at, process: Waited(at=at, process=process, job=job.id, state=job.state, result=job.result))


def is_given_up(told: NotEnqueued) -> bool:
    """Whether what was asked for is asked for no more: half of what was refused for certain, which may never be then.
    The same to a producer and to whoever takes its work over."""
    return told.certain and told.call % 2 == 0


def unanswered(path: Path) -> list[Sequence[Wanted]]:
    """What a producer asked for and was never told of: whoever takes its work over asks again, by the same ids."""
    asked: dict[int, Sequence[Wanted]] = {}
    if path.exists():
        for record in read_history([path]):
            if isinstance(record, Enqueueing):
                asked[record.call] = record.jobs
            elif isinstance(record, Enqueued) or (isinstance(record, NotEnqueued) and is_given_up(record)):
                asked.pop(record.call, None)
    return list(asked.values())


def stop_event() -> asyncio.Event:
    """Set by SIGTERM, any number of them."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    return stopping


def produce(station: Station) -> int:
    """The whole process."""
    return until_sigterm(Producer(station).run)


def until_sigterm(run: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run this until SIGTERM."""

    async def main() -> int:
        return await run(stop_event())

    return asyncio.run(main())


def ask(station: Station) -> int:
    """Ask for what the station says, as in ``work=60 poison=3``, and end."""
    wanted = [part.partition("=") for part in station.workload["ask"].split()]

    async def run() -> int:
        await Producer(station).ask_for([(kind, int(number)) for kind, _, number in wanted])
        return 0

    return asyncio.run(run())
