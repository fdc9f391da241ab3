"""Puts an app on other ground: a store in memory, another clock, other threads. And back."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from headrace.interface.app import Headrace
from headrace.interface.handles import Handles
from headrace.interface.portal import Portal
from headrace.runtime.events import EVENTS, Bus
from headrace.runtime.loop import Report
from headrace.storage.memory import MemoryStorage
from headrace.storage.memory.store import Store
from headrace.system.clock import Clock
from headrace.system.ids import Ids
from headrace.system.spawn import Spawn

MakeBus = Callable[[Spawn, Report], Bus]


@contextmanager
def swapped(
    app: Headrace,
    *,
    clock: Clock,
    spawn: Spawn,
    report: Report,
    portal: Portal | None = None,
    make_bus: MakeBus = Bus,
) -> Iterator[Store]:
    """The app, inside, whatever its URL, on an empty store in memory, which this gives; every chance is the same at
    every run. What is declared inside is forgotten afterwards, and what was open before goes on."""
    before = dict(vars(app))
    routes = [(handler.route, copy.copy(handler.route)) for handler in app.registry.all()]
    store = Store(clock)
    _replace_world(app, clock, spawn, report, make_bus)
    app.portal = portal or app.portal
    app.handles = Handles(lambda: MemoryStorage(store=store), app.declare)
    _copy_declarations(app)
    try:
        yield store
    finally:
        vars(app).clear()
        vars(app).update(before)
        for route, as_it_was in routes:
            route.follow(as_it_was)


def _replace_world(app: Headrace, clock: Clock, spawn: Spawn, report: Report, make_bus: MakeBus) -> None:
    bus = make_bus(spawn, report)
    for event_id in EVENTS:
        for listener in app.bus.listeners(event_id):
            bus.on(event_id, listener)
    app.clock, app.spawn, app.report, app.bus = clock, spawn, report, bus
    app.ids = Ids(clock, seed=1)
    app.entropy = _middle
    app.company = None  # each worker is a process of its own


def _copy_declarations(app: Headrace) -> None:
    app.registry = app.registry.copy()
    app.declared_queues = dict(app.declared_queues)
    app.declared_limits = app.declared_limits.anew()
    app.declared_schedules = app.declared_schedules.anew()
    app.start_hooks, app.stop_hooks = list(app.start_hooks), list(app.stop_hooks)
    app.middleware = list(app.middleware)


def _middle() -> float:
    """Jitter that neither adds nor takes away."""
    return 0.5
