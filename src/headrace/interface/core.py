"""What every part of an app stands on: its options, its tasks, its storage handles, its bus."""

import os
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import msgspec

from headrace.interface.config import Options, configure
from headrace.interface.declared_limits import DeclaredLimits
from headrace.interface.declared_schedules import DeclaredSchedules
from headrace.interface.handles import Handle, Handles
from headrace.interface.logs import LOGGED, log_event, report
from headrace.interface.portal import Portal
from headrace.model import routing
from headrace.model.errors import EnqueueUnknown, InvalidOption, PayloadDiffers, StoreOwned
from headrace.model.job import NORMAL, Job, NewJob
from headrace.model.names import check_name
from headrace.model.record import QueueControl
from headrace.model.retry import RetryPolicy
from headrace.model.routing import Route, Routers
from headrace.runtime import events
from headrace.runtime.company import COMPANY, Company
from headrace.runtime.controls import declare_controls
from headrace.runtime.events import Bus, Event
from headrace.runtime.loop import Report
from headrace.runtime.registry import Registry
from headrace.storage.contract import Receipt, Storage
from headrace.storage.opening import open_url, redact
from headrace.system.clock import Clock, SystemClock
from headrace.system.ids import Ids, jitter_source
from headrace.system.machine import SystemSpawn
from headrace.system.spawn import Spawn

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_QUEUE = routing.DEFAULT_QUEUE

JobReference = str | UUID | Receipt[Any] | Job
"""A job, named by its id as text or UUID, by its receipt, or by itself."""


class Queue(msgspec.Struct, frozen=True):
    """What ``app.queue`` declared."""

    concurrency: int | None = None
    retry: RetryPolicy | None = None
    backoff: bool = True
    cooldown: bool = False
    lease: float | None = None
    priority: int | None = None
    retention: dict[str, float] | None = None
    """Seconds, by state."""


class Core:
    """Shared by declarations, operations and workers. Makes no connection before the first use."""

    def __init__(self, url: str | None, options: Options) -> None:
        self.config = configure(url, options, os.environ)
        self.settings = self.config.settings
        self.clock: Clock = SystemClock()
        self.ids = Ids(self.clock)
        self.spawn: Spawn = SystemSpawn()
        self.registry = Registry()
        self.declared_queues: dict[str, Queue] = {}
        self.declared_limits = DeclaredLimits()
        self.routers = Routers()
        self.declared_schedules = DeclaredSchedules()
        self.entropy = jitter_source()
        self.company: Company | None = COMPANY
        self.report: Report = report
        self.bus = Bus(self.spawn, self.report)
        for event_id in LOGGED:
            self.bus.on(event_id, log_event)
        self.handles = Handles(self._make_storage, self._declare_first)
        self.portal = Portal(self.spawn)
        self._make_storage()  # a URL that can't be used is refused here, not at the first job

    @property
    def url(self) -> str:
        """The storage URL, without a password."""
        return redact(self.config.url)

    def _make_storage(self) -> Storage:
        return open_url(
            self.config.url,
            clock=self.clock,
            auto_migrate=self.config.auto_migrate,
            patience=self.settings.patience,
        )

    async def declare(self, storage: Storage) -> None:
        """Write what the app declares: at the storage's first use, and again where a worker starts, for what was
        declared in between."""
        controls = {
            name: QueueControl(queue.concurrency, retention=queue.retention)
            for name, queue in self.declared_queues.items()
            if queue.concurrency is not None or queue.retention is not None
        }
        await declare_controls(storage, controls)
        await self.declared_limits.write(storage)
        await self.declared_schedules.write(storage)

    async def _declare_first(self, storage: Storage) -> None:
        """Who only looks at a store that another process owns is not kept from it; who writes is told by that."""
        with suppress(StoreOwned):
            await self.declare(storage)

    def route_for(self, task: str, queue: str | None = None) -> Route:
        """Where the jobs of this task go: to ``queue`` where one is named, else where a router says."""
        name = self.routers.queue_for(task) if queue is None else check_name("queue", queue)
        declared = self.declared_queues.get(name, Queue())
        priority = NORMAL if declared.priority is None else declared.priority
        return Route(name, priority, fixed=queue is not None)

    async def here(self) -> Handle:
        """The storage handle of the running loop."""
        return await self.handles.here()

    async def send(self, new: NewJob, strict: bool = False) -> Receipt[Any]:
        """Insert one job, together with whatever else is enqueued at this moment. PayloadDiffers where it is strict,
        and its key is held by a job with another task or payload."""
        handle = self.handles.open_here() or await self.handles.here()
        if new.task in self.declared_limits.unchecked:
            await self.declared_limits.check(handle.storage, [new.task])
        try:
            receipt = await handle.send(new)
        except EnqueueUnknown as error:  # what its caller hears is of this one alone
            raise EnqueueUnknown([new.id], error.why) from error
        if strict and receipt.payload_differs:
            raise PayloadDiffers(new.key or "", receipt.id)
        if self.bus.wants(events.QUEUED):
            self.tell_queued(new, receipt)
        return receipt

    def tell_queued(self, new: NewJob, receipt: Receipt[Any]) -> None:
        """Announce a job that was inserted."""
        if not receipt.duplicate:
            self.bus.emit(Event(events.QUEUED, receipt.id, new.task, new.queue, 0, None, self.clock.wall()))

    def queue_policies(self) -> Mapping[str, RetryPolicy]:
        """The retry policies that declared queues ask for."""
        policies: dict[str, RetryPolicy] = {}
        for name, queue in self.declared_queues.items():
            if not queue.backoff:
                policies[name] = msgspec.structs.replace(queue.retry or self.settings.retry, base=0.0)
            elif queue.retry is not None:
                policies[name] = queue.retry
        return policies

    def queues_without_backoff(self) -> frozenset[str]:
        """Declared queues whose back-off is off."""
        return frozenset(name for name, queue in self.declared_queues.items() if not queue.backoff)

    def cooling_queues(self) -> frozenset[str]:
        """Declared queues that rest as a whole when one of their jobs is throttled."""
        return frozenset(name for name, queue in self.declared_queues.items() if queue.cooldown)

    async def handles_here_closed(self) -> None:
        """Close the running loop's handle: the loop is about to end."""
        await self.handles.close_here()

    def block(self, name: str, method: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an async method from sync code; ``name`` is what to use where a loop is running."""
        return self.portal.call(name, lambda: method(*args, **kwargs))


def id_of(reference: JobReference) -> str:
    """The id as text, or InvalidOption."""
    match reference:
        case Receipt() | Job():
            return reference.id
        case UUID():
            return str(reference)
        case str():
            try:
                return str(UUID(reference))
            except ValueError:
                raise InvalidOption("job", reference, "it must be the id of a job, a UUID") from None
        case _:
            raise InvalidOption("job", reference, "it must be an id, a receipt or a job")
