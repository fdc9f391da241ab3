"""Handles: open, close, migrate, sibling, capabilities and the clock."""

from headrace.model.errors import WrongLoop
from headrace.storage.survival import EVENTS, Fate
from headrace.system.machine import SystemSpawn
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import Stage


class TestHandle(Family):
    async def test_capabilities_declare_everything(self, stage: Stage) -> None:
        capabilities = stage.storage.capabilities
        assert capabilities.name
        assert capabilities.processes in ("many", "one")
        assert capabilities.survival.acknowledged
        assert capabilities.promise.startswith("An acknowledged job survives the failure of a handler")

    async def test_what_is_worse_is_survived_no_better(self, stage: Stage) -> None:
        fates = [getattr(stage.storage.capabilities.survival, event) for event in EVENTS]
        assert fates == sorted(fates, key=list(Fate).index)

    async def test_open_is_idempotent(self, stage: Stage) -> None:
        job_id = await stage.enqueue()
        await stage.storage.open()
        assert await stage.ids() == [job_id]

    async def test_close_is_idempotent(self, stage: Stage) -> None:
        sibling = stage.storage.sibling()
        await sibling.open()
        await sibling.close()
        await sibling.close()
        assert await stage.ids() == []

    async def test_a_sibling_sees_the_same_store(self, stage: Stage) -> None:
        job_id = await stage.enqueue()
        sibling = stage.storage.sibling()
        await sibling.open()
        assert await sibling.get([job_id]) == await stage.storage.get([job_id])
        await sibling.close()

    async def test_siblings_live_on(self, stage: Stage) -> None:
        sibling = stage.storage.sibling()
        await sibling.open()
        await stage.storage.close()
        (receipt,) = await sibling.insert([stage.new()])
        assert (await sibling.get([receipt.id]))[0] is not None
        await sibling.close()

    async def test_a_sibling_works_in_another_thread_and_loop(self, stage: Stage) -> None:
        sibling, new = stage.storage.sibling(), stage.new()

        async def elsewhere() -> None:
            await sibling.open()
            await sibling.insert([new])
            await sibling.close()

        await SystemSpawn().host("elsewhere", elsewhere).join()
        assert await stage.ids() == [new.id]

    async def test_a_handle_belongs_to_one_loop(self, stage: Stage) -> None:
        refused: list[BaseException] = []

        async def elsewhere() -> None:
            try:
                await stage.storage.insert([stage.new()])
            except WrongLoop as error:
                refused.append(error)

        await SystemSpawn().host("elsewhere", elsewhere).join()
        assert len(refused) == 1
        assert await stage.ids() == []

    async def test_migrate_again_changes_nothing(self, stage: Stage) -> None:
        job_id = await stage.enqueue()
        number = await stage.storage.migrate()
        assert number >= 1
        assert await stage.storage.migrate() == number
        assert await stage.ids() == [job_id]

    async def test_now_is_the_wall_clock_in_milliseconds(self, stage: Stage) -> None:
        assert await stage.storage.now() == stage.clock.wall()
        stage.clock.advance(0.001)
        assert await stage.storage.now() == stage.clock.wall()

    async def test_now_holds_still_over_a_small_step_back(self, stage: Stage) -> None:
        before = await stage.storage.now()
        stage.clock.step_wall(-5)
        assert await stage.storage.now() == before
        job = await stage.job(await stage.enqueue())
        assert job.enqueued_at == before

    async def test_now_follows_a_large_step_back_so_that_delays_go_on(self, stage: Stage) -> None:
        await stage.storage.now()
        stage.clock.step_wall(-86_400)
        assert await stage.storage.now() == stage.clock.wall()
        await stage.enqueue(delay=10.0)
        stage.clock.advance(10)
        assert len(await stage.claim()) == 1

    async def test_now_follows_the_wall_clock_once_it_has_caught_up(self, stage: Stage) -> None:
        await stage.storage.now()
        stage.clock.step_wall(-5)
        await stage.storage.now()
        stage.clock.advance(6)
        assert await stage.storage.now() == stage.clock.wall()
