"""Limits in virtual time: who starts when, what goes back, and what waiting costs."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from permits import Watch, excess
from stand import Stand, gaps_of

from headrace import Headrace, RetryPolicy, Snooze, State, Throttled, acquire, acquire_sync
from headrace.model.errors import InvalidName, NoCurrentJob, NotInProcess, UnknownLimit, UseAsync
from headrace.model.rate import Rate
from headrace.runtime.limiter import Limiter
from headrace.storage.contract import Demand

pytestmark = pytest.mark.anyio

TEN = Rate(10, 1_000)


@pytest.fixture
async def watch(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(await stand.storage(), monkeypatch)


class Runs:
    """When handlers started, by the clock."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self.at: list[float] = []
        self.order: list[Any] = []

    def note(self, what: Any = None) -> None:
        self.at.append(self._stand.now)
        self.order.append(what)

    def most_within(self, seconds: float) -> int:
        return max(sum(start <= at <= start + seconds for at in self.at) for start in self.at)


def limited(stand: Stand, **options: Any) -> tuple[Any, Runs]:
    """A task with a limit of ten a second, in a queue of its own, and its runs."""
    stand.app.limit("slack", rate="10/s", burst=5)
    runs = Runs(stand)

    @stand.app.task(name="post", queue="slack", limits=["slack"], **options)
    async def post(n: int) -> None:
        runs.note(n)

    return post, runs


async def test_a_backlog_runs_at_the_pace_of_its_limit_in_order(stand: Stand, watch: Watch) -> None:
    post, runs = limited(stand)
    await stand.app.aenqueue_many([post.call(n) for n in range(55)])
    began = stand.now
    async with stand.app.worker({"slack": 20}) as worker:
        await worker.idle()
    assert runs.order == list(range(55))
    assert runs.most_within(0) <= 5
    assert stand.now - began == pytest.approx(5.0, abs=0.2)
    assert excess(watch.permits["slack"], TEN, 5) <= 0
    assert watch.granted("slack") == 55


async def test_jobs_that_wait_for_permits_are_not_rewritten(stand: Stand, watch: Watch) -> None:
    """What is claimed can start: nothing goes back, and no attempt is spent."""
    post, runs = limited(stand)
    for _ in range(10):
        await stand.app.aenqueue_many([post.call(n) for n in range(1_000)])
    async with stand.app.worker({"slack": 20}):
        await stand.pass_time(10)
        counts = (await stand.app.acounts())["slack"]
        assert counts[State.PENDING] + counts.get(State.COMPLETED, 0) == 10_000
        watch.calls.clear()
        watch.changed_jobs = 0
        before = len(runs.at)
        await stand.pass_time(10)
    started = len(runs.at) - before
    assert started == pytest.approx(100, abs=3)
    assert watch.changed_jobs == started
    assert watch.calls["records of limit"] < 3 * started
    assert watch.calls["claim"] < 2 * started


async def test_a_slow_limit_keeps_nobody_busy(stand: Stand, watch: Watch) -> None:
    stand.app.limit("hourly", rate="1/h")
    runs = Runs(stand)

    @stand.app.task(limits="hourly")
    async def rare() -> None:
        runs.note()

    await stand.app.aenqueue_many([rare.call() for _ in range(3)])
    async with stand.app.worker({"default": 20}):
        await stand.pass_time(100)
        watch.calls.clear()
        await stand.pass_time(1_000)
        assert watch.calls["apply"] == watch.calls["claim"] == 0
        assert len(watch.permits["hourly"]) == 2, "the declaration, and the first permit"
        assert watch.calls["records of limit"] <= 1_000, "a look a second"
        await stand.pass_time(3_000)
    assert gaps_of(runs.at) == pytest.approx([3_600], abs=1.1)


async def test_without_limits_a_claim_asks_for_nothing_more(stand: Stand, watch: Watch) -> None:
    @stand.app.task
    async def free() -> None: ...

    await stand.app.aenqueue_many([free.call() for _ in range(100)])
    async with stand.app.worker({"default": 10}) as worker:
        await worker.idle()
    assert watch.calls["records of limit"] == 0
    assert not watch.permits


async def test_a_job_in_another_queue_than_foreseen_goes_back_until_its_permit(stand: Stand, watch: Watch) -> None:
    """The queue is not known to need permits: its first jobs are refused after the claim."""
    post, runs = limited(stand)
    receipts = [await post.using(queue="other").aenqueue(n) for n in range(8)]
    async with stand.app.worker({"other": 8}):
        await stand.pass_time(0.01)
        jobs = [await stand.job(receipt) for receipt in receipts]
        assert [job.state for job in jobs] == [State.COMPLETED] * 5 + [State.SCHEDULED] * 3
        assert [(job.reason, job.attempt) for job in jobs[5:]] == [("limited", 0)] * 3
        now = await (await stand.storage()).now()
        assert [job.due_at - now for job in jobs[5:]] == pytest.approx([100, 200, 300], abs=12)
        await stand.pass_time(1)
        assert [(await stand.job(receipt)).state for receipt in receipts] == [State.COMPLETED] * 8
    assert runs.at[5:] == pytest.approx([runs.at[0] + 0.1 * place for place in (1, 2, 3)], abs=0.02)
    assert not (await stand.job(receipts[7])).history
    assert excess(watch.permits["slack"], TEN, 5) <= 0
    assert watch.granted("slack") == 8


async def test_a_long_line_in_such_a_queue_is_not_rewritten_either(stand: Stand, watch: Watch) -> None:
    post, runs = limited(stand)
    for _ in range(2):
        await stand.app.aenqueue_many([post.using(queue="other").call(n) for n in range(1_000)])
    async with stand.app.worker({"other": 20}):
        await stand.pass_time(20)
    assert len(runs.at) == pytest.approx(205, abs=3)
    assert watch.changed_jobs <= len(runs.at) + 20
    assert watch.granted("slack") == len(runs.at)


async def test_jobs_that_need_no_permit_pass_those_that_wait(stand: Stand) -> None:
    stand.app.limit("slack", rate="1/m")
    runs = Runs(stand)

    @stand.app.task(limits=["slack"])
    async def slow(n: int) -> None:
        runs.note(n)

    @stand.app.task
    async def quick(n: int) -> None:
        runs.note(n)

    await slow.aenqueue(0)
    await slow.aenqueue(1)
    await quick.aenqueue(2)
    async with stand.app.worker({"default": 4}):
        await stand.pass_time(1)
        assert sorted(runs.order) == [0, 2]
        await quick.aenqueue(3)
        await stand.pass_time(15)
        assert sorted(runs.order) == [0, 2, 3]
        await stand.pass_time(50)
    assert sorted(runs.order) == [0, 1, 2, 3]


async def test_several_limits_are_bought_all_or_none(stand: Stand, watch: Watch) -> None:
    stand.app.limit("wide", rate="100/s")
    stand.app.limit("narrow", rate="1/s", burst=2)
    runs = Runs(stand)

    @stand.app.task(limits=["wide", "narrow"])
    async def both() -> None:
        runs.note()

    await stand.app.aenqueue_many([both.call() for _ in range(6)])
    async with stand.app.worker({"default": 10}) as worker:
        await worker.idle()
    assert gaps_of(runs.at) == pytest.approx([0, 1, 1, 1, 1], abs=0.06)
    assert watch.granted("wide") == watch.granted("narrow") == 6
    assert excess(watch.permits["narrow"], Rate(1, 1_000), 2) <= 0


async def test_permits_that_no_job_took_are_given_back(stand: Stand, watch: Watch) -> None:
    post, _ = limited(stand)
    await post.aenqueue(1)
    async with stand.app.worker({"slack": 5}) as worker:
        await worker.idle()
    assert [(limit.name, limit.tokens) for limit in await stand.app.alimits()] == [("slack", 4)]
    assert watch.granted("slack") == 1


async def test_an_idle_queue_buys_nothing(stand: Stand, watch: Watch) -> None:
    limited(stand)
    async with stand.app.worker({"slack": 5}):
        await stand.pass_time(30)
    assert len(watch.permits["slack"]) == 1, "the declaration"


async def test_queues_that_share_a_limit_take_turns(stand: Stand) -> None:
    stand.app.limit("slack", rate="10/s", burst=1)
    runs = Runs(stand)

    @stand.app.task(queue="a", limits=["slack"])
    async def in_a() -> None:
        runs.note("a")

    @stand.app.task(queue="b", limits=["slack"])
    async def in_b() -> None:
        runs.note("b")

    await stand.app.aenqueue_many([task.call() for task in [in_a] * 100 + [in_b] * 100])
    async with stand.app.worker({"a": 2, "b": 2}):
        await stand.pass_time(10)
    assert runs.order.count("a") == pytest.approx(50, abs=5)
    assert runs.order.count("b") == pytest.approx(50, abs=5)


async def test_workers_share_a_limit(stand: Stand, watch: Watch) -> None:
    post, runs = limited(stand)
    await stand.app.aenqueue_many([post.call(n) for n in range(400)])
    stand.app.entropy = iter_entropy()
    async with stand.app.worker({"slack": 5}), stand.app.worker({"slack": 5}), stand.app.worker({"slack": 5}):
        await stand.pass_time(20)
    assert len(runs.at) == pytest.approx(205, abs=5)
    assert excess(watch.permits["slack"], TEN, 5) <= 0
    assert watch.changed_jobs <= len(runs.at)


def iter_entropy() -> Callable[[], float]:
    """Numbers that go round, the same at every run."""
    state = [0]

    def next_one() -> float:
        state[0] = (state[0] * 1_103_515_245 + 12_345) % 2**31
        return state[0] / 2**31

    return next_one


async def crashed(stand: Stand, queue: str) -> None:
    """A worker claims all jobs of this queue, and vanishes."""
    storage = await stand.storage()
    await storage.beat("gone", (), 30)
    assert await storage.claim("gone", [Demand(queue, 100)])
    await storage.beat("gone", (), 0)


async def test_a_job_that_must_run_alone_buys_its_permit_when_its_time_comes(stand: Stand, watch: Watch) -> None:
    post, runs = limited(stand)
    held = asyncio.Event()

    @stand.app.task(queue="other")
    async def holds_the_worker() -> None:
        await held.wait()

    await post.aenqueue(1)
    await crashed(stand, "slack")
    await holds_the_worker.aenqueue()
    async with stand.app.worker({"slack": 2, "other": 1}) as worker:
        await stand.pass_time(10)
        assert (runs.at, watch.granted("slack")) == ([], 0), "it waits for solitude, and keeps no permit meanwhile"
        held.set()
        await worker.idle()
    assert (len(runs.at), watch.granted("slack")) == (1, 1)


async def test_a_job_that_must_run_alone_goes_back_where_there_is_no_permit(stand: Stand, watch: Watch) -> None:
    post, runs = limited(stand)
    receipt = await post.using(queue="other").aenqueue(1)
    await crashed(stand, "other")
    storage = await stand.storage()
    await Limiter(storage, stand.clock).drain("slack", 60)
    async with stand.app.worker({"other": 2}):
        await stand.pass_time(50)
        job = await stand.job(receipt)
        assert (job.state, job.reason, job.attempt) == (State.SCHEDULED, "limited", 0)
        await stand.pass_time(15)
    job = await stand.job(receipt)
    assert (job.state, len(runs.at), watch.granted("slack")) == (State.COMPLETED, 1, 1)


async def test_a_cancelled_job_takes_no_permit(stand: Stand, watch: Watch) -> None:
    post, runs = limited(stand)
    receipt = await post.aenqueue(1)
    await stand.app.acancel(receipt)
    async with stand.app.worker({"slack": 5}) as worker:
        await worker.idle()
    assert not runs.at
    assert watch.granted("slack") == 0


# --- what an upstream answers -----------------------------------------------------------------------------------------


async def test_one_answer_of_too_fast_stops_everybody(stand: Stand, watch: Watch) -> None:
    stand.app.limit("slack", rate="10/s", burst=5)
    runs = Runs(stand)

    @stand.app.task(queue="slack", limits=["slack"])
    async def post(n: int) -> None:
        runs.note(n)
        if n == 3 and runs.order.count(3) == 1:
            raise Throttled(30, limit="slack")

    await stand.app.aenqueue_many([post.call(n) for n in range(50)])
    async with stand.app.worker({"slack": 2}), stand.app.worker({"slack": 2}) as worker:
        await stand.pass_time(1)
        stopped = len(runs.at)
        closed = (await stand.app.alimits())[0]
        assert (closed.tokens, closed.closed_until is not None) == (0, True)
        await stand.pass_time(28.9)
        assert len(runs.at) == stopped <= 6
        await worker.idle(within="10s")
    assert sorted(runs.order) == sorted([*range(50), 3])
    after = [at for at in runs.at if at > runs.at[0] + 29]
    assert after[0] - runs.at[3] >= 30
    assert sum(at <= after[0] + 0.05 for at in after) == 1, "it opens with one permit, not with a burst"
    assert excess(watch.permits["slack"], TEN, 5) <= 0


async def test_a_limit_that_nobody_declared_is_reported_and_the_job_goes_back(stand: Stand) -> None:
    runs = Runs(stand)

    @stand.app.task(retry=RetryPolicy.none())
    async def post() -> None:
        runs.note()
        if len(runs.at) == 1:
            raise Throttled(5, limit="nobody.knows")

    job = await stand.final(await post.aenqueue())
    assert (job.state, job.attempt) == (State.COMPLETED, 1)
    assert gaps_of(runs.at) == pytest.approx([5], abs=0.01)
    assert [str(error) for error in stand.reported(UnknownLimit)] == [str(UnknownLimit("nobody.knows"))]


async def test_throttled_jobs_back_off_more_each_time_in_a_row(stand: Stand) -> None:
    runs = Runs(stand)

    @stand.app.task(retry=RetryPolicy.exponential(max_attempts=3, base=1, jitter=0))
    async def post() -> None:
        runs.note()
        if len(runs.at) < 6:
            raise Throttled(3)
        if len(runs.at) == 6:
            raise Snooze(1)
        if len(runs.at) == 7:
            raise Throttled(3)

    job = await stand.final(await post.aenqueue())
    assert (job.state, job.attempt) == (State.COMPLETED, 1)
    assert gaps_of(runs.at) == pytest.approx([3, 3, 4, 8, 16, 1, 3], abs=0.02)


async def test_a_queue_without_backoff_runs_throttled_jobs_again_exactly_when_asked_to(stand: Stand) -> None:
    stand.app.queue("default", backoff=False)
    runs = Runs(stand)

    @stand.app.task(retry=RetryPolicy.fixed(3, delay=60))
    async def post() -> None:
        runs.note()
        if len(runs.at) < 5:
            raise Throttled(3)

    await stand.final(await post.aenqueue())
    assert gaps_of(runs.at) == pytest.approx([3, 3, 3, 3], abs=0.01)


async def test_with_cooldown_the_whole_queue_rests(stand: Stand) -> None:
    stand.app.queue("email", cooldown=True)
    runs = Runs(stand)

    @stand.app.task(queue="email")
    async def send(n: int) -> None:
        runs.note(n)
        if n == 0 and runs.order.count(0) == 1:
            raise Throttled(20)

    @stand.app.task(queue="other")
    async def other() -> None:
        runs.note("other")

    await send.aenqueue(0)
    async with stand.app.worker({"email": 1, "other": 1}), stand.app.worker({"email": 1}):
        await stand.pass_time(0.1)
        await stand.app.aenqueue_many([send.call(n) for n in (1, 2)])
        await other.aenqueue()
        await stand.pass_time(19)
        assert runs.order == [0, "other"]
        view = next(view for view in await stand.app.aqueues() if view.name == "email")
        assert view.cools_until is not None
        await stand.pass_time(3)
    assert sorted(runs.order, key=str) == [0, 0, 1, 2, "other"]
    assert min(runs.at[2:]) - runs.at[0] >= 20


async def test_a_shorter_rest_doesnt_end_a_longer_one(stand: Stand) -> None:
    stand.app.queue("email", cooldown=True)

    @stand.app.task(queue="email")
    async def send(rest: int) -> None:
        raise Throttled(rest)

    await stand.app.aenqueue_many([send.call(rest) for rest in (40, 5)])
    async with stand.app.worker({"email": 2}):
        await stand.pass_time(0.5)
    view = (await stand.app.aqueues())[0]
    now = await (await stand.storage()).now()
    assert (view.cools_until or 0) - now == pytest.approx(39_500, abs=100)
    await stand.app.aresume("email")
    assert (await stand.app.aqueues())[0].cools_until is None


async def test_who_claims_by_hand_is_heard_too(stand: Stand) -> None:
    stand.app.limit("slack", rate="10/s")
    stand.app.queue("default", cooldown=True, backoff=False)
    receipt = await stand.app.aenqueue("by.hand")
    (claim,) = await stand.app.aclaim()
    await stand.app.anack(claim, Throttled(5, limit="slack"))
    now = await (await stand.storage()).now()
    job, view = await stand.job(receipt), (await stand.app.aqueues(name="default"))[0]
    assert (job.reason, job.attempt, job.due_at - now) == ("throttled", 0, pytest.approx(5_000, abs=5))
    assert (view.cools_until or 0) - now == pytest.approx(5_000, abs=5)
    assert ((await stand.app.alimits())[0].closed_until or 0) - now == pytest.approx(5_000, abs=5)


# --- acquire ----------------------------------------------------------------------------------------------------------


async def test_acquire_waits_for_a_permit(stand: Stand, watch: Watch) -> None:
    stand.app.limit("slack", rate="10/s", burst=2)
    runs = Runs(stand)

    @stand.app.task
    async def post() -> None:
        await acquire("slack")
        runs.note()

    await stand.app.aenqueue_many([post.call() for _ in range(8)])
    async with stand.app.worker({"default": 8}) as worker:
        await worker.idle()
    assert gaps_of(runs.at) == pytest.approx([0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], abs=0.005)
    assert watch.granted("slack") == 8
    assert excess(watch.permits["slack"], TEN, 2) <= 0


async def test_acquire_gives_up_after_a_second_and_the_job_comes_again(stand: Stand) -> None:
    stand.app.limit("slack", rate="1/10s")
    stand.app.queue("default", backoff=False)
    runs, tries = Runs(stand), Runs(stand)

    @stand.app.task(retry=RetryPolicy.none())
    async def post() -> None:
        tries.note()
        await acquire("slack")
        runs.note()

    receipts = [await post.aenqueue() for _ in range(2)]
    async with stand.app.worker({"default": 2}) as worker:
        await stand.pass_time(1)
        waiting = [job for job in [await stand.job(receipt) for receipt in receipts] if job.state is State.SCHEDULED]
        assert [(job.reason, job.attempt) for job in waiting] == [("throttled", 0)]
        await worker.idle(within="1m")
    assert gaps_of(runs.at) == pytest.approx([10], abs=0.1)
    assert len(tries.at) == 3
    limit = (await stand.app.alimits())[0]
    assert limit.closed_until is None, "nobody was told to stop by this"


async def test_acquire_of_what_nobody_declared_fails_at_once(stand: Stand) -> None:
    @stand.app.task(retry=RetryPolicy.none())
    async def post(name: str) -> None:
        await acquire(name)

    job = await stand.final(await post.aenqueue("slak"))
    assert job.state is State.DEAD
    assert "the store knows no limit 'slak'" in (job.last_error or "")
    assert "InvalidName" in ((await stand.final(await post.aenqueue("no name"))).last_error or "")


async def test_acquire_outside_of_a_handler_says_so(stand: Stand) -> None:
    with pytest.raises(NoCurrentJob, match=r"acquire\(\) is only for handlers"):
        await acquire("slack")
    with pytest.raises(NoCurrentJob, match=r"acquire_sync\(\) is only for handlers"):
        acquire_sync("slack")


async def test_acquire_sync_on_a_running_loop_names_the_other(stand: Stand) -> None:
    stand.app.limit("slack", rate="1/s")

    @stand.app.task(retry=RetryPolicy.none())
    async def post() -> None:
        acquire_sync("slack")

    assert "await acquire(" in ((await stand.final(await post.aenqueue())).last_error or "")


# --- declarations -----------------------------------------------------------------------------------------------------


async def test_a_task_may_name_a_limit_before_it_is_declared(stand: Stand) -> None:
    @stand.app.task(limits=["later"])
    async def post() -> None: ...

    with pytest.raises(UnknownLimit, match=r"the store knows no limit 'later', which task '.*post' names"):
        await post.aenqueue()
    with pytest.raises(UnknownLimit):
        await stand.app.aenqueue(post.name)
    with pytest.raises(UnknownLimit):
        await stand.app.aenqueue_many([post.call()])
    with pytest.raises(UnknownLimit):
        async with stand.app.worker():
            raise AssertionError("started")
    assert await stand.app.acounts() == {}
    stand.app.limit("later", rate="1/s")
    job = await stand.final(await post.aenqueue())
    assert job.state is State.COMPLETED


async def test_limits_are_listed_by_name_in_pages(stand: Stand) -> None:
    for name in "cab":
        stand.app.limit(name, rate="10/s", burst=3)
    stand.app.limit("d", rate="100/m")
    first = await stand.app.alimits(limit=3)
    assert [(limit.name, limit.rate, limit.burst, limit.tokens) for limit in first] == [
        (name, "10/s", 3, 3) for name in "abc"
    ]
    rest = await stand.app.alimits(limit=3, after=first.next)
    assert [(limit.name, limit.rate, limit.burst, limit.tokens) for limit in rest] == [("d", "100/m", 100, 100)]
    assert rest.next is None


async def test_set_limit_counts_at_once_for_all_workers(stand: Stand, watch: Watch) -> None:
    stand.app.limit("slack", rate="1/h")
    runs = Runs(stand)

    @stand.app.task(limits=["slack"])
    async def post() -> None:
        runs.note()

    await stand.app.aenqueue_many([post.call() for _ in range(200)])
    async with stand.app.worker({"default": 4}), stand.app.worker({"default": 4}):
        await stand.pass_time(60)
        assert len(runs.at) == 1
        await stand.app.aset_limit("slack", rate="10/s", burst=10)
        await stand.pass_time(5)
        assert len(runs.at) == pytest.approx(1 + 50, abs=11)
        await stand.app.aset_limit("slack", rate="1/s", burst=1)
        before = len(runs.at)
        await stand.pass_time(10)
        assert len(runs.at) - before == pytest.approx(10, abs=2)


async def test_an_operators_value_stands_until_the_declaration_changes(stand: Stand) -> None:
    storage = await stand.storage()

    async def declare(**declaration: Any) -> str:
        app = Headrace("memory:")
        app.limit("slack", **declaration)
        await app.declared_limits.write(storage)
        limit = (await stand.app.alimits())[0]
        await app.aclose()
        return f"{limit.rate} {limit.burst}"

    assert await declare(rate="10/s", burst=20) == "10/s 20"
    await stand.app.aset_limit("slack", rate="2/s")
    assert await declare(rate="10/s", burst=20) == "2/s 20"
    assert await declare(rate="10/s", burst=30) == "10/s 30"
    await stand.app.aset_limit("slack", burst=1)
    assert await declare(rate="10/s", burst=30) == "10/s 1"


async def test_set_limit_of_what_nobody_declared_is_refused(stand: Stand) -> None:
    with pytest.raises(UnknownLimit, match="declare it in the app"):
        await stand.app.aset_limit("slak", rate="10/s")
    assert list(await stand.app.alimits()) == []


async def test_a_worker_whose_storage_fails_while_it_buys_gives_its_jobs_back(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    post, runs = limited(stand)
    storage = await stand.storage()
    records, failing = storage.records, [True]

    async def records_once(kind: str, **where: Any) -> Any:
        if kind == "limit" and failing and failing.pop():
            raise OSError("gone")
        return await records(kind, **where)

    async with stand.app.worker({"other": 2}):
        await post.using(queue="warm").aenqueue(0)  # so that the limit is known
        monkeypatch.setattr(storage, "records", records_once, raising=False)
        receipt = await post.using(queue="other").aenqueue(1)
        await stand.pass_time(2)
    job = await stand.job(receipt)
    assert (job.state, job.attempt, job.generation, len(runs.at)) == (State.COMPLETED, 1, 2, 1)
    assert stand.reported(OSError)


async def test_a_handler_may_be_cancelled_while_it_waits_for_a_permit(stand: Stand) -> None:
    stand.app.limit("slack", rate="1/s")
    started = asyncio.Event()

    @stand.app.task
    async def post() -> None:
        await acquire("slack")
        started.set()
        await acquire("slack")
        raise AssertionError("went on")

    receipt = await post.aenqueue()
    async with stand.app.worker():
        await started.wait()
        await stand.app.acancel(receipt)
        job = await stand.app.ajoin(receipt, 5)
    assert job.state is State.CANCELLED


def test_names_of_limits_are_checked() -> None:
    app = Headrace("memory:")
    for bad in ("", "a b", "x" * 256, 7):
        with pytest.raises(InvalidName, match="limit name"):
            app.limit(bad, rate="1/s")  # type: ignore[arg-type]
        with pytest.raises(InvalidName, match="limit name"):
            app.task(name="t", limits=[bad])(lambda: None)  # type: ignore[list-item]
        with pytest.raises(InvalidName, match="limit name"):
            Throttled(1, limit=bad)  # type: ignore[arg-type]


def test_errors_tell_the_way_out() -> None:
    assert "await acquire(...)" in str(UseAsync("acquire"))
    assert "name the limit on the task" in str(NotInProcess("acquire()", "name the limit on the task instead"))
