"""What is written beside jobs, and if and only if they are: records, follow-ups of claims, strict keys, events."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from headrace import Event, Headrace, LeaseLost, State, current
from headrace.interface.task import Call
from headrace.model.errors import InvalidKey, InvalidOption, KvValueTooLarge, PayloadDiffers, ResultNotKept

pytestmark = pytest.mark.anyio


async def kept(app: Headrace) -> int:
    """How many jobs the store has."""
    return sum(sum(states.values()) for states in (await app.acounts()).values())


def hear(app: Headrace, *event_ids: str) -> list[Event]:
    heard: list[Event] = []
    for event_id in event_ids:
        app.on(event_id)(heard.append)
    return heard


def add_task(app: Headrace) -> Any:
    @app.task(name="fine")
    async def fine(n: int) -> int:
        return n

    return fine


# --- records ----------------------------------------------------------------------------------------------------------


async def test_records_are_written_with_the_job_and_read_and_removed_by_name(app: Headrace) -> None:
    fine = add_task(app)
    await fine.using(kv={"order:7": {"total": 12.5}, "raw": b"\x00\xff", "é": None}).aenqueue(1)
    await app.aenqueue("by.name", {"n": 1}, kv={"by name": [1]})
    await app.aenqueue_many([fine.using(kv={"many": 1}).call(1)])
    names = ("order:7", "raw", "é", "by name", "many", "never")
    assert [await app.akv_get(name) for name in names] == [{"total": 12.5}, b"\x00\xff", None, [1], 1, None]
    assert [await app.akv_delete(name) for name in names] == [True, True, False, True, True, False]
    assert [await app.akv_get(name) for name in names] == [None] * 6
    await app.aclose()


async def test_a_duplicate_writes_nothing(app: Headrace) -> None:
    once = add_task(app).using(key="k", kv={"a": "first"})
    await once.aenqueue(1)
    second = add_task_again(app).using(key="k", kv={"a": "second", "b": 1})
    assert (await second.aenqueue(1)).duplicate
    assert [await app.akv_get(name) for name in ("a", "b")] == ["first", None]
    await app.aclose()


def add_task_again(app: Headrace) -> Any:
    @app.task(name="other")
    async def other(n: int) -> None: ...

    return other


async def test_the_same_id_again_writes_nothing(app: Headrace) -> None:
    mine = app.ids.new()
    fine = add_task(app)
    await fine.using(id=mine, kv={"a": 1}).aenqueue(1)
    await app.akv_delete("a")
    await fine.using(id=mine, kv={"a": 2}).aenqueue(1)
    assert await app.akv_get("a") is None
    await app.aclose()


@pytest.mark.parametrize(
    ("kv", "error"),
    [
        ({"big": b"x" * 262_145}, KvValueTooLarge),
        ({"fine": 1, "big": "x" * 262_143}, KvValueTooLarge),
        ({"": 1}, InvalidKey),
        (["a"], InvalidOption),
    ],
)
async def test_what_can_not_be_kept_is_refused_before_anything_is_written(
    app: Headrace, kv: Any, error: type[Exception]
) -> None:
    fine = add_task(app)
    for ask in (lambda: fine.using(kv=kv), lambda: app.by_name("x", {}, {"kv": kv})):
        with pytest.raises(error):
            ask()
    (claim,) = [*await _one_claim(app)]
    with pytest.raises(error):
        await app.aack(claim, kv=kv)
    assert (await app.ajob(claim.id)).state is State.RUNNING  # type: ignore[union-attr]
    assert await kept(app) == 1
    assert await app.akv_get("fine") is None
    await app.aclose()


async def _one_claim(app: Headrace) -> Any:
    await app.aenqueue("by.hand")
    return await app.aclaim()


async def test_names_are_checked_where_they_are_read(app: Headrace) -> None:
    for call in (app.akv_get, app.akv_delete):
        with pytest.raises(InvalidKey, match="name="):
            await call("")
    await app.aclose()


async def test_one_of_many_removals_wins(app: Headrace) -> None:
    await add_task(app).using(kv={"a": 1}).aenqueue(1)
    removed = await asyncio.gather(*[app.akv_delete("a") for _ in range(20)])
    assert sum(removed) == 1
    await app.aclose()


def test_sync_programs_have_the_same(make: Callable[..., Headrace], url: str) -> None:
    app = make(url)
    add_task(app).using(kv={"a": 1}).enqueue(1)
    assert (app.kv_get("a"), app.kv_delete("a"), app.kv_get("a")) == (1, True, None)
    (claim,) = app.claim()
    app.ack(claim, 1, then=[add_task_again(app).call(2)], kv={"b": 2})
    assert (app.kv_get("b"), app.pending_count()) == (2, 1)


# --- what comes with a claim's end ------------------------------------------------------------------------------------


async def test_an_acknowledged_claim_takes_its_follow_ups_and_records_along(app: Headrace) -> None:
    fine = add_task(app)
    heard = hear(app, "queue.job.queued", "queue.job.started", "queue.job.completed")
    (claim,) = [*await _one_claim(app)]
    later = fine.using(delay="1h", key="once", queue="other")
    calls: list[Call[Any]] = [fine.call(1), later.call(2), later.call(3)]
    await app.aack(claim, "done", then=calls, kv={"a": 1, "raw": b"x"})
    assert await app.aresult(claim.id) == "done"
    jobs = {job.payload: job for job in await app.ajobs(task="fine")}
    assert {payload: job.state for payload, job in jobs.items()} == {
        '{"n":1}': State.PENDING,
        '{"n":2}': State.SCHEDULED,
    }
    assert (await app.akv_get("a"), await app.akv_get("raw")) == (1, b"x")
    await app.bus.flush()
    assert [(event.id, event.job_id) for event in heard] == [
        ("queue.job.queued", claim.id),
        ("queue.job.started", claim.id),
        ("queue.job.completed", claim.id),
        ("queue.job.queued", jobs['{"n":1}'].id),
        ("queue.job.queued", jobs['{"n":2}'].id),
    ]
    await app.aclose()


async def test_a_stale_claim_takes_nothing_along(app: Headrace) -> None:
    fine = add_task(app)
    heard = hear(app, "queue.job.queued", "queue.job.completed")
    (claim,) = [*await _one_claim(app)]
    await app.aack(claim)
    with pytest.raises(LeaseLost):
        await app.aack(claim, then=[fine.call(1)], kv={"a": 1})
    assert (await kept(app), await app.akv_get("a")) == (1, None)
    await app.bus.flush()
    assert [event.id for event in heard] == ["queue.job.queued", "queue.job.completed"]
    await app.aclose()


async def test_claims_given_back_tell_what_became_of_them(app: Headrace) -> None:
    heard = hear(app, "queue.job.failed", "queue.job.retrying", "queue.job.dead_letter", "queue.job.queued")
    receipt = await app.aenqueue("by.hand", max_attempts=2)
    (claim,) = await app.aclaim()
    await app.anack(claim, ValueError("no"))
    await app.arun_now(receipt)
    (claim,) = await app.aclaim()
    await app.anack(claim, "no")
    await app.aretry(receipt)
    await app.bus.flush()
    assert [event.id.removeprefix("queue.job.") for event in heard] == [
        "queued",
        "failed",
        "retrying",
        "failed",
        "dead_letter",
        "queued",
    ]
    assert (heard[-1].attempt, heard[-1].reason) == (0, "retried")
    (claim,) = await app.aclaim()
    assert claim.attempt == 1
    await app.aclose()


async def test_dead_jobs_sent_back_together_are_told_one_by_one(app: Headrace) -> None:
    receipts = [await app.aenqueue("by.hand", max_attempts=1) for _ in range(3)]
    for claim in await app.aclaim(limit=3):
        await app.anack(claim, "no")
    heard = hear(app, "queue.job.queued")
    assert (await app.aretry_dead()).count == 3
    await app.bus.flush()
    assert {event.job_id for event in heard} == {receipt.id for receipt in receipts}
    await app.aclose()


# --- in handlers ------------------------------------------------------------------------------------------------------


async def test_a_handlers_follow_ups_and_records_stand_once_its_job_is_completed(app: Headrace) -> None:
    fine = add_task(app)

    @app.task
    def first(n: int) -> None:
        current().progress(50, "half")
        current().log.info("going on with %d", n)
        current().then(fine.call(n + 1), kv={"seen": n})

    receipt = await first.aenqueue(1)
    async with app.worker():
        job = await app.ajoin(receipt, 10)
        while await app.apending_count() + await app.ainflight_count():
            await app.clock.sleep(0.01)
    assert job.notes is not None
    assert (job.notes.percent, job.notes.lines[0].text) == (50.0, "going on with 1")
    (follower,) = await app.ajobs(task="fine")
    assert await app.aresult(follower) == 2
    assert await app.akv_get("seen") == 1
    assert [record.outcome for record in job.attempts] == ["completed"]
    await app.aclose()


# --- strict keys ------------------------------------------------------------------------------------------------------


async def test_a_strict_key_refuses_another_payload_and_takes_the_same(app: Headrace) -> None:
    fine = add_task(app)
    strict = fine.using(key="k", strict=True, kv={"a": 1})
    first = await strict.aenqueue(1)
    await app.akv_delete("a")
    same = await strict.aenqueue(1)
    assert (same.id, same.duplicate, same.payload_differs) == (first.id, True, False)
    with pytest.raises(PayloadDiffers, match=f"key 'k' is held by job {first.id}") as refused:
        await strict.aenqueue(2)
    assert (refused.value.key, refused.value.holder) == ("k", first.id)
    with pytest.raises(PayloadDiffers):
        await app.aenqueue("another.task", {"n": 1}, key="k", strict=True, queue="default")
    assert (await kept(app), await app.akv_get("a")) == (1, None)
    await app.aclose()


async def test_a_strict_enqueue_that_is_refused_takes_no_other_along(app: Headrace) -> None:
    strict = add_task(app).using(key="k", strict=True)
    await strict.aenqueue(0)
    many = [strict.aenqueue(1), *[add_task_again(app).using(delay=n).aenqueue(n) for n in range(1)]]
    refused, plain = await asyncio.gather(*many, return_exceptions=True)
    assert isinstance(refused, PayloadDiffers)
    assert not isinstance(plain, BaseException)
    assert await kept(app) == 2
    await app.aclose()


async def test_strict_is_for_one_enqueue_with_a_key(app: Headrace) -> None:
    fine = add_task(app)
    with pytest.raises(InvalidOption, match="key="):
        fine.using(strict=True)
    with pytest.raises(InvalidOption, match="strict="):
        fine.using(key="k", strict=1)
    with pytest.raises(InvalidOption, match="strict="):
        await app.aenqueue_many([fine.call(1), fine.using(key="k", strict=True).call(1)])
    assert await kept(app) == 0
    await app.aclose()


# --- results that could not be kept -----------------------------------------------------------------------------------


async def test_a_result_that_was_not_kept_is_an_error_and_the_job_completed(app: Headrace) -> None:
    @app.task
    async def large() -> str:
        return "x" * 1_100_000

    receipt = await large.aenqueue()
    async with app.worker():
        with pytest.raises(ResultNotKept, match=r"1,100,002 bytes.*limit") as refused:
            await app.aresult(receipt, 10)
    assert refused.value.job_id == receipt.id
    job = await app.ajoin(receipt)
    assert (job.state, job.result, job.result_error) == (State.COMPLETED, None, refused.value.why)
    await app.aclose()
