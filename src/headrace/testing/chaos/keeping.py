"""Those who look after a run: make its store, see whether it has come to rest, close its schedule, read its rows.

Each is a process of its own, since the driver, which forks, may not open the store.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from headrace.model.errors import StoreError
from headrace.model.job import Job
from headrace.model.schedule import Schedule
from headrace.model.state import FINAL
from headrace.storage.contract import Filter
from headrace.testing.chaos.operating import Operator
from headrace.testing.chaos.recording import RecordedApp
from headrace.testing.chaos.station import Station
from headrace.testing.chaos.workload import CEILINGS, EVERY, LIMIT, SCHEDULE, burst, make_app
from headrace.testing.history.records import Ceiling, Declared, Scheduled

_PAGE = 1000
_LOOK = 0.1
_WHOLE = 1 << 24
"""Bytes of a record of one who is not killed: all ticks in one."""


def open_store(station: Station) -> int:
    """Make the store, with all that the app declares, and write that down."""
    ledger = station.open_ledger()

    async def run(app: RecordedApp) -> None:
        schedule = await _schedule(app)
        (Path(station.folder) / "first-tick").write_text(str(schedule.next_at))
        count, period, most = burst()
        ledger.write(
            lambda at, process: Declared(at=at, process=process, limit=LIMIT, count=count, period=period, burst=most)
        )
        for queue, ceiling in CEILINGS.items():
            ledger.write(
                lambda at, process, queue=queue, ceiling=ceiling: Ceiling(  # type: ignore[misc]
                    at=at, process=process, queue=queue, most=ceiling
                )
            )

    return _with_app(station, run)


def close_schedule(station: Station) -> int:
    """Stop the schedule, and write down the ticks that it must have had."""
    ledger = station.open_ledger(_WHOLE)

    async def run(app: RecordedApp) -> None:
        await app.apause_schedule(SCHEDULE)
        last = (await _schedule(app)).last_at
        first, step = int((Path(station.folder) / "first-tick").read_text()), round(EVERY * 1000)
        ticks = [] if last is None else list(range(first, last + 1, step))
        ledger.write(lambda _, process: Scheduled(at=first - step, process=process, schedule=SCHEDULE, ticks=ticks))

    return _with_app(station, run)


def await_rest(station: Station) -> int:
    """Ends once every job is in a final state. Whatever waits for long, as after many crashes, is hurried: as an
    operator would, by commands that are written down."""
    asyncio.run(come_to_rest(station))
    return 0


async def come_to_rest(station: Station) -> None:
    """The same on a loop that is there."""
    operator = Operator(station)
    while True:
        with suppress(StoreError):
            counts = await operator.app.acounts()
            if all(state in FINAL for states in counts.values() for state in states):
                await operator.app.aclose()
                return
            await operator.hurry()
        await asyncio.sleep(_LOOK)


def read_rows(station: Station) -> int:
    """Write all rows into the folder."""

    async def run(app: RecordedApp) -> None:
        (Path(station.folder) / "rows.json").write_bytes(msgspec.json.encode(await _every_job(app)))

    return _with_app(station, run)


def rows(folder: Path) -> Sequence[Job]:
    """What ``read_rows`` wrote; none where it could not."""
    path = folder / "rows.json"
    return msgspec.json.decode(path.read_bytes(), type=list[Job]) if path.exists() else []


async def _every_job(app: RecordedApp) -> Sequence[Job]:
    storage = (await app.here()).storage
    jobs: list[Job] = []
    after: str | None = None
    while True:
        page = await storage.find(Filter(), limit=_PAGE, after=after)
        jobs += page.jobs
        after = page.next
        if after is None:
            return jobs


async def _schedule(app: RecordedApp) -> Schedule:
    return next(schedule for schedule in await app.aschedules() if schedule.name == SCHEDULE)


def _with_app(station: Station, run: Callable[[RecordedApp], Awaitable[None]]) -> int:
    async def main() -> None:
        async with make_app(station, station.open_ledger()) as app:
            await run(app)

    asyncio.run(main())
    return 0
