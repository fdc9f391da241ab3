"""Schedules: declaring them, and what operators and programs do with those in the store."""

from collections.abc import Callable
from typing import Any, TypeVar, Unpack

from msgspec.structs import replace

from headrace.interface.config import check_count
from headrace.interface.core import Core
from headrace.interface.declared_schedules import readable
from headrace.interface.page import Page
from headrace.interface.schedule_plan import Edit, Plan, Rules, Timing, build_schedule, check_interval, revise_schedule
from headrace.interface.task import Task
from headrace.model.cron import parse_cron
from headrace.model.duration import Duration
from headrace.model.errors import InvalidOption, ScheduleNotFound
from headrace.model.job import NewJob
from headrace.model.names import check_name
from headrace.model.record import SCHEDULE, Expect, Put, Record
from headrace.model.schedule import Schedule, edited, job_of, redeclared, resumed
from headrace.model.schedule_record import CHANGED, is_removed, put_schedule, read_schedule, removal
from headrace.runtime import events
from headrace.runtime.scheduler import Scheduler
from headrace.storage.contract import Receipt, Storage

AnyTask = TypeVar("AnyTask", bound=Task[..., Any, Any])
_LARGEST_PAGE = 10_000


class Schedules(Core):
    """The part of an app that is about schedules."""

    # --- declaring ---------------------------------------------------------------------------------------------------

    def cron(
        self, expression: str, *, tz: str = "UTC", name: str | None = None, **rules: Unpack[Rules]
    ) -> Callable[[AnyTask], AnyTask]:
        """Enqueue the task below whenever the cron expression fires: put it above ``@app.task``.

        5 fields, or 6 with seconds first, in the zone ``tz``. ``name`` defaults to the task's. For the rest see
        ``schedule``.
        """
        parse_cron(expression, tz)
        return lambda task: self._schedule_task(task, name, {"cron": expression, "tz": tz}, rules)

    def every(
        self, interval: Duration, *, name: str | None = None, **rules: Unpack[Rules]
    ) -> Callable[[AnyTask], AnyTask]:
        """Enqueue the task below again and again, at least 100 ms apart: put it above ``@app.task``.

        The first time is one interval after the declaration reached the store. For the rest see ``schedule``.
        """
        check_interval(interval)
        return lambda task: self._schedule_task(task, name, {"every": interval}, rules)

    def schedule(self, name: str, **plan: Unpack[Plan]) -> None:
        """Declare a schedule: ``app.schedule("nightly", cron="0 3 * * *", tz="Europe/Paris", job=report.call())``.

        Either ``cron`` or ``every`` is given, and ``job``. ``catch_up`` says what becomes of ticks that passed while no
        worker ran: ``"last"`` (default) makes the latest good, ``"all"`` each of them, ``"none"`` only the latest, and
        only if it is at most a minute late. ``overlap=False`` skips a tick while the job of an earlier one is not
        final. After ``times`` ticks there is none.

        Written at the storage's first use, or at the next start of a worker. What is in the store is replaced only
        when the declaration has changed since: until then the edits of operators stand.
        """
        self.declared_schedules.add(name, plan)

    def _schedule_task(self, task: AnyTask, name: str | None, timing: Timing, rules: Rules) -> AnyTask:
        if not isinstance(task, Task):
            raise InvalidOption("task", task, "@app.cron and @app.every stand above @app.task, which makes the task")
        self.schedule(task.name if name is None else name, **timing, **rules, job=task.call())
        return task

    # --- in the store ------------------------------------------------------------------------------------------------

    async def aput_schedule(self, name: str, **plan: Unpack[Plan]) -> Schedule:
        """Create or replace a schedule now, with the words of ``schedule``. For those that a program makes up while it
        runs: no declaration stands behind it, and it stays until it is removed. Given again on the same times, it
        goes on where it was."""
        wanted = replace(build_schedule(name, plan), declared="")
        self.declared_schedules.refuse(name, plan)
        storage = await self._declared_storage()
        while True:
            found = await storage.records(SCHEDULE, names=[name])
            record = found[0] if found else None
            stored = None if record is None else readable(record)
            new = redeclared(stored, wanted, await storage.now())
            expect = Expect.ABSENT if record is None else record.version
            if new is not None and await _put(storage, put_schedule(new, expect)):
                return new

    async def aschedules(self, *, name: str | None = None, limit: int = 50, after: str | None = None) -> Page[Schedule]:
        """Schedules by name; with ``name`` that one alone. Those that this version can't read are left out, and
        reported."""
        names = None if name is None else [check_name("schedule", name)]
        most = check_count("limit", limit, most=_LARGEST_PAGE)
        storage = await self._declared_storage()
        found: list[Record] = []
        while len(found) <= most:
            wanted = most + 1 - len(found)
            records = await storage.records(SCHEDULE, names=names, after=after, limit=wanted)
            found += [record for record in records if not is_removed(record)]
            if len(records) < wanted:
                break
            after = records[-1].name
        page = [schedule for schedule in map(readable, found[:most]) if schedule is not None]
        return Page(page, found[most - 1].name if len(found) > most else None, "schedules")

    async def apause_schedule(self, name: str) -> None:
        """No tick until it is resumed. ScheduleNotFound."""
        await self._change(name, lambda schedule, _: replace(schedule, paused=True))

    async def aresume_schedule(self, name: str) -> None:
        """Tick again, from now on: what passed while it was paused is not made good. ScheduleNotFound."""
        await self._change(name, resumed)

    async def aedit_schedule(self, name: str, **edit: Unpack[Edit]) -> Schedule:
        """Change what is given, as an operator: this stands until its declaration changes. ScheduleNotFound."""
        return await self._change(name, lambda schedule, now: edited(schedule, revise_schedule(schedule, edit), now))

    async def arun_schedule(self, name: str) -> Receipt[Any]:
        """Enqueue its job now, paused or not; its ticks stay as they are. Without ``overlap`` the receipt may be a
        duplicate's. ScheduleNotFound."""
        record = await _find(await self._declared_storage(), name)
        return await self.send(job_of(read_schedule(record), None, self.ids.new()))

    async def aremove_schedule(self, name: str) -> None:
        """Forget it. One that is declared comes back when a program that declares it starts. ScheduleNotFound."""
        storage = await self._declared_storage()
        while not await _put(storage, removal(name, (await _find(storage, name)).version)):
            pass

    async def aschedule_once(self) -> int:
        """Enqueue the jobs of ticks that are due: a bounded step, and how many ticks it dealt with. Zero: none is due.
        For programs that run no worker: workers do this by themselves. Safe beside them."""
        storage = await self._declared_storage()
        return await Scheduler(storage, self.ids.new, self.report, self._tell_ticked).schedule_once()

    def _tell_ticked(self, new: NewJob, receipt: Receipt[Any]) -> None:
        if self.bus.wants(events.QUEUED):
            self.tell_queued(new, receipt)

    async def _declared_storage(self) -> Storage:
        storage = (await self.here()).storage
        await self.declared_schedules.write(storage)
        return storage

    async def _change(self, name: str, decide: Callable[[Schedule, int], Schedule]) -> Schedule:
        storage = await self._declared_storage()
        while True:
            record = await _find(storage, name)
            schedule = read_schedule(record)
            changed = decide(schedule, await storage.now())
            if changed == schedule or await _put(storage, put_schedule(changed, record.version)):
                return changed


async def _find(storage: Storage, name: str) -> Record:
    found = await storage.records(SCHEDULE, names=[check_name("schedule", name)])
    if not found or is_removed(found[0]):
        raise ScheduleNotFound(name)
    return found[0]


async def _put(storage: Storage, put: Put) -> bool:
    return (await storage.put([put, CHANGED]))[0]
