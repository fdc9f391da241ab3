"""Retention by job, task, queue and app, and what workers do beside running jobs, step by step. On both storages."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from headrace import Headrace, PermanentFailure, State
from headrace.model.errors import InvalidDelay, InvalidName, InvalidOption, JobExpired, JobNotFound
from headrace.model.job import NewJob
from headrace.model.record import QUEUE, Expect, Put, QueueControl
from headrace.runtime import events
from headrace.system.clock import ManualClock

pytestmark = pytest.mark.anyio

HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def clock(app: Headrace) -> ManualClock:
    """The app and its store on a clock that the test moves."""
    app.clock = ManualClock()  # type: ignore[assignment]
    return app.clock  # type: ignore[return-value]


async def finish(app: Headrace, *receipts: Any) -> None:
    """By hand: as a completed job."""
    for receipt in receipts:
        job = await app.ajob(receipt)
        assert job is not None
        (claim,) = await app.aclaim(job.queue)
        await app.aack(claim)


async def die(app: Headrace, *receipts: Any) -> None:
    for receipt in receipts:
        job = await app.ajob(receipt)
        assert job is not None
        (claim,) = await app.aclaim(job.queue)
        await app.anack(claim, PermanentFailure("no"))


async def there(app: Headrace, receipts: Sequence[Any]) -> list[bool]:
    return [await app.ajob(receipt) is not None for receipt in receipts]


async def sweep(app: Headrace, *arguments: Any, **options: Any) -> int:
    removed = 0
    while now := await app.aprune_once(*arguments, **options):
        removed += now
    return removed


async def control(app: Headrace, queue: str) -> QueueControl | None:
    records = await (await app.here()).storage.records(QUEUE, names=[queue])
    return msgspec.json.decode(records[0].value, type=QueueControl) if records else None


# --- retention --------------------------------------------------------------------------------------------------------


async def test_a_jobs_rule_counts_before_its_tasks_its_queues_and_the_apps(app: Headrace, clock: ManualClock) -> None:
    app.queue("brief", retention={"completed": "2h"})
    plain = app.task(name="plain")(lambda: None)
    lasting = app.task(name="lasting", retention={"completed": "48h"})(lambda: None)
    receipts = [
        await plain.aenqueue(),
        await plain.using(retention="1h").aenqueue(),
        await plain.using(queue="brief").aenqueue(),
        await lasting.using(queue="brief").aenqueue(),
        await lasting.using(queue="brief", retention={"completed": "3h"}).aenqueue(),
        await lasting.using(queue="brief", retention={"dead": "1h"}).aenqueue(),
    ]
    await finish(app, *receipts)
    gone = [True] * len(receipts)
    for hours, expected in ((1, [1]), (2, [2, 5]), (3, [4]), (24, [0]), (48, [3])):
        clock.advance(hours * HOUR - 1 - (clock.wall() - 1_800_000_000_000) / 1000)
        await sweep(app)
        assert await there(app, receipts) == gone
        clock.advance(2)
        await sweep(app)
        for place in expected:
            gone[place] = False
        assert await there(app, receipts) == gone
    await app.aclose()


async def test_a_rule_by_state_leaves_other_states_to_the_rule_behind_it(app: Headrace, clock: ManualClock) -> None:
    app.queue("mail", retention={"dead": "1h"})
    task = app.task(name="t", queue="mail")(lambda: None)
    receipts = [await task.aenqueue(), await task.aenqueue(), await task.using(retention={"dead": "2d"}).aenqueue()]
    await finish(app, receipts[0])
    await die(app, *receipts[1:])
    clock.advance(2 * HOUR)
    assert await sweep(app) == 1
    assert await there(app, receipts) == [True, False, True]
    clock.advance(23 * HOUR)
    await sweep(app)
    assert await there(app, receipts) == [False, False, True]
    clock.advance(24 * HOUR)
    await sweep(app)
    assert await there(app, receipts) == [False, False, False]
    await app.aclose()


async def test_what_is_declared_is_written_once_and_an_operators_word_stands(url: str, make: Any) -> None:
    first = make(url)
    first.queue("mail", retention="1h")
    first.queue("plain", concurrency=3)
    await first.here()
    day = {"completed": HOUR, "cancelled": HOUR, "dead": HOUR}
    assert await control(first, "mail") == QueueControl(retention=day)
    storage = (await first.here()).storage
    paused = QueueControl(paused=True)
    await storage.put([Put(QUEUE, "other", msgspec.json.encode(paused).decode(), Expect.ABSENT)])
    first.declared_queues.clear()
    first.queue("mail", retention="9h", concurrency=2)
    first.queue("other", retention={"dead": "1h"})
    first.queue("plain", concurrency=9)
    await first.declare(storage)
    assert await control(first, "mail") == QueueControl(2, retention=day)
    assert await control(first, "other") == QueueControl(paused=True, retention={"dead": HOUR})
    assert await control(first, "plain") == QueueControl(3)
    await first.aset_retention("mail", {"dead": "5m"})
    await first.aset_retention("other", None)
    await first.declare(storage)
    assert await control(first, "mail") == QueueControl(2, retention={"dead": 300.0})
    assert await control(first, "other") == QueueControl(paused=True, retention={})
    await first.aclose()


async def test_set_retention_holds_from_the_next_sweep_on(app: Headrace, clock: ManualClock) -> None:
    task = app.task(name="t")(lambda: None)
    receipt = await task.aenqueue()
    await finish(app, receipt)
    clock.advance(HOUR + 1)
    assert await sweep(app) == 0
    await app.aset_retention("default", "1h")
    assert await sweep(app) == 1
    await app.aclose()


async def test_two_who_change_one_queue_at_once_both_succeed(app: Headrace) -> None:
    await asyncio.gather(*(app.aset_retention("mail", {"dead": number}) for number in range(1, 9)))
    found = await control(app, "mail")
    assert found is not None
    assert found.retention in [{"dead": float(number)} for number in range(1, 9)]
    await app.aclose()


async def test_a_missing_job_is_expired_where_the_shortest_rule_says_so(app: Headrace, clock: ManualClock) -> None:
    job_id = app.ids.new()  # as old as the clock of this process
    clock._wall = app.ids._last_ms + 600_000  # ten minutes later

    async def what() -> type[Exception]:
        with pytest.raises(JobNotFound) as missing:
            await app.ajoin(job_id, 1)
        return type(missing.value)

    assert await what() is JobNotFound
    app.task(name="short", retention={"dead": "9m"})(lambda: None)
    assert await what() is JobExpired
    app.registry._handlers.clear()
    assert await what() is JobNotFound
    await app.aset_retention("any", {"cancelled": "9m"})
    assert await what() is JobExpired
    await app.aclose()


async def test_a_job_in_hand_tells_its_own_rule(app: Headrace, clock: ManualClock) -> None:
    await app.aset_retention("short", "5m")
    task = app.task(name="t")(lambda: None)
    jobs = [
        await app.ajob(await chosen.aenqueue())
        for chosen in (task, task.using(queue="short"), task.using(queue="short", retention="1h"))
    ]
    storage = (await app.here()).storage
    await storage.delete([job.id for job in jobs if job is not None])
    clock._wall = app.ids._last_ms + 600_000
    found = []
    for job in jobs:
        assert job is not None
        with pytest.raises(JobNotFound) as missing:
            await app.ajoin(job, 1)
        found.append(type(missing.value))
    assert found == [JobNotFound, JobExpired, JobNotFound]
    await app.aclose()


@pytest.mark.parametrize(
    ("value", "kind"),
    [({"running": "1h"}, InvalidOption), ({"dead": "soon"}, InvalidDelay), ("soon", InvalidDelay), (-1, InvalidDelay)],
    ids=str,
)
async def test_rules_that_mean_nothing_are_refused_everywhere(app: Headrace, value: Any, kind: type) -> None:
    task = app.task(name="t")(lambda: None)
    for place in (
        lambda: app.task(name="other", retention=value)(lambda: None),
        lambda: app.queue("q", retention=value),
        lambda: task.using(retention=value),
    ):
        with pytest.raises(kind, match="retention"):
            place()
    with pytest.raises(kind, match="retention"):
        await app.aset_retention("q", value)
    assert await control(app, "q") is None
    with pytest.raises(InvalidName):
        await app.aset_retention("no such queue", "1h")
    await app.aclose()


# --- pruning by hand --------------------------------------------------------------------------------------------------


async def fill(app: Headrace) -> dict[str, str]:
    """One job of each kind, two hours old, by what it is."""
    jobs = {}
    for queue in ("a", "b"):
        for state, end in (("completed", finish), ("dead", die)):
            jobs[f"{queue} {state}"] = (await app.aenqueue("t", {}, queue=queue)).id
            await end(app, jobs[f"{queue} {state}"])
        jobs[f"{queue} cancelled"] = (await app.aenqueue("t", {}, queue=queue)).id
        await app.acancel(jobs[f"{queue} cancelled"])
        jobs[f"{queue} waiting"] = (await app.aenqueue("t", {}, queue=queue)).id
    return jobs


@pytest.mark.parametrize(
    ("arguments", "gone"),
    [
        ({}, {"b dead"}),
        ({"queue": "a"}, set()),
        ({"queue": "b"}, {"b dead"}),
        ({"state": "completed"}, set()),
        ({"state": "dead"}, {"b dead"}),
        ({"older": "1h"}, {"a completed", "a dead", "a cancelled", "b completed", "b dead", "b cancelled"}),
        ({"older": "3h"}, set()),
        ({"older": "1h", "queue": "a"}, {"a completed", "a dead", "a cancelled"}),
        ({"older": "1h", "state": State.DEAD}, {"a dead", "b dead"}),
        ({"older": 0, "state": "cancelled", "queue": "b"}, {"b cancelled"}),
    ],
    ids=lambda value: str(sorted(value, key=str) if isinstance(value, set) else value),
)
async def test_what_prune_once_removes(
    app: Headrace, clock: ManualClock, arguments: dict[str, Any], gone: set[str]
) -> None:
    await app.aset_retention("b", {"dead": "1h"})
    jobs = await fill(app)
    clock.advance(2 * HOUR)
    assert await sweep(app, **arguments) == len(gone)
    left = await there(app, list(jobs.values()))
    assert {name for name, is_there in zip(jobs, left, strict=True) if not is_there} == gone
    await app.aclose()


async def test_pruning_by_age_spares_what_asked_to_be_kept(app: Headrace, clock: ManualClock) -> None:
    for retention in ("1d", "1h"):
        await finish(app, await app.aenqueue("t", {}, retention=retention))
    clock.advance(2 * HOUR)
    assert await sweep(app, "other", older=0) == 0
    assert await sweep(app, "default", state="dead", older=0) == 0
    assert await sweep(app, "default", older=0) == 1  # the one whose own time is over
    await app.aclose()


async def test_a_sweep_is_bounded(app: Headrace, clock: ManualClock) -> None:
    storage = (await app.here()).storage
    await storage.insert([NewJob(app.ids.new(), "t", "q", "{}") for _ in range(2_300)])
    for job in await app.ajobs(limit=10_000):
        await app.acancel(job)
    clock.advance(2 * DAY)
    assert [await app.aprune_once() for _ in range(4)] == [1000, 1000, 300, 0]
    await app.aclose()


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"state": "pending"}, InvalidOption),
        ({"state": ""}, InvalidOption),
        ({"older": "soon"}, InvalidDelay),
        ({"older": -1}, InvalidDelay),
        ({"queue": "no such"}, InvalidName),
    ],
    ids=str,
)
async def test_a_prune_that_means_nothing_is_refused(app: Headrace, arguments: Any, kind: type) -> None:
    with pytest.raises(kind):
        await app.aprune_once(**arguments)
    await app.aclose()


# --- rescuing by hand -------------------------------------------------------------------------------------------------


async def test_rescue_once_puts_back_what_vanished_workers_held(app: Headrace, clock: ManualClock) -> None:
    heard: list[str] = []
    app.on(events.RESCUED)(lambda event: heard.append(event.job_id))
    assert await app.arescue_once() == 0
    receipts = [await app.aenqueue("t", {}, queue=queue) for queue in ("a", "a", "b")]
    claims = [*await app.aclaim("a", limit=2, lease="10s"), *await app.aclaim("b", lease="1h")]
    assert await app.arescue_once() == 0
    clock.advance(11)
    assert await app.arescue_once() == 2
    assert await app.arescue_once() == 0
    jobs = [await app.ajob(receipt) for receipt in receipts]
    assert [(job.state, job.crashes) for job in jobs if job] == [
        (State.RETRYING, 1),
        (State.RETRYING, 1),
        (State.RUNNING, 0),
    ]
    await app.aack(claims[2])
    await app.bus.flush()
    assert sorted(heard) == sorted(receipt.id for receipt in receipts[:2])
    leases = await (await app.here()).storage.leases()
    assert max(leases.values()) <= HOUR
    await app.aclose()


async def test_two_rescuers_at_once_take_each_job_once(app: Headrace, clock: ManualClock) -> None:
    for _ in range(30):
        await app.aenqueue("t")
    await app.aclaim(limit=30, lease="10s")
    clock.advance(11)
    assert sum(await asyncio.gather(*(app.arescue_once() for _ in range(4)))) == 30
    assert {job.crashes for job in await app.ajobs()} == {1}
    await app.aclose()
