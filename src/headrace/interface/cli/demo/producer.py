"""Enqueues the demo's jobs, half of them in bulk and half one by one, at the same time, while workers run."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from headrace.interface.cli.demo.ledger import Ledger, batches
from headrace.interface.cli.demo.patience import Patience
from headrace.interface.cli.demo.symbols import Symbols
from headrace.interface.cli.demo.tasks import Parts
from headrace.interface.task import Bound, Call

BATCH = 100
AT_ONCE = 16


class Producer:
    """One for each run of the demo."""

    def __init__(self, parts: Parts, folder: Path, ledger: Ledger, patience: Patience) -> None:
        self._app, self._task = parts
        self._folder, self._ledger, self._patience = str(folder), ledger, patience

    async def run(self, sources: Sequence[str]) -> None:
        """Returns when each job is acknowledged and written down."""
        half = len(sources) // 2
        rest = iter(sources[half:])
        await asyncio.gather(self._in_bulk(sources[:half]), *(self._one_by_one(rest) for _ in range(AT_ONCE)))

    async def _in_bulk(self, sources: Sequence[str]) -> None:
        for batch in batches(sources, BATCH):
            await self._enqueue_many([self._with_id().call(source, self._folder) for source in batch])

    async def _enqueue_many(self, calls: Sequence[Call[Symbols]]) -> None:
        receipts = await self._patience.ask(lambda: self._app.aenqueue_many(calls))
        self._ledger.append([receipt.id for receipt in receipts])

    async def _one_by_one(self, sources: Iterator[str]) -> None:
        for source in sources:
            await self._enqueue(self._with_id(), source)

    async def _enqueue(self, template: Bound[[str, str], Symbols], source: str) -> None:
        receipt = await self._patience.ask(lambda: template.aenqueue(source, self._folder))
        self._ledger.append([receipt.id])

    def _with_id(self) -> Bound[[str, str], Symbols]:
        """Where an answer gets lost, the same id again makes no second job."""
        return self._task.using(id=self._app.ids.new())
