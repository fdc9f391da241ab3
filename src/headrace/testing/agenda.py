"""When something falls due next in a store that stands still."""

from collections.abc import Iterator

import msgspec

from headrace.interface.app import Headrace
from headrace.model.record import QUEUE, QueueControl
from headrace.model.state import RUNNING, WAITING
from headrace.storage.contract import Storage
from headrace.storage.memory.store import Store

_MOST_SCHEDULES = 10_000
_LOOK = 1_000
"""Milliseconds between two looks at what is due and held back."""


async def next_moment(app: Headrace, store: Store) -> int | None:
    """The next instant, milliseconds since 1970 UTC, at which a job is due, a schedule ticks, a lease with a job in
    hand runs out, or a job that is due and held back may be looked at again; None: nothing will happen."""
    storage = (await app.here()).storage
    now = store.now()
    moments = [*await _dues(store, storage, now), *await _ticks(app), *await _expiries(store, storage, now)]
    return max(now + 1, min(moments)) if moments else None


async def _dues(store: Store, storage: Storage, now: int) -> list[int]:
    controls = {
        record.name: msgspec.json.decode(record.value, type=QueueControl) for record in await storage.records(QUEUE)
    }
    return list(_dues_of(store, controls, now))


def _dues_of(store: Store, controls: dict[str, QueueControl], now: int) -> Iterator[int]:
    for job in store.rows.jobs.values():
        if job.state not in WAITING:
            continue
        control = controls.get(job.queue, QueueControl())
        if control.paused:
            continue
        due_at = max(job.due_at, control.cools_until or 0)
        yield due_at if due_at > now else now + _LOOK  # a limit or a ceiling holds it back


async def _ticks(app: Headrace) -> list[int]:
    page = await app.aschedules(limit=_MOST_SCHEDULES)
    return [schedule.next_at for schedule in page if schedule.next_at is not None and not schedule.paused]


async def _expiries(store: Store, storage: Storage, now: int) -> list[int]:
    holders = {job.worker for job in store.rows.jobs.values() if job.state in RUNNING}
    if not holders:
        return []
    left = await storage.leases()
    return [now + max(1, round(left.get(holder or "", 0.0) * 1000)) for holder in holders]
