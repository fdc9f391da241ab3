"""Enqueues the demo's jobs, half of them in bulk and half one by one, at the same time, while workers run."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from headrace.interface.cli.demo.ledger import Ledger, batches
from headrace.interface.cli.demo.patience import Patience
from headrace.interface.cli.demo.planning import Planned
from headrace.interface.cli.demo.symbols import Symbols
from headrace.interface.cli.demo.tasks import Parts
from headrace.interface.task import Bound

BATCH = 100
AT_ONCE = 16
Room = Callable[[], Awaitable[None]]
"""Returns once further jobs may be enqueued."""


async def _always() -> None:
    """There is room."""


class Producer:
    """One for each run of the demo."""

    def __init__(self, parts: Parts, folder: Path, ledger: Ledger, patience: Patience, room: Room = _always) -> None:
        self._app, self._task = parts
        self._folder, self._ledger, self._patience, self._room = str(folder), ledger, patience, room

    async def run(self, planned: Sequence[Planned]) -> None:
        """Returns when each job is acknowledged and written down."""
        half = len(planned) // 2
        rest = iter(planned[half:])
        await asyncio.gather(self._in_bulk(planned[:half]), *(self._one_by_one(rest) for _ in range(AT_ONCE)))

    async def _in_bulk(self, planned: Sequence[Planned]) -> None:
        for batch in batches(planned, BATCH):
            await self._room()
            await self._enqueue_many(batch)

    async def _enqueue_many(self, planned: Sequence[Planned]) -> None:
        calls = [self._template(one).call(one.source, self._folder) for one in planned]
        receipts = await self._patience.ask(lambda: self._app.aenqueue_many(calls))
        self._ledger.append([receipt.id for receipt in receipts])

    async def _one_by_one(self, planned: Iterator[Planned]) -> None:
        for one in planned:
            await self._room()
            await self._enqueue(self._template(one), one.source)

    async def _enqueue(self, template: Bound[[str, str], Symbols], source: str) -> None:
        receipt = await self._patience.ask(lambda: template.aenqueue(source, self._folder))
        self._ledger.append([receipt.id])

    def _template(self, planned: Planned) -> Bound[[str, str], Symbols]:
        """Where an answer gets lost, the same id again makes no second job."""
        return self._task.using(id=planned.job_id)
