"""The demo's one process, on a storage that only one may write to: it enqueues, and it works.

``python -m headrace.interface.cli.demo.sole FOLDER``, with the storage in HEADRACE_URL. Started again in the same
folder, it goes on.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from headrace.interface.cli.demo.ledger import LEDGER, Ledger
from headrace.interface.cli.demo.patience import STALLED, Patience
from headrace.interface.cli.demo.planning import Progress, read_plan, write_progress
from headrace.interface.cli.demo.producer import Producer
from headrace.interface.cli.demo.screen import Screen
from headrace.interface.cli.demo.tasks import QUEUE, Parts, build
from headrace.model.state import FINAL, RUNNING
from headrace.storage.contract import Filter, Storage

SLOTS = 2
"""Jobs at once."""
_AHEAD = 200
"""Waiting jobs beyond which none are enqueued, so that jobs still come in when the process is killed."""
_LOOK = 0.05


class Sole:
    """One run of the process."""

    def __init__(self, parts: Parts, storage: Storage, folder: Path, ledger: Ledger) -> None:
        self._storage, self._folder, self._ledger = storage, folder, ledger
        self._clock = parts.app.clock
        self._patience = Patience(self._clock, Screen(), STALLED)
        self._producer = Producer(parts, folder, ledger, self._patience, self._room)
        self._left = self._written = 0
        """Jobs that were not final at the last look, and how many were acknowledged by then."""

    async def run(self) -> None:
        """Returns when all that was planned is done."""
        planned = [one for one in read_plan(self._folder) if one.job_id not in self._ledger]
        await self._look()
        producing = asyncio.ensure_future(self._producer.run(planned))
        try:
            while await self._look() or not producing.done():
                await self._clock.sleep(_LOOK)
        finally:
            producing.cancel()
            with suppress(asyncio.CancelledError):
                await producing

    async def _room(self) -> None:
        while self._left + len(self._ledger) - self._written >= _AHEAD:
            await self._clock.sleep(_LOOK)

    async def _look(self) -> int:
        """How many are left; the tour is told."""
        written = len(self._ledger)
        counts = await self._patience.ask(self._storage.count)
        running = await self._patience.ask(lambda: self._storage.find(Filter(RUNNING, queue=QUEUE), limit=SLOTS))
        done = sum(number for (queue, state), number in counts.items() if queue == QUEUE and state in FINAL)
        self._left = sum(number for (queue, _), number in counts.items() if queue == QUEUE) - done
        self._written = written
        held = [Path(json.loads(job.payload)["source"]).name for job in running.jobs]
        write_progress(self._folder, Progress(os.getpid(), done, self._left, held))
        return self._left


async def _main(folder: Path) -> None:
    parts = build()
    with Ledger(folder / LEDGER, goes_on=True) as ledger:
        async with parts.app as app, app.worker({QUEUE: SLOTS}):
            await Sole(parts, (await app.here()).storage, folder, ledger).run()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
