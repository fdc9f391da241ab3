"""Enqueues the demo's jobs, half of them in bulk and half one by one, at the same time, while workers run."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from headrace.interface.cli.demo.ledger import Ledger, batches
from headrace.interface.cli.demo.tasks import Parts

BATCH = 100
AT_ONCE = 16


class Producer:
    """One for each run of the demo."""

    def __init__(self, parts: Parts, folder: Path, ledger: Ledger) -> None:
        self._app, self._task = parts
        self._folder, self._ledger = str(folder), ledger

    async def run(self, sources: Sequence[str]) -> None:
        """Returns when each job is acknowledged and written down."""
        half = len(sources) // 2
        rest = iter(sources[half:])
        await asyncio.gather(self._in_bulk(sources[:half]), *(self._one_by_one(rest) for _ in range(AT_ONCE)))

    async def _in_bulk(self, sources: Sequence[str]) -> None:
        for batch in batches(sources, BATCH):
            calls = [self._task.call(source, self._folder) for source in batch]
            receipts = await self._app.aenqueue_many(calls)
            self._ledger.append([receipt.id for receipt in receipts])

    async def _one_by_one(self, sources: Iterator[str]) -> None:
        for source in sources:
            receipt = await self._task.aenqueue(source, self._folder)
            self._ledger.append([receipt.id])
