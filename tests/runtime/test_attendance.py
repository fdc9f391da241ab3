"""Workers known to each other, in virtual time: who is there, who vanished, and who only slept."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from stand import Stand

from headrace.model.errors import StoreBusy
from headrace.model.presence import Presence
from headrace.model.record import WORKER, Put
from headrace.runtime.attendance import sweep_vanished

pytestmark = pytest.mark.anyio


async def present(stand: Stand) -> dict[str, Presence]:
    records = await (await stand.storage()).records(WORKER)
    return {record.name: msgspec.json.decode(record.value, type=Presence) for record in records}


async def test_a_worker_is_known_while_it_is_there(stand: Stand) -> None:
    for name in ("b", "a"):
        stand.app.task(name=name)(lambda: None)
    await stand.app.here()
    await stand.pass_time(3)
    started_at = stand.clock.wall()
    async with stand.app.worker({"default": 3, "email": 1}) as worker:
        (told,) = (await present(stand)).values()
        assert worker.id in await present(stand)
        assert (told.queues, told.tasks) == ({"default": 3, "email": 1}, ("a", "b"))
        assert told.started_at == pytest.approx(started_at, abs=5)
        async with stand.app.worker(), stand.app.housekeeping():
            queues = [sorted(one.queues) for one in (await present(stand)).values()]
            assert queues == [["default", "email"], ["default"], []]
        assert list(await present(stand)) == [worker.id]
    assert await present(stand) == {}


async def test_a_worker_is_not_known_before_its_hooks_are_through(stand: Stand) -> None:
    seen: list[int] = []

    @stand.app.on_worker_start
    async def look() -> None:
        seen.append(len(await present(stand)))

    @stand.app.on_worker_stop
    async def look_again() -> None:
        seen.append(len(await present(stand)))

    async with stand.app.worker():
        seen.append(len(await present(stand)))
    assert seen == [0, 1, 0]
    stand.app.on_worker_start(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        async with stand.app.worker():
            raise AssertionError("started")
    assert await present(stand) == {}


async def test_a_vanished_worker_is_known_until_its_jobs_are_rescued_and_forgotten_by_the_leader(
    make_stand: Callable[..., Stand],
) -> None:
    stand = make_stand(lease=9)

    @stand.app.task
    async def stuck() -> None:
        await stand.pass_time(60)

    receipt = await stuck.aenqueue()
    async with stand.app.worker({"other": 1}) as keeper, stand.zombie() as zombie:
        await stand.pass_time(8)
        listed = {one.id: one for one in await stand.app.aworkers()}
        assert [job.id for job in listed[zombie.id].running] == [receipt.id]
        assert listed[keeper.id].running == []
        assert 0 < listed[zombie.id].lease <= 1.1
        await stand.pass_time(12)
        assert list(await present(stand)) == [keeper.id]
        assert (await stand.job(receipt)).crashes == 1


async def test_a_worker_that_slept_longer_than_its_lease_is_known_again(make_stand: Callable[..., Stand]) -> None:
    stand = make_stand(lease=9)
    async with stand.app.worker({"default": 1}) as worker:
        storage = await stand.storage()
        before = (await present(stand))[worker.id]
        await storage.put([Put(WORKER, worker.id, None)])
        await stand.pass_time(70)
        assert (await present(stand))[worker.id] == before


async def test_a_task_registered_later_is_told(stand: Stand) -> None:
    async with stand.app.worker({"default": 1}) as worker:
        stand.app.task(name="late")(lambda: None)
        await stand.pass_time(70)
        assert (await present(stand))[worker.id].tasks == ("late",)


async def test_nobody_who_lives_is_swept_however_many_there_are(stand: Stand) -> None:
    storage = await stand.storage()
    names = [f"w{number:04}" for number in range(2_500)]
    living = set(names[::3])
    for name in living:
        await storage.beat(name, (), 30)
    await storage.put([Put(WORKER, name, '{"label":"x","host":"h","pid":1}') for name in names])
    assert await sweep_vanished(storage) == len(names) - len(living)
    assert set(await present(stand)) == living
    assert await sweep_vanished(storage) == 0


async def test_a_store_that_fails_keeps_no_worker_from_starting_or_stopping(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = await stand.storage()
    put = storage.put

    async def refuse(puts: Sequence[Put]) -> Sequence[bool]:
        if any(one.kind == WORKER for one in puts):
            raise StoreBusy("jobs.db", 10)
        return list(await put(puts))

    @stand.app.task
    async def fine() -> None: ...

    monkeypatch.setattr(storage, "put", refuse)
    async with stand.app.worker({"default": 1}):
        await stand.app.ajoin(await fine.aenqueue(), 5)
        assert await present(stand) == {}
        monkeypatch.undo()
        await stand.pass_time(70)
        assert len(await present(stand)) == 1
    assert {who for who, _ in stand.reports} == {"worker", "attendance"}


async def test_a_start_that_is_cancelled_leaves_nothing(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = await stand.storage()
    reached = asyncio.Event()
    now = storage.now

    async def slow() -> int:
        reached.set()
        await stand.pass_time(5)
        return int(await now())

    monkeypatch.setattr(storage, "now", slow)

    async def work() -> Any:
        async with stand.app.worker(worker_id="w"):
            raise AssertionError("started")

    task = asyncio.create_task(work())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.undo()
    await stand.pass_time(0.1)
    assert (await storage.leases()).get("w", 0) <= 0
    assert await present(stand) == {}
