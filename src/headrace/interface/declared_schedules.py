"""The schedules that an app declares, and what of them is in the store."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from headrace.interface.logs import report
from headrace.interface.schedule_plan import Plan, build_schedule
from headrace.model.errors import AlreadyRegistered, ScheduleUnreadable, StoreReadOnly
from headrace.model.record import SCHEDULE, Expect, Put, Record
from headrace.model.schedule import Schedule, redeclared
from headrace.model.schedule_record import CHANGED, is_removed, put_schedule, read_schedule
from headrace.storage.contract import Storage


class DeclaredSchedules:
    """Writes each declaration once in the life of a process, where the store doesn't have it already."""

    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}
        self._written: set[str] = set()

    def anew(self) -> "DeclaredSchedules":
        """The same declarations, for a store that has none of them."""
        fresh = DeclaredSchedules()
        fresh._plans = dict(self._plans)
        return fresh

    def add(self, name: str, plan: Plan) -> None:
        """Declare it, or raise the first error among its words."""
        build_schedule(name, plan)
        self.refuse(name, plan)
        self._plans[name] = plan

    def refuse(self, name: str, plan: Plan) -> None:
        """AlreadyRegistered where one of this name is declared."""
        first = self._plans.get(name)
        if first is not None:
            tasks = [f"the one of task {each['job'].template.task!r}" for each in (first, plan)]
            raise AlreadyRegistered(name, tasks[0], tasks[1], "schedule")

    async def write(self, storage: Storage) -> None:
        """Write those that were declared since the last time. Nothing, where nothing can be written: who only looks is
        not kept from it, and who writes is told by what they do next."""
        with suppress(StoreReadOnly):
            await self._write(storage)

    async def _write(self, storage: Storage) -> None:
        # built now, not when declared: a queue that was declared meanwhile has its say
        waiting = {name: build_schedule(name, plan) for name, plan in self._plans.items() if name not in self._written}
        while waiting:
            found = {record.name: record for record in await storage.records(SCHEDULE, names=list(waiting))}
            puts = _puts(waiting, found, await storage.now())
            oks = await storage.put([*puts, CHANGED]) if puts else ()
            lost = {put.name for put, ok in zip(puts, oks, strict=False) if not ok}
            self._written |= waiting.keys() - lost
            waiting = {name: waiting[name] for name in lost}


def _puts(waiting: Mapping[str, Schedule], found: Mapping[str, Record], now: int) -> Sequence[Put]:
    puts: list[Put] = []
    for name, schedule in waiting.items():
        record = found.get(name)
        new = redeclared(None if record is None else readable(record), schedule, now)
        if new is not None:
            puts.append(put_schedule(new, Expect.ABSENT if record is None else record.version))
    return puts


def readable(record: Record) -> Schedule | None:
    """The schedule; None where it was removed, or, with a report, where this version can't read it."""
    if is_removed(record):
        return None
    try:
        return read_schedule(record)
    except ScheduleUnreadable as error:
        report("schedules", error)
        return None
