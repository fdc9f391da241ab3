"""Queues as operators steer them, on memory and SQLite: pause, resume, scale, and what is listed."""

import asyncio
from typing import Any

import msgspec
import pytest

from headrace import Headrace, State
from headrace.model.errors import InvalidName, InvalidOption
from headrace.model.presence import Presence
from headrace.model.record import QUEUE, WORKER, Put
from headrace.runtime import controls

pytestmark = pytest.mark.anyio
LONG = 10.0


async def control_of(app: Headrace, queue: str = "q") -> Any:
    records = await (await app.here()).storage.records(QUEUE, names=[queue])
    return msgspec.json.decode(records[0].value) if records else None


async def test_a_pause_starts_nothing_and_interrupts_nothing(app: Headrace) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    runs: list[int] = []

    @app.task(queue="q")
    async def work(n: int) -> None:
        runs.append(n)
        started.set()
        await go_on.wait()

    first = await work.aenqueue(1)
    async with app.worker({"q": 4}):
        await started.wait()
        await app.apause("q")
        receipts = [await work.aenqueue(n) for n in (2, 3)]
        go_on.set()
        await app.ajoin(first, LONG)
        assert runs == [1]
        await app.aresume("q")
        for receipt in receipts:
            assert (await app.ajoin(receipt, LONG)).state is State.COMPLETED
    await app.aclose()


async def test_a_pause_and_a_ceiling_outlive_the_program(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    async with Headrace(url) as before:
        await before.apause("q")
        await before.ascale("q", 3)
    async with Headrace(url) as after:
        view = (await after.aqueues(name="q"))[0]
        assert (view.paused, view.concurrency) == (True, 3)
        receipt = await after.aenqueue("t", queue="q")
        assert not await after.aclaim("q")
        await after.aresume("q")
        assert [claim.id for claim in await after.aclaim("q")] == [receipt.id]
        assert (await after.aqueues(name="q"))[0].concurrency == 3


async def test_each_changes_its_own_field_alone(app: Headrace) -> None:
    storage = (await app.here()).storage
    there = '{"retention":{"dead":60.0},"of_a_newer_version":[1]}'
    await storage.put([Put(QUEUE, "q", there)])
    await app.apause("q")
    await app.ascale("q", 7)
    await controls.cool_down(storage, "q", 60)
    assert await control_of(app) == {
        "retention": {"dead": 60.0},
        "of_a_newer_version": [1],
        "paused": True,
        "concurrency": 7,
        "cools_until": (await control_of(app))["cools_until"],
    }
    view = (await app.aqueues(name="q"))[0]
    assert (view.paused, view.concurrency, view.retention) == (True, 7, {"dead": 60.0})
    assert view.cools_until is not None
    await app.aresume("q")
    view = (await app.aqueues(name="q"))[0]
    assert (view.paused, view.concurrency, view.cools_until) == (False, 7, None)
    await app.aclose()


async def test_what_changes_nothing_writes_nothing(app: Headrace) -> None:
    storage = (await app.here()).storage
    await app.aresume("q")
    assert await control_of(app) is None
    await app.apause("q")
    await app.apause("q")
    assert (await storage.records(QUEUE, names=["q"]))[0].version == 1
    await app.aclose()


async def test_changes_at_the_same_moment_all_count(app: Headrace) -> None:
    await asyncio.gather(*(app.ascale("q", n) for n in range(1, 20)), app.apause("q"))
    view = (await app.aqueues(name="q"))[0]
    assert view.paused
    assert view.concurrency in range(1, 20)
    await app.aclose()


async def test_an_operators_ceiling_wins_over_the_declared_one(url: str) -> None:
    app = Headrace(url)
    app.queue("q", concurrency=5)
    app.queue("r", concurrency=5)
    async with app:
        storage = (await app.here()).storage
        assert (await app.aqueues(name="q"))[0].concurrency == 5
        await app.ascale("q", 2)
        await app.ascale("r", None)
        await app.declare(storage)
        assert [view.concurrency for view in await app.aqueues()] == [2, None]


async def test_a_declared_ceiling_is_added_to_what_an_operator_said_of_other_things(url: str) -> None:
    async with Headrace(url) as app:
        await app.apause("q")
        app.queue("q", concurrency=5)
        async with app.worker({"other": 1}):
            pass
        view = (await app.aqueues(name="q"))[0]
        assert (view.paused, view.concurrency) == (True, 5)


async def test_queues_are_listed_by_name_in_pages(app: Headrace) -> None:
    app.queue("declared", concurrency=3)
    app.limit("slack", rate="1/s")

    @app.task(queue="named", limits=["slack"])
    async def work() -> None: ...

    for queue in ("b", "a", "b"):
        await app.aenqueue("t", queue=queue)
    await app.apause("paused")
    storage = (await app.here()).storage
    for worker in ("here", "gone"):
        value = msgspec.json.encode(Presence(worker, "host", 1, "", {"a": 4, "other": 1})).decode()
        await storage.put([Put(WORKER, worker, value)])
    await storage.beat("here", (), 30)
    first = await app.aqueues(limit=3)
    assert repr(first) == "<Page of 3 queues>"
    rest = await app.aqueues(limit=3, after=first.next)
    assert [view.name for view in (*first, *rest)] == ["a", "b", "declared", "named", "paused"]
    assert rest.next is None
    views = {view.name: view for view in (*first, *rest)}
    assert views["a"].workers == {"here": 4}
    assert views["b"].counts == {State.PENDING: 2}
    assert views["named"].limits == ("slack",)
    assert views["paused"].paused
    assert [view.name for view in await app.aqueues(name="nobody.knows")] == ["nobody.knows"]
    await app.aclose()


def test_the_sync_twins(app: Headrace) -> None:
    app.limit("slack", rate="10/s")
    app.pause("q")
    app.scale("q", 3)
    assert [(view.name, view.paused, view.concurrency) for view in app.queues()] == [("q", True, 3)]
    app.resume("q")
    app.set_limit("slack", burst=4)
    assert [(limit.rate, limit.burst) for limit in app.limits()] == [("10/s", 4)]


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "3", 10**9], ids=str)
def test_ceilings_out_of_range_are_refused(app: Headrace, value: Any) -> None:
    with pytest.raises(InvalidOption, match="concurrency="):
        app.scale("q", value)
    assert list(app.queues()) == []


@pytest.mark.parametrize("name", ["", "a b", "x" * 256, 7, None], ids=ascii)
def test_names_that_are_none_are_refused(app: Headrace, name: Any) -> None:
    for call in (app.pause, app.resume, lambda queue: app.scale(queue, 1)):
        with pytest.raises(InvalidName, match="queue name"):
            call(name)
    assert list(app.queues()) == []


async def test_claims_by_hand_last_as_long_as_their_queue_says(app: Headrace) -> None:
    app.queue("q", lease="5m")
    for queue in ("q", "q", "other"):
        await app.aenqueue("t", queue=queue)
    leases = [(await app.aclaim("q"))[0].lease, (await app.aclaim("q", lease="7s"))[0].lease]
    assert [*leases, (await app.aclaim("other"))[0].lease] == [300.0, 7.0, 30.0]
    await app.aclose()
