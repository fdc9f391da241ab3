"""Workers, metrics and the timeline as programs see them. On memory and on SQLite."""

import asyncio
import os
import socket
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from headrace import Headrace
from headrace.model.errors import InvalidDelay, InvalidName, InvalidOption
from headrace.model.metric import OTHER
from headrace.model.record import WORKER, Put
from headrace.model.timeline import Entry

pytestmark = pytest.mark.anyio

MINUTE = 60_000


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("PREFIX", "VERSION", "ID"):
        monkeypatch.delenv(f"HEADRACE_WORKER_{part}", raising=False)


# --- workers ----------------------------------------------------------------------------------------------------------


async def test_a_worker_is_listed_with_what_it_runs(app: Headrace) -> None:
    running, end = asyncio.Event(), asyncio.Event()

    @app.task(name="long", queue="email")
    async def long() -> None:
        running.set()
        await end.wait()

    async with app.worker({"email": 2, "default": 1}) as worker:
        receipt = await long.aenqueue()
        await running.wait()
        (known,) = await app.aworkers()
        assert known.id == worker.id
        told = known.presence
        assert (told.label, told.host, told.pid) == (
            f"{socket.gethostname()}:{os.getpid()}",
            socket.gethostname(),
            os.getpid(),
        )
        assert (told.version, told.queues, told.tasks) == ("", {"email": 2, "default": 1}, ("long",))
        assert 20 < known.lease <= 30
        (job,) = known.running
        assert (job.id, job.task, job.queue, job.attempt) == (receipt.id, "long", "email", 1)
        found = await app.ajob(receipt)
        assert found is not None
        assert job.started_at == found.started_at
        end.set()
        await worker.idle()
        assert (await app.aworkers())[0].running == []
    assert list(await app.aworkers()) == []
    await app.aclose()


async def test_names_from_the_environment_are_labels_and_no_identities(
    app: Headrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_WORKER_PREFIX", "shop")
    monkeypatch.setenv("HEADRACE_WORKER_VERSION", "4f2c")
    monkeypatch.setenv("HEADRACE_WORKER_ID", "1")
    async with app.worker(["default"]) as one, app.worker(["default"]) as other:
        known = await app.aworkers()
        assert [worker.presence.label for worker in known] == ["shop-worker-4f2c-1"] * 2
        assert {worker.id for worker in known} == {one.id, other.id}
        assert known[0].presence.version == "4f2c"
    await app.aclose()


async def test_only_the_newest_hundred_jobs_of_a_worker_are_listed(app: Headrace) -> None:
    end = asyncio.Event()

    @app.task
    async def wait() -> None:
        await end.wait()

    receipts = await app.aenqueue_many([wait.call() for _ in range(130)])
    async with app.worker({"default": 130}):
        while await app.ainflight_count() < 130:
            await app.clock.sleep(0.01)
        (known,) = await app.aworkers()
        assert [job.id for job in known.running] == [receipt.id for receipt in receipts[:-101:-1]]
        end.set()
    await app.aclose()


async def test_many_workers_are_listed_by_pages(app: Headrace) -> None:
    storage = (await app.here()).storage
    names = [f"w{number:03}" for number in range(120)]
    value = '{"label":"x","host":"h","pid":1,"queues":{"a":1}}'
    await storage.put([Put(WORKER, name, value) for name in names])
    await storage.beat("w007", (), 30)
    found: list[Any] = []
    after = None
    while True:
        page = await app.aworkers(after=after)
        found += page
        after = page.next
        if after is None:
            break
        assert len(page) == 50
    assert [worker.id for worker in found] == names
    assert [worker.id for worker in found if worker.lease > 0] == ["w007"]
    assert found[0].lease == 0.0
    assert (await app.aworkers(limit=120)).next is None
    await app.aclose()


def test_queues_come_from_the_environment_where_nobody_says_anything(
    app: Headrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.task(name="t", queue="named")(lambda: None)
    assert app.slots(None) == {"named": 4}
    monkeypatch.setenv("HEADRACE_QUEUES", "default:10, email")
    assert app.slots(None) == {"default": 10, "email": 4}
    assert app.slots(["other"]) == {"other": 4}
    monkeypatch.setenv("HEADRACE_QUEUES", "")
    assert app.slots(None) == {"named": 4}
    receipt = app.enqueue("t", {}, queue="email")
    monkeypatch.setenv("HEADRACE_QUEUES", "email:1")
    app.run(until_idle=True)
    job = app.job(receipt)
    assert job is not None
    assert job.state == "completed"


@pytest.mark.parametrize("text", ["a:0", "a:x", "a:", "a b", ",", "a:1,a:2", "a:10001", "é"])
def test_queues_that_cant_be_used_are_refused_when_a_worker_starts(
    app: Headrace, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HEADRACE_QUEUES", text)
    app.enqueue("t")
    with pytest.raises((InvalidName, InvalidOption)):
        app.run()


# --- metrics and the timeline -----------------------------------------------------------------------------------------


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def bucket(at: int, queue: str, started: int) -> Entry:
    return Entry(
        f"bucket:{at // MINUTE}:{queue}", "bucket", queue, at, f'{{"tasks":{{"t":{{"started":{started},"dead":1}}}}}}'
    )


async def test_metrics_are_chosen_by_queue_and_time_and_paged(app: Headrace) -> None:
    storage = (await app.here()).storage
    now = await storage.now()
    minutes = [now - now % MINUTE - ago * MINUTE for ago in range(90, 0, -1)]
    await storage.record([bucket(at, queue, ago) for ago, at in enumerate(minutes) for queue in ("a", "b")])
    found = await app.ametrics("a", since=moment(minutes[30]))
    assert [metric.at for metric in found] == minutes[30:]
    assert {metric.queue for metric in found} == {"a"}
    assert found[0].counts == found[0].tasks["t"]
    assert (found[0].counts.started, found[0].counts.dead, found[0].wait, found[0].run) == (30, 1, None, None)
    begin = moment(minutes[10]).astimezone(ZoneInfo("Asia/Tokyo"))
    assert [metric.at for metric in await app.ametrics("b", since=begin, until=begin + timedelta(minutes=2))] == [
        minutes[10],
        minutes[11],
    ]
    assert len(await app.ametrics("b")) in (59, 60)
    assert len(await app.ametrics("b", since="2h", until="80m")) in (10, 11)
    page = await app.ametrics(since=7200, limit=7)
    assert [(metric.at, metric.queue) for metric in page] == [
        (at, queue) for at in minutes[:4] for queue in ("a", "b")
    ][:7]
    rest = await app.ametrics(since=7200, limit=1000, after=page.next)
    assert len(rest) == 180 - 7
    assert rest.next is None
    assert list(await app.ametrics("nobody")) == []
    assert list(await app.ametrics(OTHER)) == []
    await app.aclose()


async def test_what_a_worker_did_is_told_after_its_stop_and_rolled_by_hand(app: Headrace) -> None:
    @app.task(name="fine", queue="email")
    async def fine() -> None: ...

    await app.aenqueue_many([fine.call() for _ in range(20)])
    async with app.worker({"email": 3}) as worker:
        await worker.idle()
    intervals = await app.atimeline("email")
    assert sum(interval.tasks["fine"].completed for interval in intervals) == 20
    assert {interval.worker for interval in intervals} == {worker.id}
    assert list(await app.atimeline("other")) == []
    await app.aroll_metrics_once()
    now = await (await app.here()).storage.now()
    assert all(metric.at < now - now % MINUTE for metric in await app.ametrics())
    await app.aclose()


@pytest.mark.parametrize("value", ["soon", -1, float("nan"), True, datetime(2030, 1, 1), "11y"], ids=str)  # noqa: DTZ001
async def test_times_that_mean_nothing_are_refused(app: Headrace, value: Any) -> None:
    for look in (app.ametrics, app.atimeline):
        with pytest.raises(InvalidDelay, match="since="):
            await look(since=value)
        with pytest.raises(InvalidDelay, match="until="):
            await look(until=value)
    await app.aclose()


@pytest.mark.parametrize("limit", [0, -1, 10_001, True, "5", None])
async def test_pages_out_of_range_are_refused(app: Headrace, limit: Any) -> None:
    for look in (app.ametrics, app.atimeline, app.aworkers):
        with pytest.raises(InvalidOption, match="limit="):
            await look(limit=limit)
    with pytest.raises(InvalidName):
        await app.ametrics("no such queue")
    await app.aclose()
