"""Delete: by wish, but never what runs."""

from headrace.model import lifecycle
from headrace.model.change import APPLIED, MISSING, STALE
from headrace.model.state import State
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import FAILED, Stage


class TestDelete(Family):
    async def test_waiting_and_final_jobs_go(self, stage: Stage) -> None:
        ids = [
            await stage.enqueue(queue="a", delay=5.0),
            await stage.enqueue(queue="b"),
            (await stage.settle(await stage.running(), FAILED)).id,
            (await stage.finished()).id,
            (await stage.dead()).id,
        ]
        assert list(await stage.storage.delete(ids)) == [APPLIED] * 5
        assert await stage.storage.count() == {}
        assert await stage.ids() == []
        stage.clock.advance(60)
        for queue in ("a", "b", "q"):
            assert list(await stage.claim(queue=queue)) == []

    async def test_a_running_job_stays(self, stage: Stage) -> None:
        job = await stage.running(key="k")
        assert list(await stage.storage.delete([job.id])) == [STALE]
        assert await stage.job(job.id) == job
        assert (await stage.insert(key="k")).duplicate

    async def test_each_item_by_itself(self, stage: Stage) -> None:
        running, waiting = await stage.running(), await stage.enqueue()
        verdicts = await stage.storage.delete([stage.new().id, waiting, running.id, waiting])
        assert list(verdicts) == [MISSING, APPLIED, STALE, MISSING]
        assert await stage.storage.count() == {("q", State.RUNNING): 1}

    async def test_only_in_the_states_that_are_named(self, stage: Stage) -> None:
        retried, dead, running = await stage.dead(), await stage.dead(), await stage.running("w2", queue="r")
        await stage.apply(lifecycle.retry(retried))
        ids = [retried.id, dead.id, running.id, stage.new().id, dead.id]
        verdicts = await stage.storage.delete(ids, frozenset({State.DEAD, State.RUNNING}))
        assert list(verdicts) == [STALE, APPLIED, STALE, MISSING, MISSING]
        assert await stage.storage.count() == {("q", State.PENDING): 1, ("r", State.RUNNING): 1}

    async def test_its_key_is_free(self, stage: Stage) -> None:
        job_id = await stage.enqueue(key="k", delay=5.0)
        await stage.storage.delete([job_id])
        assert not (await stage.insert(key="k")).duplicate

    async def test_its_id_is_free(self, stage: Stage) -> None:
        new = stage.new(key="k")
        await stage.storage.insert([new])
        await stage.storage.delete([new.id])
        await stage.storage.insert([new])
        assert [job.id for job in await stage.claim()] == [new.id]
        assert list(await stage.claim()) == []

    async def test_nothing_asked(self, stage: Stage) -> None:
        assert list(await stage.storage.delete([])) == []
