"""Drives a real storage in memory through the contract, one call after another, and writes down what happens: a history
that is right, and in its exact order."""

from collections import defaultdict
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from headrace.model import lifecycle, rate
from headrace.model.change import Change, Held, Status
from headrace.model.job import Job, NewJob, Until
from headrace.model.outcome import Crashed, Failure, Outcome, Raised, Refused, Returned, Snoozed
from headrace.model.rate import Rate
from headrace.model.record import QUEUE, Put, QueueControl
from headrace.model.retry import RetryPolicy
from headrace.model.schedule import Schedule, job_of
from headrace.model.state import FINAL, RUNNING, WAITING, State
from headrace.storage.contract import Demand, Filter, Holding, Keep
from headrace.storage.memory.storage import MemoryStorage
from headrace.testing.history.records import (
    Answer,
    AnyRecord,
    Bought,
    Ceiling,
    Declared,
    Died,
    Ended,
    Enqueued,
    Enqueueing,
    Granted,
    Healed,
    Leased,
    NotEnqueued,
    Ordered,
    Ordering,
    Removed,
    Rows,
    Scheduled,
    Settled,
    Started,
    Waited,
    Wanted,
)

T = TypeVar("T")

QUEUES = ("q", "capped")
CAPACITY = 2
LEASE = 10.0
BEACON = Schedule("beacon", NewJob("", "tick", "q", "{}"), every=10.0)
POLICY = RetryPolicy.exponential(max_attempts=3, base=2.0, jitter=0.0)

Step = tuple[int, int, int]
"""What is done, and two numbers that say how."""


class _Clock:
    def __init__(self) -> None:
        self.now = 1_000_000

    def wall(self) -> int:
        return self.now

    def boot(self) -> int:
        return self.now

    def boot_id(self) -> str:
        return "boot"

    def monotonic(self) -> float:
        return self.now / 1000

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")


class Recorder:
    """One store, some workers and producers, an operator."""

    def __init__(self, *, ticks: bool = True) -> None:
        self.clock = _Clock()
        self.fires = ticks
        self.storage = MemoryStorage(self.clock)
        self.records: list[AnyRecord] = []
        self.numbers = self.calls = 0
        self.known: list[str] = []
        self.kills = [0, 0, 0]
        self.held: defaultdict[str, dict[str, Job]] = defaultdict(dict)
        self.ran: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
        self.bucket = rate.full(Rate(2, 1_000), 3)
        self.next_tick = self.clock.now + 10_000
        self.ticks: list[int] = []
        self.begun = self.clock.now

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        """Memory waits for nothing."""
        try:
            call.send(None)
        except StopIteration as stop:
            return stop.value
        raise AssertionError("it waited")

    def tell(self, kind: type, process: str, **fields: Any) -> None:
        self.records.append(kind(at=self.clock.now, process=process, **fields))

    def run(self, steps: Sequence[Step]) -> list[AnyRecord]:
        """Takes these steps, and then brings everything to its end."""
        self.do_open()
        for kind, one, other in steps:
            self.clock.now += (one * 7 + other * 3) % 400
            _STEPS[kind % len(_STEPS)](self, one, other)
        self.finish()
        return self.records

    def do_open(self) -> None:
        self.storage._loop = None
        self.storage._entered = lambda: self.storage._store  # no event loop here
        self.tell(Declared, "cluster", limit="api", count=2, period=1_000, burst=3)
        self.tell(Ceiling, "cluster", queue="capped", most=CAPACITY)
        control = QueueControl(concurrency=CAPACITY)
        self.do(self.storage.put([Put(QUEUE, "capped", _encode(control))]))

    # --- those who ask -----------------------------------------------------------------------------------------------

    def enqueue(self, one: int, other: int) -> None:
        """One to three jobs; now and then again with the same ids; and now and then without an answer."""
        wanted = [self.wish(one + number, other) for number in range(1 + one % 3)]
        fate = other % 9
        self.ask(wanted, fate)
        if fate in (1, 2, 3) and one % 2:
            self.ask(wanted, 8)

    def wish(self, one: int, other: int) -> Wanted:
        self.numbers += 1
        job = f"job-{self.numbers:04}"
        until = list(Until)[other % 3]
        key = f"{until}-{one % 2}" if (one + other) % 3 == 0 else None
        return Wanted(
            id=job,
            task="work",
            queue=QUEUES[one % 5 == 0],
            payload=f'{{"number":{self.numbers}}}',
            priority=(100, 100, 1)[other % 3],
            delay=(0.0, 0.0, 0.0, 2.0)[one % 4],
            due_at=self.clock.now + 5_000 if one % 11 == 0 else None,
            key=key,
            until=until,
            window=4.0 if until is Until.WINDOW else None,
            max_attempts=3,
        )

    def ask(self, wanted: Sequence[Wanted], fate: int) -> None:
        self.calls += 1
        call, process = self.calls, f"producer-{self.calls % 2}"
        self.tell(Enqueueing, process, call=call, jobs=wanted)
        self.clock.now += fate % 2
        if fate == 0:
            self.tell(NotEnqueued, process, call=call, error="Refused", certain=True)
            return
        receipts = [] if fate == 1 else self.do(self.storage.insert([new_job(one) for one in wanted]))
        self.known += [one.id for one in wanted]
        if fate < 3:
            self.tell(NotEnqueued, process, call=call, error="Unknown", certain=False)
        elif fate > 3:
            answers = [Answer(receipt.id, receipt.duplicate) for receipt in receipts]
            self.tell(Enqueued, process, call=call, answers=answers)

    def order(self, one: int, other: int) -> None:
        """An operator's command, whatever state the job is in."""
        if not self.known:
            return
        job_id = self.known[one % len(self.known)]
        command = ("cancel", "cancel", "retry", "run_now", "delete")[other % 5]
        self.calls += 1
        self.tell(Ordering, "operator", call=self.calls, command=command, jobs=[job_id])
        done = self.delete(job_id) if command == "delete" else self.command(job_id, command)
        if one % 4:
            self.tell(Ordered, "operator", call=self.calls, command=command, done=[job_id] if done else [])

    def delete(self, job_id: str) -> bool:
        return self.do(self.storage.delete([job_id]))[0].status is Status.APPLIED

    def command(self, job_id: str, command: str) -> bool:
        (job,) = self.do(self.storage.get([job_id]))
        decide = {"cancel": lifecycle.cancel, "retry": lifecycle.retry, "run_now": lifecycle.run_now}[command]
        change = None if job is None else decide(job)
        return change is not None and self.do(self.storage.apply([change]))[0].status is Status.APPLIED

    def wait(self, one: int, _: int) -> None:
        """Somebody asks for a result."""
        jobs = self.do(self.storage.get(self.known))
        final = [job for job in jobs if job is not None and job.state in FINAL]
        if final:
            job = final[one % len(final)]
            self.tell(Waited, "producer-0", job=job.id, state=job.state, result=job.result)

    # --- those who work ----------------------------------------------------------------------------------------------

    def worker(self, one: int) -> str:
        """In each of three places stands one, under a new name after each kill."""
        return f"w{one % 3}.{self.kills[one % 3]}"

    def beat(self, one: int, other: int) -> None:
        worker, ttl = self.worker(one), 0.0 if other % 7 == 0 else LEASE
        holding = [Holding(job.id, job.generation) for job in self.held[worker].values()]
        self.do(self.storage.beat(worker, holding, ttl))
        self.tell(Leased, worker, worker=worker, until=self.clock.now + round(ttl * 1000))

    def grant(self, worker: str, jobs: Sequence[Job], *, rescued: bool = False) -> None:
        for job in jobs:
            self.tell(
                Granted,
                worker,
                worker=worker,
                job=job.id,
                queue=job.queue,
                priority=job.priority,
                due_at=job.due_at,
                generation=job.generation,
                attempt=job.attempt,
                crashes=job.crashes,
                rescued=rescued,
                started_at=job.started_at,
            )

    def claim(self, one: int, other: int) -> None:
        worker = self.worker(one)
        if other % 3:
            self.beat(one, 1)
        jobs = self.do(self.storage.claim(worker, [Demand(QUEUES[other % 4 == 0], 1 + other % 3)]))
        self.grant(worker, jobs)
        for job in jobs:
            self.held[worker][job.id] = job
            if job.cancel_requested:
                self.apply(worker, job, lifecycle.drop(job))

    def reclaim(self, one: int, other: int) -> None:
        worker = self.worker(one)
        jobs = self.do(self.storage.reclaim(worker, 3))
        self.grant(worker, jobs, rescued=True)
        if other % 4 == 0:
            self.kill(one, other)  # this rescuer vanishes too
            return
        for job in jobs:
            self.apply(worker, job, lifecycle.lapse(job, 0.5))

    def work(self, one: int, other: int) -> None:
        """The next thing with one of the jobs that a worker believes to hold: it may have lost it long ago."""
        worker = self.worker(one)
        if not self.held[worker]:
            return
        job = list(self.held[worker].values())[other % len(self.held[worker])]
        if (job.id, job.generation) in self.ran[worker]:
            self.end(worker, job, other)
        elif other % 9 == 0:
            self.apply(worker, job, lifecycle.hand_back(job))
        else:
            self.begin(worker, job)

    def begin(self, worker: str, job: Job) -> None:
        if job.crashes and not self.apply(worker, job, lifecycle.stamp_alone(job)):
            self.held[worker].pop(job.id, None)
            return
        self.ran[worker].add((job.id, job.generation))
        about = {"job": job.id, "generation": job.generation, "attempt": job.attempt}
        self.tell(Started, worker, payload=job.payload, **about)

    def end(self, worker: str, job: Job, other: int) -> None:
        told, outcome = _OUTCOMES[other % len(_OUTCOMES)]
        about = {"job": job.id, "generation": job.generation}
        if told == "returned":
            result = str(other)
            self.tell(Ended, worker, outcome=told, result=result, **about)
            change = lifecycle.settle(job, Returned(result.encode()), POLICY, 0.5)
            self.apply(worker, job, self.with_child(job, change, other))
        else:
            self.tell(Ended, worker, outcome=told, **about)
            self.apply(worker, job, lifecycle.settle(job, outcome, POLICY, 0.5))

    def with_child(self, job: Job, change: Change, other: int) -> Change:
        if other % 2:
            return change
        self.numbers += 1
        child = Wanted(id=f"job-{self.numbers:04}", task="work", queue="q", parent=job.id)
        self.calls += 1
        self.tell(Enqueueing, job.worker or "", call=self.calls, jobs=[child])
        return replace(change, then=(new_job(child),))

    def apply(self, worker: str, job: Job, change: Change) -> bool:
        assert isinstance(change.guard, Held)
        (verdict,) = self.do(self.storage.apply([change]))
        if change.patch.state is not None:
            self.held[worker].pop(job.id, None)
        self.tell(
            Settled,
            worker,
            worker=worker,
            job=job.id,
            generation=job.generation,
            state=change.patch.state,
            applied=verdict.status is Status.APPLIED,
            reason=change.patch.reason,
            result=change.patch.result,
            delay=change.patch.delay,
            then=[child.id for child in change.then],
        )
        return verdict.status is Status.APPLIED

    def buy(self, one: int, other: int) -> None:
        now = self.clock.now
        self.bucket, number = rate.take(self.bucket, 1 + other % 3, now)
        if number:
            self.tell(Bought, self.worker(one), limit="api", number=number)
            if other % 4 == 0:
                self.bucket = rate.give_back(self.bucket, number, now)
                self.tell(Bought, self.worker(one), limit="api", number=-number)

    # --- others ------------------------------------------------------------------------------------------------------

    def tick(self, _: int, __: int) -> None:
        """What is due by now."""
        while self.fires and self.next_tick <= self.clock.now:
            self.numbers += 1
            self.do(self.storage.insert([job_of(BEACON, self.next_tick, f"job-{self.numbers:04}")]))
            self.ticks.append(self.next_tick)
            self.next_tick += 10_000

    def prune(self, one: int, _: int) -> None:
        keep = Keep(age=5.0, most=1_000)
        if one % 4 == 0:
            number = self.do(self.storage.prune({State.COMPLETED: keep}, 2))
            self.tell(Removed, "operator", number=number)

    def kill(self, one: int, _: int) -> None:
        worker = self.worker(one)
        self.tell(Died, worker)
        self.kills[one % 3] += 1

    def pass_time(self, one: int, _: int) -> None:
        self.clock.now += (500, 3_000, 12_000)[one % 3]

    def finish(self) -> None:
        """Everything comes to its end."""
        self.tell(Healed, "cluster")
        for _ in range(60):
            self.clock.now += 4_000
            self.tick(0, 0)
            for number in range(3):
                self.beat(number, 1)
            self.reclaim(0, 1)
            for number in range(3):
                for other in (1, 2):
                    self.claim(number, 4 * other + 1)
                    self.claim(number, 4 * other)
                worker = self.worker(number)
                for job in list(self.held[worker].values()):
                    if (job.id, job.generation) not in self.ran[worker]:
                        self.begin(worker, job)
                    if job.id in self.held[worker]:
                        self.end(worker, job, 1)
            counts = self.do(self.storage.count())
            if not any(number for (_, state), number in counts.items() if state in WAITING | RUNNING):
                break
        rows = self.do(self.storage.find(Filter(), limit=100_000)).jobs
        if self.ticks:
            self.records.append(Scheduled(at=self.begun, process="cluster", schedule="beacon", ticks=self.ticks))
        self.clock.now += 6_000
        self.tell(Rows, "cluster", jobs=rows)


def new_job(wanted: Wanted) -> NewJob:
    return NewJob(
        id=wanted.id,
        task=wanted.task,
        queue=wanted.queue,
        payload=wanted.payload,
        priority=wanted.priority,
        delay=wanted.delay,
        at=wanted.due_at,
        key=wanted.key,
        until=wanted.until,
        window=wanted.window,
    )


def _encode(control: QueueControl) -> str:
    return msgspec.json.encode(control).decode()


_FAILURE = Failure("ValueError", "planned")
_OUTCOMES: Sequence[tuple[str, Outcome]] = (
    ("returned", Returned()),
    ("returned", Returned()),
    ("raised", Raised(_FAILURE)),
    ("snoozed", Snoozed(2.0, "snoozed")),
    ("returned", Returned()),
    ("raised", Raised(_FAILURE)),
    ("permanent", Refused(_FAILURE)),
    ("crashed", Crashed(_FAILURE)),
)
_STEPS = (
    Recorder.enqueue,
    Recorder.enqueue,
    Recorder.enqueue,
    Recorder.claim,
    Recorder.claim,
    Recorder.claim,
    Recorder.work,
    Recorder.work,
    Recorder.work,
    Recorder.work,
    Recorder.beat,
    Recorder.reclaim,
    Recorder.order,
    Recorder.wait,
    Recorder.buy,
    Recorder.tick,
    Recorder.prune,
    Recorder.kill,
    Recorder.pass_time,
)
