"""Many at once: tasks of one loop, and siblings on threads and loops of their own."""

import asyncio
from collections.abc import Awaitable, Callable

from headrace.model import lifecycle
from headrace.model.change import Status
from headrace.model.outcome import Returned
from headrace.model.record import Expect, Put
from headrace.model.state import State
from headrace.storage.contract import Demand, Receipt, Storage
from headrace.system.machine import SystemSpawn
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import LEASE, PLAIN, Stage

THREADS = 4


async def _from_threads(storage: Storage, act: Callable[[Storage, str], Awaitable[None]]) -> None:
    """``act`` with a sibling and a name, in each of several threads at once."""

    async def elsewhere(name: str) -> None:
        sibling = storage.sibling()
        await sibling.open()
        try:
            await act(sibling, name)
        finally:
            await sibling.close()

    spawn = SystemSpawn()
    names = [f"w{number}" for number in range(THREADS)]
    hosts = [spawn.host(name, lambda name=name: elsewhere(name)) for name in names]  # type: ignore[misc]
    for host in hosts:
        await host.join()


class TestConcurrency(Family):
    async def test_tasks_that_claim_at_once_share_no_job(self, stage: Stage) -> None:
        await stage.storage.insert([stage.new() for _ in range(300)])
        workers = [f"w{number}" for number in range(10)]
        await stage.beat(*workers)
        batches = await asyncio.gather(
            *(stage.storage.claim(worker, [Demand("q", 7)]) for _ in range(5) for worker in workers)
        )
        ids = [job.id for batch in batches for job in batch]
        assert len(ids) == len(set(ids)) == 300

    async def test_threads_that_claim_at_once_share_no_job(self, stage: Stage) -> None:
        await stage.storage.insert([stage.new() for _ in range(2_000)])
        got: list[tuple[str, str]] = []

        async def drain(storage: Storage, worker: str) -> None:
            await storage.beat(worker, [], LEASE)
            while batch := await storage.claim(worker, [Demand("q", 11)]):
                got.extend((job.id, worker) for job in batch)
                verdicts = await storage.apply([lifecycle.settle(job, Returned(), PLAIN, 0.5) for job in batch])
                assert {verdict.status for verdict in verdicts} == {Status.APPLIED}

        await _from_threads(stage.storage, drain)
        assert len(got) == len({job_id for job_id, _ in got}) == 2_000
        assert await stage.storage.count() == {("q", State.COMPLETED): 2_000}
        for job in await stage.storage.get([job_id for job_id, _ in got]):
            assert job is not None
            assert (job.id, job.worker) in got
            assert (job.attempt, job.generation) == (1, 1)

    async def test_a_ceiling_holds_against_all_at_once(self, stage: Stage) -> None:
        await stage.control('{"concurrency":5}')
        await stage.storage.insert([stage.new() for _ in range(100)])
        got: list[str] = []

        async def grab(storage: Storage, worker: str) -> None:
            await storage.beat(worker, [], LEASE)
            for _ in range(5):
                got.extend(job.id for job in await storage.claim(worker, [Demand("q", 2)]))

        await _from_threads(stage.storage, grab)
        assert len(set(got)) == len(got) == 5

    async def test_an_expired_job_passes_to_exactly_one(self, stage: Stage) -> None:
        await stage.storage.insert([stage.new() for _ in range(50)])
        await stage.claim("gone")
        await stage.beat("gone", ttl=0)
        got: list[str] = []

        async def rescue(storage: Storage, worker: str) -> None:
            await storage.beat(worker, [], LEASE)
            while batch := await storage.reclaim(worker, 3):
                got.extend(job.id for job in batch)

        await _from_threads(stage.storage, rescue)
        assert len(set(got)) == len(got) == 50

    async def test_one_key_has_one_holder(self, stage: Stage) -> None:
        receipts: list[Receipt[object]] = []
        news = {f"w{number}": [stage.new(key=f"k{key}") for key in range(20)] for number in range(THREADS)}

        async def insert(storage: Storage, name: str) -> None:
            for new in news[name]:
                receipts.extend(await storage.insert([new]))

        await _from_threads(stage.storage, insert)
        assert sum(not receipt.duplicate for receipt in receipts) == 20
        assert len({receipt.id for receipt in receipts}) == 20
        assert await stage.number(State.PENDING) == 20

    async def test_one_wins_each_compare_and_set(self, stage: Stage) -> None:
        won: list[int] = []

        async def count_up(storage: Storage, _: str) -> None:
            for _attempt in range(30):
                found = await storage.records("kv")
                version = found[0].version if found else 0
                (done,) = await storage.put([Put("kv", "a", "1", version if version else Expect.ABSENT)])
                if done:
                    won.append(version + 1)

        await _from_threads(stage.storage, count_up)
        (record,) = await stage.storage.records("kv")
        assert sorted(won) == list(range(1, record.version + 1))

    async def test_one_of_two_settlements_wins(self, stage: Stage) -> None:
        job = await stage.running()
        statuses: list[Status] = []

        async def settle(storage: Storage, name: str) -> None:
            outcome = Returned(f'"{name}"'.encode())
            statuses.extend(
                verdict.status for verdict in await storage.apply([lifecycle.settle(job, outcome, PLAIN, 0.5)])
            )

        await _from_threads(stage.storage, settle)
        assert sorted(statuses) == [Status.APPLIED] + [Status.STALE] * (THREADS - 1)

    async def test_many_calls_of_one_handle_under_way(self, stage: Stage) -> None:
        news = [stage.new() for _ in range(200)]
        receipts = await asyncio.gather(*(stage.storage.insert([new]) for new in news))
        assert [receipt.id for (receipt,) in receipts] == [new.id for new in news]
        assert await stage.number(State.PENDING) == 200
