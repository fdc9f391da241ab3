"""Enqueues until its stdin ends, and writes down each job before it asks and after it was acknowledged.

``python -m survival.producer LEDGER FIRST``: numbers its jobs from FIRST. The app's own ledger is taken for its traces.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from headrace.system.clock import SystemClock
from headrace.system.ids import Ids
from survival.app import app, work, work_in_thread
from survival.ledger import Ledger

PAUSE = 0.06
ENOUGH = 400
"""Waiting jobs beyond which none are added: else the healing takes as long as the storm."""


class Producer:
    def __init__(self, ledger: Ledger, first: int) -> None:
        self._ledger, self._number = ledger, first
        self._ids = Ids(SystemClock())
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._stopping.set)
        rounds = 0
        while not self._stopping.is_set():
            if await app.apending_count() < ENOUGH:
                await (self._enqueue_each(6) if rounds % 2 else self._enqueue_together(9))
                rounds += 1
            try:
                await asyncio.wait_for(self._stopping.wait(), PAUSE)
            except TimeoutError:
                continue
        await app.aclose()

    def _new(self, count: int) -> list[tuple[str, int]]:
        """Ids and numbers of jobs that are about to be asked for."""
        new = [(self._ids.new(), self._number + offset) for offset in range(count)]
        self._number += count
        self._ledger.write("invoke", jobs=dict(new))
        return new

    async def _enqueue_each(self, count: int) -> None:
        async def one(job_id: str, number: int) -> None:
            receipt = await _bound(job_id, number).aenqueue(number)
            self._acknowledge([receipt.id])

        await asyncio.gather(*[one(job_id, number) for job_id, number in self._new(count)])

    async def _enqueue_together(self, count: int) -> None:
        calls = [_bound(job_id, number).call(number) for job_id, number in self._new(count)]
        receipts = await app.aenqueue_many(calls)
        self._acknowledge([receipt.id for receipt in receipts])

    def _acknowledge(self, ids: Sequence[str]) -> None:
        self._ledger.write("ok", jobs=list(ids))


def _bound(job_id: str, number: int) -> Any:
    task = work_in_thread if number % 5 == 0 else work
    return task.using(id=job_id, delay=0.3) if number % 11 == 0 else task.using(id=job_id)


async def main() -> None:
    await Producer(Ledger(sys.argv[1]), int(sys.argv[2])).run()


if __name__ == "__main__":
    asyncio.run(main())
