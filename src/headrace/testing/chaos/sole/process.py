"""One process that does what a fleet does: a worker, and beside it in the same loop all who ask, order and claim."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from headrace.interface.cli.exits import FAILED, STORE
from headrace.model.errors import StoreError, StoreOwned, StoreTaken, StoreUnreachable
from headrace.testing.chaos.keeping import come_to_rest
from headrace.testing.chaos.operating import Claimer, Operator
from headrace.testing.chaos.producer import Producer, until_sigterm
from headrace.testing.chaos.station import Station
from headrace.testing.chaos.workload import SLOTS, make_app

ALL = "producer operator claimer"
SETTLING = "claimer onlooker"
"""What it does beside its work, by the name of the part: in a storm, and until all has come to rest."""
WORKER = "worker"
GAVE_UP = 75
"""The exit code where the store was not to be reached for as long as it is patient."""


async def _watch(station: Station, stopping: asyncio.Event) -> None:
    """Ends the process once all is at rest."""
    await come_to_rest(station)
    stopping.set()


PARTS: Mapping[str, Callable[[Station, asyncio.Event], Awaitable[object]]] = {
    "producer": lambda station, stopping: Producer(station).run(stopping),
    "operator": lambda station, stopping: Operator(station).run(stopping),
    "claimer": lambda station, stopping: Claimer(station).run(stopping),
    "onlooker": _watch,
}


def live_alone(station: Station) -> int:
    """The whole process: until SIGTERM, until all is at rest, or until the store is somebody else's."""

    async def live(stopping: asyncio.Event) -> int:
        own = station.of(WORKER)
        async with make_app(own, own.open_ledger()) as app, app.worker(SLOTS) as worker:
            names = station.workload.get("parts", ALL).split()
            parts = asyncio.gather(*(PARTS[name](station.of(name), stopping) for name in names))
            await worker.refusal.unless(parts)
            with suppress(asyncio.CancelledError):
                await parts
        return 0

    try:
        return until_sigterm(live)
    except StoreError as error:
        print(f"{station.name}: {error}", file=sys.stderr)
        if isinstance(error, StoreUnreachable):
            return GAVE_UP
        return STORE if isinstance(error, StoreOwned | StoreTaken) else FAILED
