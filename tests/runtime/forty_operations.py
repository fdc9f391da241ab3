"""A fixed script of what programs do with an app, one call of its storage failing, and what must hold afterwards."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

from msgspec.structs import replace
from stand import Stand

from headrace import (
    HIGH,
    Headrace,
    LeaseLost,
    PermanentFailure,
    RetryPolicy,
    Snooze,
    State,
    acquire,
    current,
)
from headrace.interface.handles import Handles
from headrace.model.change import Change, Status, Verdict
from headrace.model.job import Job
from headrace.model.schedule import TICK_HEADER
from headrace.model.state import FINAL
from headrace.runtime.events import Bus
from headrace.storage.contract import Demand, Filter
from headrace.testing.failing import FailingStorage, Faults

C, D, X = State.COMPLETED, State.DEAD, State.CANCELLED
QUEUES = {"default": 3, "slow": 2, "limited": 2, "ticks": 1}
HAND = {"hand": 1}
EVERY = 4
"""Seconds between the ticks of the schedule."""
LASTING = {"beat", "claim", "reclaim", "records", "prune", "record", "put", "insert"}
"""Calls that a worker makes for as long as it lives."""


class Watched(FailingStorage):
    """Also counts the completions that were applied, by job."""

    completed: Counter[str]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        async def counted() -> Sequence[Verdict]:
            verdicts = await self._inner.apply(changes)
            for change, verdict in zip(changes, verdicts, strict=True):
                if verdict.status is Status.APPLIED and change.patch.state is C:
                    self.completed[change.job_id] += 1
            return verdicts

        return await self._call("apply", counted)


class Script:
    """One run of it. ``definite``: the failing call does nothing, and says so."""

    def __init__(self, faults: Faults, while_it_stands: ExitStack, *, definite: bool) -> None:
        self.faults, self.definite = faults, definite
        retry = RetryPolicy.exponential(max_attempts=3, base=0.5, jitter=0)
        self.app = Headrace("memory:", lease=9, beat=3, poll=2, reap=3, grace=1, kill_after=1, retry=retry)
        self.app.settings = replace(self.app.settings, prune=8.0)
        self.stand = Stand(self.app, while_it_stands)
        self.app.bus = Bus(self.app.spawn, self.stand.report)  # without log lines: it is run a thousand times
        self.completed: Counter[str] = Counter()
        watched = type("", (Watched,), {"completed": self.completed})
        make = self.app._make_storage
        self.app.handles = Handles(lambda: watched(make(), faults), self.app.declare)
        self.raised: list[Exception] = []
        """What the failing call raised."""
        self.surprises: list[str] = []
        self.must: dict[str, set[State]] = {}
        """Jobs that were acknowledged, and how each may end."""
        self.may: dict[str, set[State]] = {}
        """Jobs of which nobody can know."""
        self.refused: set[str] = set()
        self.may_crash: set[str] = set()
        self.known_by_row: set[str] = set()
        """Other jobs that are there by right: of ticks, and those that follow others."""
        self.kv: dict[str, set[object]] = {}
        self.operations = 0
        self.calls = 0
        """Of the storage, by the script."""
        self.runs: defaultdict[str, list[int]] = defaultdict(list)
        self.running: set[str] = set()
        self.cleared = ""
        self.told = self.stand.hear("queue.job.completed")
        self._register()

    # --- the app -----------------------------------------------------------------------------------------------------

    def _register(self) -> None:
        app, stand = self.app, self.stand
        app.limit("slack", rate="10/s", burst=2)
        app.queue("slow", concurrency=2)
        app.schedule("often", every=f"{EVERY}s", job=self._task("ticked", "ticks").call(), catch_up="all")

        async def fails_twice() -> None:
            if current().attempt < 3:
                raise ValueError(current().attempt)

        async def doomed() -> None:
            raise PermanentFailure("no")

        async def snoozes() -> None:
            if len(self.runs[current().job.id]) == 1:
                raise Snooze(3)

        async def sleeps(seconds: float) -> None:
            await stand.pass_time(seconds)

        async def asks() -> None:
            await acquire("slack")

        async def leads_on() -> str:
            current().progress(50, "half")
            await stand.pass_time(1)
            self.known_by_row.update(current().then(self.work.call(9), kv={"followed": current().job.id}))
            return "led"

        self.work = self._task("work", "default")
        self.fails_twice = self._task("fails_twice", "default", fails_twice)
        self.doomed = self._task("doomed", "default", doomed)
        self.snoozes = self._task("snoozes", "default", snoozes)
        self.sleeps = self._task("sleeps", "slow", sleeps)
        self.leads_on = self._task("leads_on", "default", leads_on)
        self.limited = self._task("limited", "limited", limits=["slack"])
        self.asks = self._task("asks", "limited", asks)

    def _task(self, name: str, queue: str, does: Callable[..., Awaitable[Any]] | None = None, **options: Any) -> Any:
        async def body(*arguments: Any) -> Any:
            job = current().job
            if job.id in self.running:
                self.surprises.append(f"{name} {job.id} runs twice at once")
            self.running.add(job.id)
            self.runs[job.id].append(job.attempt)
            try:
                return await does(*arguments) if does is not None else (arguments[0] if arguments else None)
            finally:
                self.running.discard(job.id)

        if name in ("work", "limited"):

            async def handler(number: int) -> Any:
                return await body(number)
        elif name == "sleeps":

            async def handler(seconds: float) -> Any:  # type: ignore[misc]
                return await body(seconds)
        else:

            async def handler() -> Any:  # type: ignore[misc]
                return await body()

        return self.app.task(name=name, queue=queue, **options)(handler)

    # --- one operation -----------------------------------------------------------------------------------------------

    async def do(
        self, call: Callable[[], Awaitable[Any]], *, again: bool = False, may: tuple[type[Exception], ...] = ()
    ) -> tuple[Any, Exception | None]:
        """What it answered, and the error that it met, once, where the caller can do with it. ``may``: what may come of
        doing it again."""
        self.operations += 1
        met: Exception | None = None
        try:
            return await call(), None
        except Exception as error:
            # Or what it means to one of many callers whose jobs went together.
            if error not in self.raised and error.__cause__ not in self.raised:
                self.surprises.append(f"operation {self.operations} raised {error!r}, not what the storage did")
            met = error
        if not again:
            return None, met
        try:
            return await call(), None
        except may:
            return None, None

    async def enqueue(self, task: Any, *arguments: Any, ends: Sequence[State] = (C,), again: bool, **using: Any) -> str:
        """Enqueue under an id of our own; doing it again makes no second job."""
        job_id = self.app.ids.new()
        bound = task.using(id=job_id, **using)
        receipt, error = await self.do(lambda: bound.aenqueue(*arguments), again=again)
        self.note([job_id], receipt is not None, error, ends)
        for name, value in using.get("kv", {}).items():
            self.written(name, value, receipt is not None, error)
        return job_id

    def note(self, ids: Sequence[str], acknowledged: bool, error: Exception | None, ends: Sequence[State]) -> None:
        if acknowledged:
            self.must |= {job_id: set(ends) for job_id in ids}
        elif error is not None and self.definite:
            self.refused.update(ids)
        else:
            self.may |= {job_id: set(ends) for job_id in ids}

    def written(self, name: str, value: object, acknowledged: bool, error: Exception | None) -> None:
        if acknowledged:
            self.kv[name] = {value}
        elif not (error is not None and self.definite):
            self.kv.setdefault(name, {None}).add(value)

    def also(self, job_id: str, *ends: State) -> None:
        """It may end so as well."""
        for known in (self.must, self.may):
            if job_id in known:
                known[job_id].update(ends)

    # --- the script --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Forty operations, with two workers one after the other."""
        waiting = await self.before_workers()
        worker = None
        while worker is None:
            worker, _ = await self.do(lambda: self.start(QUEUES))
        await self.beside_a_worker(waiting)
        self.may_crash.update(self.running)
        await self.do(lambda: worker.__aexit__(None, None, None))
        second = None
        while second is None:
            second, _ = await self.do(lambda: self.start(QUEUES | HAND))
        await self.operators_wishes()
        self.second = second

    async def start(self, queues: dict[str, int]) -> Any:
        worker = self.app.worker(queues)
        await worker.__aenter__()
        return worker

    async def before_workers(self) -> dict[str, str]:
        app, do, work = self.app, self.do, self.work
        await do(lambda: self.migrate(), again=True)
        await self.enqueue(work, 1, again=False)
        await self.enqueue(work, 2, again=True, priority=HIGH, kv={"first": "a"})
        await self.enqueue(work, 3, again=False, kv={"first": "b"})
        keyed = await self.enqueue(work, 4, again=True, key="k")
        second, error = await do(lambda: work.using(key="k").aenqueue(4), again=True)
        if keyed in self.must and second.id != keyed:
            self.surprises.append(f"a key was given twice: {second}")
        many = [app.ids.new() for _ in range(3)]
        calls = [work.using(id=job_id).call(5) for job_id in many]
        receipts, error = await do(lambda: app.aenqueue_many(calls))
        self.note(many, receipts is not None, error, (C,))
        waiting = {
            "delayed": await self.enqueue(work, 6, again=True, delay=8),
            "far": await self.enqueue(work, 7, again=True, delay=3600),
            "unwanted": await self.enqueue(work, 8, again=True, delay=3600, ends=(X,)),
        }
        await do(lambda: app.acancel(waiting["unwanted"]), again=True)
        await do(lambda: app.akv_get("first"))
        await do(lambda: app.apause("default"), again=True)
        await do(lambda: app.aresume("default"), again=True)
        await do(lambda: app.ascale("slow", 3), again=True)
        await do(lambda: app.aset_limit("slack", burst=3), again=True)
        await do(lambda: app.aschedule_once())
        await self.claims_by_hand()
        return waiting

    async def migrate(self) -> None:
        await (await self.app.here()).storage.migrate()

    async def claims_by_hand(self) -> None:
        app = self.app
        hand = [await self.enqueue(self.work, 10 + n, again=True, queue="hand") for n in range(3)]
        self.may_crash.update(hand)
        claims, _ = await self.do(lambda: app.aclaim("hand", limit=2))
        for claim in claims or ():
            await self.do(partial(app.arenew, claim), again=True)
            if claim is claims[0]:
                answer = partial(app.aack, claim, then=[self.work.call(20)], kv={"acked": 1})
            else:
                answer = partial(app.anack, claim, "not now")
            await self.do(answer, again=True, may=(LeaseLost,))
        if claims:
            self.kv["acked"] = {1}

    async def beside_a_worker(self, waiting: dict[str, str]) -> None:
        app, do, stand = self.app, self.do, self.stand
        await self.enqueue(self.fails_twice, again=False)
        doomed = await self.enqueue(self.doomed, again=True, ends=(D,))
        self.cleared = await self.enqueue(self.doomed, again=True, queue="limited", ends=(D,))
        await self.enqueue(self.snoozes, again=False)
        long = await self.enqueue(self.sleeps, 12, again=True)
        stopped = await self.enqueue(self.sleeps, 1000, again=True, ends=(X,))
        for number in range(4):
            await self.enqueue(self.limited, number, again=False)
        await self.enqueue(self.asks, again=False)
        led = await self.enqueue(self.leads_on, again=True)
        self.kv["followed"] = {led}
        await do(lambda: app.ajoin(led, 200), again=True)
        await do(lambda: app.aresult(led, 200), again=True)
        await do(lambda: app.arun_now(waiting["far"]), again=True, may=(Exception,))
        await do(lambda: app.acancel(stopped), again=True)
        await do(lambda: app.ajoin(doomed, 200), again=True)
        await stand.pass_time(4)
        self.may_crash.add(long)  # it is handed back, or its hand-back fails

    async def operators_wishes(self) -> None:
        app, do, stand = self.app, self.do, self.stand
        await self.vanish()
        await do(lambda: app.arescue_once(), again=True)
        await do(lambda: app.adead_letters("default"), again=True)
        await do(lambda: app.aretry_dead("default"), again=True)
        await do(lambda: app.aclear_dead_letters("limited"), again=True)
        self.must.pop(self.cleared, None)
        await do(lambda: app.awhy(next(iter(self.must))), again=True)
        await do(lambda: app.acounts())
        await do(lambda: app.ajobs(limit=10))
        await do(lambda: app.aprune_once(), again=True)
        await do(lambda: app.aroll_metrics_once())
        await do(lambda: app.ametrics())
        await do(lambda: app.aworkers())
        _, error = await do(lambda: app.akv_delete("first"))
        self.written("first", None, error is None, error)
        await self.vanish()  # for the worker to find
        await stand.pass_time(10)

    async def vanish(self) -> None:
        """A worker of another program claims, and is heard of no more. Its calls don't fail."""
        storage = (await self.app.here()).storage._inner  # type: ignore[attr-defined]
        await storage.beat("vanished", (), 30)
        new = self.work.using(queue="ticks").call(30).make(self.app.ids.new())
        await storage.insert([new])
        claimed = await storage.claim("vanished", [Demand("ticks", 10)])
        await storage.beat("vanished", (), 0)
        self.must[new.id] = {C}
        self.may_crash.update(job.id for job in claimed)

    # --- what must hold ----------------------------------------------------------------------------------------------

    async def rest(self) -> list[str]:
        """All that is wrong, once the fault is over and everything has had time to come to rest."""
        wrong = self.surprises
        jobs = await self.all_jobs()
        for _ in range(60):
            if all(job.state in FINAL for job in jobs.values() if job.task != "ticked"):
                break
            await self.stand.pass_time(2)
            jobs = await self.all_jobs()
        wrong += self.about_jobs(jobs)
        await self.app.bus.flush()
        wrong += self.about_what_is_told()
        wrong += await self.about_life()
        wrong += self.about_ticks(await self.all_jobs())
        for name, values in self.kv.items():
            value = await self.app.akv_get(name)
            if value not in values:
                wrong.append(f"kv {name} is {value!r}, not one of {values}")
        return wrong

    async def all_jobs(self) -> dict[str, Job]:
        storage = (await self.app.here()).storage
        return {job.id: job for job in (await storage.find(Filter(), limit=10_000)).jobs}

    def about_jobs(self, jobs: dict[str, Job]) -> list[str]:
        wrong = [f"lost: {job_id}" for job_id in self.must if job_id not in jobs]
        for job in jobs.values():
            if job.task == "ticked":
                continue
            if job.id == self.cleared:
                wrong.append("a dead letter was cleared and is there")
            ends = self.must.get(job.id) or self.may.get(job.id)
            if job.id in self.refused:
                wrong.append(f"ghost of a refused enqueue: {job.id}")
            if job.state not in (ends or {C}):
                wrong.append(f"{job.task} {job.id} is {job.state} ({job.reason})")
            if job.crashes and job.id not in self.may_crash:
                wrong.append(f"{job.task} {job.id} crashed {job.crashes} times: {job.history}")
            if job.state is C and job.attempt != len(set(self.runs[job.id])) and job.queue != "hand":
                wrong.append(f"{job.task} {job.id} counts {job.attempt} attempts of {self.runs[job.id]}")
            most = {"fails_twice": 3, "snoozes": 2, "doomed": 2, "asks": 2}.get(job.task, 1) + (
                job.id in self.may_crash
            )
            if len(self.runs[job.id]) > most:
                wrong.append(f"{job.task} {job.id} ran {self.runs[job.id]}")
        wrong += [f"completed {number} times: {job_id}" for job_id, number in self.completed.items() if number > 1]
        wrong += [f"a job that follows is lost: {job_id}" for job_id in self.known_by_row if job_id not in jobs]
        return wrong

    def about_what_is_told(self) -> list[str]:
        """Whatever was completed is told of once, and no lease is said to be lost."""
        told = Counter(event.job_id for event in self.told)
        wrong = [
            f"told {told[job_id]} times: {job_id}"
            for job_id in self.completed.keys() - self.may_crash
            if told[job_id] != 1
        ]
        lost = [error.job_id for _, error in self.stand.reports if isinstance(error, LeaseLost)]
        return wrong + [f"a lease is said to be lost: {job_id}" for job_id in lost if job_id not in self.may_crash]

    async def about_life(self) -> list[str]:
        """No loop of the second worker is silent, and permits are to be had."""
        stand, wrong = self.stand, list[str]()
        begun = len(self.faults.calls)
        probes = [await self.work.using(queue=queue).aenqueue(0) for queue in QUEUES]
        probes += [await self.limited.aenqueue(n) for n in range(6)]
        endless = await self.sleeps.aenqueue(10_000)
        await stand.pass_time(3)
        for probe in probes:
            job = await stand.job(probe)
            if job.state is not C:
                wrong.append(f"a later job is {job.state}: {job.task} in {job.queue}")
        await self.app.acancel(endless)
        await stand.pass_time(3)
        if (await stand.job(endless)).state is not X:
            wrong.append("a running job can not be cancelled any more")
        await stand.pass_time(10)
        silent = LASTING - set(self.faults.calls[begun:])
        if silent:
            wrong.append(f"no calls any more: {silent}")
        return wrong

    def about_ticks(self, jobs: dict[str, Job]) -> list[str]:
        """Exactly one job a tick, none left out."""
        headers = [job.options.headers[TICK_HEADER] for job in jobs.values() if job.task == "ticked"]
        ticks = sorted(datetime.fromisoformat(tick).timestamp() for tick in headers)
        gaps = {later - earlier for earlier, later in pairwise(ticks)}
        if gaps != {EVERY}:
            return [f"ticks are {gaps} s apart: {ticks}"]
        silent = self.stand.clock.wall() / 1000 - ticks[-1]
        return [] if silent <= EVERY + 2 else [f"no tick for {silent} s"]


async def run_script(faults: Faults, *, definite: bool, raised: list[Exception]) -> tuple[Script, list[str]]:
    """The script once, and all that is wrong afterwards."""
    with ExitStack() as while_it_stands:
        script = Script(faults, while_it_stands, definite=definite)
        script.raised = raised
        await script.run()
        script.calls = len(faults.calls)
        faults.clear()
        wrong = await script.rest()
        await script.second.__aexit__(None, None, None)
        await script.app.aclose()
    return script, wrong
