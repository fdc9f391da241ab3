"""What comes with a completion, and with nothing else: follow-up jobs and records. In virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from stand import Stand

from headrace import Cancelled, Headrace, PermanentFailure, RetryPolicy, Snooze, State, Throttled, current
from headrace.model.errors import AttemptEnded, InvalidOption, KvValueTooLarge
from headrace.runtime.notebook import MOST_FOLLOWING

pytestmark = pytest.mark.anyio


def add_next(app: Headrace) -> Any:
    """A task for follow-ups, on a queue that nobody serves."""

    @app.task(name="next", queue="other")
    async def following(number: int) -> None: ...

    return following


async def queued(stand: Stand) -> list[str]:
    """The payloads of the follow-ups that exist."""
    return sorted(job.payload for job in await stand.app.ajobs(queue="other"))


async def test_what_shall_follow_exists_once_the_job_is_completed_and_not_before(stand: Stand) -> None:
    following = add_next(stand.app)
    ids: list[str] = []

    @stand.app.task
    async def works() -> str:
        ids.extend(current().then(following.call(1), following.using(delay="1h").call(2)))
        ids.extend(current().then(following.call(3), kv={"cursor": {"at": 7}, "raw": b"\x00"}))
        await stand.pass_time(10)
        return "done"

    receipt = await works.aenqueue()
    async with stand.app.worker(["default"]):
        await stand.pass_time(5)
        assert await queued(stand) == []
        assert await stand.app.akv_get("cursor") is None
        assert await stand.app.aresult(receipt, 60) == "done"
    jobs = [await stand.app.ajob(job_id) for job_id in ids]
    assert [(job.payload, job.state) for job in jobs if job is not None] == [
        ('{"number":1}', State.PENDING),
        ('{"number":2}', State.SCHEDULED),
        ('{"number":3}', State.PENDING),
    ]
    assert await stand.app.akv_get("cursor") == {"at": 7}
    assert await stand.app.akv_get("raw") == b"\x00"


async def test_a_plain_function_may_say_what_follows(stand: Stand) -> None:
    following = add_next(stand.app)

    @stand.app.task
    def works() -> None:
        current().then(following.call(1), kv={"a": 1})

    await stand.final(await works.aenqueue())
    assert await queued(stand) == ['{"number":1}']
    assert await stand.app.akv_get("a") == 1


@pytest.mark.parametrize(
    "error", [ValueError("no"), PermanentFailure("no"), Snooze("1h"), Throttled("1h"), Cancelled(), SystemExit()]
)
async def test_an_attempt_that_does_not_complete_takes_nothing_along(stand: Stand, error: BaseException) -> None:
    following = add_next(stand.app)

    @stand.app.task(retry=RetryPolicy.none())
    async def works() -> None:
        current().then(following.call(1), kv={"a": 1})
        raise error

    receipt = await works.aenqueue()
    async with stand.app.worker(["default"]) as worker:
        await stand.pass_time(5)
        assert worker._notebook.pages == {}
    assert (await stand.job(receipt)).state is not State.COMPLETED
    assert await queued(stand) == []
    assert await stand.app.akv_get("a") is None


async def test_only_the_attempt_that_completes_counts(stand: Stand) -> None:
    following = add_next(stand.app)

    @stand.app.task(retry=RetryPolicy.fixed(3, 1))
    async def works() -> None:
        current().then(following.call(current().attempt), kv={f"{current().attempt}": 1})
        if current().attempt < 3:
            raise ValueError

    await stand.final(await works.aenqueue())
    assert await queued(stand) == ['{"number":3}']
    assert [await stand.app.akv_get(name) for name in ("1", "2", "3")] == [None, None, 1]


async def test_a_stale_completion_takes_nothing_along(stand: Stand) -> None:
    following = add_next(stand.app)
    started, finish = asyncio.Event(), asyncio.Event()

    @stand.app.task
    async def works() -> None:
        current().then(following.call(current().fence), kv={"fence": current().fence})
        if current().fence == 1:
            started.set()
            await finish.wait()

    receipt = await works.aenqueue()
    async with stand.zombie():
        await started.wait()
        await stand.pass_time(31)
        async with stand.app.worker(["default"]):
            await stand.app.ajoin(receipt, "5m")
        finish.set()
        await stand.pass_time(5)
    job = await stand.job(receipt)
    assert await queued(stand) == [f'{{"number":{job.generation}}}']
    assert await stand.app.akv_get("fence") == job.generation > 1


@pytest.mark.parametrize("end", ["cancel", "timeout", "stop"])
async def test_an_attempt_that_was_stopped_takes_nothing_along(stand: Stand, end: str) -> None:
    following = add_next(stand.app)

    @stand.app.task(timeout=20 if end == "timeout" else None)
    async def works() -> None:
        current().then(following.call(1))
        await stand.pass_time(1000)

    receipt = await works.aenqueue()
    async with stand.app.worker(["default"]) as worker:
        await stand.pass_time(1)
        if end == "cancel":
            await stand.app.acancel(receipt)
        await stand.pass_time(20 if end == "timeout" else 2)
        worker.hurry()
    assert (await stand.job(receipt)).state is not State.COMPLETED
    assert await queued(stand) == []


async def test_a_follow_up_whose_key_is_held_is_left_out_and_writes_nothing(stand: Stand) -> None:
    following = add_next(stand.app)

    @stand.app.task
    async def works() -> None:
        held = following.using(key="k", kv={"late": 1})
        free = following.using(key="free", kv={"free": 1})
        current().then(held.call(1), free.call(2), following.call(3))

    holder = await following.using(key="k").aenqueue(0)
    heard = stand.hear("queue.job.queued", "queue.job.completed")
    receipt = await works.aenqueue()
    assert (await stand.final(receipt)).state is State.COMPLETED
    await stand.app.bus.flush()
    jobs = {job.payload: job.id for job in await stand.app.ajobs(queue="other")}
    assert jobs == {'{"number":0}': holder.id} | {p: jobs[p] for p in ('{"number":2}', '{"number":3}')}
    assert await stand.app.akv_get("late") is None
    assert await stand.app.akv_get("free") == 1
    told = [(event.id, event.job_id) for event in heard]
    assert told[:2] == [("queue.job.queued", receipt.id), ("queue.job.completed", receipt.id)]
    assert sorted(told[2:]) == sorted(("queue.job.queued", jobs[p]) for p in ('{"number":2}', '{"number":3}'))


async def test_none_removes_a_record_and_a_later_word_stands(stand: Stand) -> None:
    add_next(stand.app)

    @stand.app.task
    async def works() -> None:
        current().then(kv={"old": 1, "twice": 1})
        current().then(kv={"old": None, "twice": 2})

    await works.using(kv={"old": 0}).aenqueue()
    assert await stand.app.akv_get("old") == 0
    await stand.final(await works.aenqueue())
    assert await stand.app.akv_get("old") is None
    assert await stand.app.akv_get("twice") == 2


async def test_once_the_attempt_has_ended_it_is_too_late_and_said_so(stand: Stand) -> None:
    following = add_next(stand.app)
    refused: list[AttemptEnded] = []
    left: list[asyncio.Task[None]] = []

    @stand.app.task
    async def works() -> None:
        job = current()

        async def later() -> None:
            await stand.pass_time(5)
            try:
                job.then(following.call(1))
            except AttemptEnded as error:
                refused.append(error)

        left.append(asyncio.ensure_future(later()))

    receipt = await works.aenqueue()
    async with stand.app.worker(["default"]) as worker:
        await stand.app.ajoin(receipt, 1)
        await left[0]
        assert worker._notebook.pages == {}
    assert [error.job_id for error in refused] == [receipt.id]
    assert await queued(stand) == []


def too_many_jobs(following: Any) -> None:
    current().then(*[following.call(number) for number in range(MOST_FOLLOWING)])
    current().then(following.call(1))


def too_large(following: Any) -> None:
    current().then(following.call(1), kv={"a": b"x" * 262_145})


def strict(following: Any) -> None:
    current().then(following.using(key="k", strict=True).call(1))


@pytest.mark.parametrize(
    ("ask", "error"), [(too_many_jobs, InvalidOption), (too_large, KvValueTooLarge), (strict, InvalidOption)]
)
async def test_what_can_not_follow_is_refused_at_the_handler(
    stand: Stand, ask: Callable[[Any], None], error: type[Exception]
) -> None:
    following = add_next(stand.app)

    @stand.app.task(retry=RetryPolicy.none())
    async def works() -> None:
        ask(following)

    job = await stand.final(await works.aenqueue())
    assert job.last_error is not None
    assert job.last_error.startswith(error.__name__)
    assert await queued(stand) == []


async def test_middleware_may_add_to_what_follows(stand: Stand) -> None:
    following = add_next(stand.app)

    async def chain(job: Any, call_next: Any) -> Any:
        value = await call_next(job)
        if job.task == "works":
            current().then(following.call(value))
        return value

    stand.app.add_middleware(chain)

    @stand.app.task(name="works")
    async def works() -> int:
        return 41

    await stand.final(await works.aenqueue())
    assert await queued(stand) == ['{"number":41}']
