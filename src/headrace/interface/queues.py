"""Queues as operators see and steer them."""

from collections.abc import Collection, Mapping

import msgspec

from headrace.interface.config import MOST_CONCURRENCY, check_count
from headrace.interface.core import Core
from headrace.interface.page import Page
from headrace.model.names import check_name
from headrace.model.presence import Presence
from headrace.model.record import QUEUE, WORKER, QueueControl
from headrace.model.retention import Retention, by_state, check_retention
from headrace.model.state import State
from headrace.runtime.controls import edit_controls
from headrace.storage.contract import Storage

_LARGEST_PAGE = 10_000

_decode = msgspec.json.Decoder(QueueControl).decode
_decode_presence = msgspec.json.Decoder(Presence).decode


class QueueView(msgspec.Struct, frozen=True):
    """One queue, as it is at this moment."""

    name: str
    paused: bool
    concurrency: int | None
    """The ceiling: most jobs running at once, over all workers; None: there is none."""
    cools_until: int | None
    """Gives no job before this instant, milliseconds since 1970 UTC; None where it doesn't rest."""
    retention: Mapping[str, float] | None
    """Seconds that final jobs are kept, by state, where the queue has a rule of its own."""
    counts: Mapping[State, int]
    """How many of its jobs are in each state."""
    limits: tuple[str, ...]
    """The limits that tasks of this program name which go to this queue by themselves."""
    workers: Mapping[str, int]
    """Its slots on each live worker that serves it, by worker id."""


class Queues(Core):
    """Operations on queues."""

    async def apause(self, queue: str) -> None:
        """No worker takes a job of this queue from now on. What runs goes on. Stands until ``resume``, over restarts
        of all workers."""
        await self._edit(queue, paused=True)

    async def aresume(self, queue: str) -> None:
        """Workers take jobs of this queue again, at once: the end of a pause, and of a cool-down."""
        await self._edit(queue, paused=False, cools_until=None)

    async def ascale(self, queue: str, concurrency: int | None) -> None:
        """At most so many jobs of this queue run at once, over all workers; None: as many as they have slots. Wins
        over what the app declares. Where more run already, none is stopped."""
        if concurrency is not None:
            check_count("concurrency", concurrency, most=MOST_CONCURRENCY)
        await self._edit(queue, concurrency=concurrency, unlimited=concurrency is None)

    async def aset_retention(self, queue: str, retention: Retention | None) -> None:
        """Keep the final jobs of this queue for so long from now on, whatever the app declares: a duration, or
        durations by state, such as ``{"dead": "90d"}``. None: as the app says. Jobs and tasks with a retention of
        their own keep it. Workers follow at their next sweep, within a minute."""
        await self._edit(queue, retention={} if retention is None else by_state(check_retention(retention)))

    async def _edit(self, queue: str, **changes: object) -> None:
        check_name("queue", queue)
        storage = (await self.here()).storage
        await edit_controls(storage, {queue: lambda there: msgspec.structs.replace(there, **changes)})

    async def aqueues(self, *, name: str | None = None, limit: int = 50, after: str | None = None) -> Page[QueueView]:
        """Queues by name, from above ``after`` on: all that have jobs, or a control, or that this program names; or
        the one of this ``name``, whether there is anything to tell of it or not."""
        most = check_count("limit", limit, most=_LARGEST_PAGE)
        storage = (await self.here()).storage
        now = await storage.now()
        only = None if name is None else [check_name("queue", name)]
        controls = {record.name: _decode(record.value) for record in await storage.records(QUEUE, names=only)}
        counts: dict[str, dict[State, int]] = {}
        for (queue, state), count in (await storage.count()).items():
            counts.setdefault(queue, {})[state] = count
        known = only or {*counts, *controls, *self.declared_queues, *self.registry.queues()}
        names = sorted(queue for queue in known if after is None or queue > after)
        workers = await _serving(storage, names[:most])
        views = [
            self._view(queue, controls.get(queue, QueueControl()), counts.get(queue, {}), workers.get(queue, {}), now)
            for queue in names[:most]
        ]
        return Page(views, views[-1].name if len(names) > most else None, "queues")

    def _view(
        self, name: str, control: QueueControl, counts: Mapping[State, int], workers: Mapping[str, int], now: int
    ) -> QueueView:
        limits = {limit for handler in self.registry.all() if handler.queue == name for limit in handler.limits}
        cools_until = control.cools_until if (control.cools_until or 0) > now else None
        return QueueView(
            name,
            control.paused,
            control.concurrency,
            cools_until,
            control.retention,
            counts,
            tuple(sorted(limits)),
            workers,
        )


async def _serving(storage: Storage, queues: Collection[str]) -> Mapping[str, Mapping[str, int]]:
    """The slots of live workers, by queue."""
    wanted, serving = set(queues), dict[str, dict[str, int]]()
    told = await storage.records(WORKER)
    leases = await storage.leases()  # second: a worker has its lease before it tells of itself
    for record in told:
        if leases.get(record.name, 0.0) > 0:
            for queue, slots in _decode_presence(record.value).queues.items():
                if queue in wanted:
                    serving.setdefault(queue, {})[record.name] = slots
    return serving
