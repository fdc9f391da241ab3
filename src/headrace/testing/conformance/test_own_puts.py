"""A new job's own puts: done if and only if the job was inserted by this very call."""

import pytest

from headrace.model import lifecycle
from headrace.model.change import APPLIED, MISSING, STALE, Change, Held, Patch, Verdict
from headrace.model.errors import PutLost
from headrace.model.job import Job, NewJob, Until
from headrace.model.outcome import Returned
from headrace.model.record import Expect, Put, Record
from headrace.model.state import State
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import PLAIN, Stage

MILLISECOND = 0.001
A, B = Put("kv", "a", "1"), Put("kv", "b", '{"é":2}')


async def _names(stage: Stage) -> list[str]:
    return [record.name for record in await stage.storage.records("kv")]


class TestOwnPuts(Family):
    async def test_they_are_done_with_the_insert(self, stage: Stage) -> None:
        receipts = await stage.storage.insert([stage.new(puts=(A, B)), stage.new()])
        assert not any(receipt.duplicate for receipt in receipts)
        assert list(await stage.storage.records("kv")) == [Record("kv", "a", "1", 1), Record("kv", "b", '{"é":2}', 1)]
        assert await stage.number(State.PENDING) == 2

    @pytest.mark.parametrize("fields", [{}, {"delay": 60.0}, {"key": "k"}, {"key": "k", "until": Until.WINDOW}])
    async def test_whatever_else_the_job_asks_for(self, stage: Stage, fields: dict[str, object]) -> None:
        await stage.enqueue(puts=(A,), **fields)
        assert await _names(stage) == ["a"]

    async def test_the_row_knows_nothing_of_them(self, stage: Stage) -> None:
        plain, with_puts = await stage.enqueue(), await stage.enqueue(puts=(A,))
        first, second = await stage.job(plain), await stage.job(with_puts)
        assert (first.task, first.payload, first.options) == (second.task, second.payload, second.options)

    async def test_not_where_the_key_is_held(self, stage: Stage) -> None:
        holder = await stage.enqueue(key="k")
        receipt = await stage.insert(key="k", puts=(A,))
        assert (receipt.id, receipt.duplicate) == (holder, True)
        assert await _names(stage) == []

    async def test_not_where_the_id_is_there(self, stage: Stage) -> None:
        job_id = await stage.enqueue()
        assert not (await stage.insert(id=job_id, puts=(A,))).duplicate
        assert await _names(stage) == []

    async def test_a_call_that_is_repeated_writes_once(self, stage: Stage) -> None:
        new = stage.new(puts=(A,))
        for _ in range(3):
            await stage.storage.insert([new])
        assert list(await stage.storage.records("kv")) == [Record("kv", "a", "1", 1)]
        await stage.storage.put([Put("kv", "a", "mine")])
        await stage.storage.insert([new])
        assert list(await stage.storage.records("kv")) == [Record("kv", "a", "mine", 2)]

    async def test_not_even_once_the_job_is_final(self, stage: Stage) -> None:
        job = await stage.finished(key="k")
        await stage.insert(id=job.id, key="k", puts=(A,))
        assert await _names(stage) == []
        await stage.enqueue(key="k", puts=(A,))
        assert await _names(stage) == ["a"]

    async def test_inside_one_call_the_first_of_a_key_and_of_an_id_writes(self, stage: Stage) -> None:
        first = stage.new(key="k", puts=(A,))
        again = stage.new(id=first.id, puts=(Put("kv", "by id", "1"),))
        rival = stage.new(key="k", puts=(Put("kv", "by key", "1"),))
        other = stage.new(puts=(B,))
        receipts = await stage.storage.insert([first, again, rival, other])
        assert [receipt.duplicate for receipt in receipts] == [False, False, True, False]
        assert await _names(stage) == ["a", "b"]

    async def test_those_of_later_jobs_come_later(self, stage: Stage) -> None:
        await stage.storage.insert([stage.new(puts=(Put("kv", "a", f"{number}"),)) for number in range(3)])
        assert list(await stage.storage.records("kv")) == [Record("kv", "a", "2", 3)]

    async def test_they_come_after_those_of_the_call(self, stage: Stage) -> None:
        await stage.storage.insert([stage.new(puts=(A,))], [Put("kv", "a", "0", Expect.ABSENT)])
        assert list(await stage.storage.records("kv")) == [Record("kv", "a", "1", 2)]

    async def test_a_put_that_the_call_loses_undoes_them(self, stage: Stage) -> None:
        await stage.storage.put([Put("kv", "taken", "0")])
        news = [stage.new(key="k", puts=(A,)), stage.new(puts=(B,))]
        for puts in ([Put("kv", "taken", "1", Expect.ABSENT)], [Put("kv", "x", "1"), Put("kv", "taken", "1", 7)]):
            with pytest.raises(PutLost):
                await stage.storage.insert(news, puts)
            assert await _names(stage) == ["taken"]
            assert await stage.storage.count() == {}
        await stage.storage.insert(news)
        assert await _names(stage) == ["a", "b", "taken"]

    async def test_they_may_remove_and_may_have_a_ttl(self, stage: Stage) -> None:
        await stage.storage.put([Put("kv", "old", "1")])
        await stage.enqueue(puts=(Put("kv", "old", None), Put("kv", "short", "1", ttl=10.0)))
        stage.clock.advance(10 - MILLISECOND)
        assert await _names(stage) == ["short"]
        stage.clock.advance(MILLISECOND)
        assert await _names(stage) == []

    async def test_they_outlive_the_job(self, stage: Stage) -> None:
        job = await stage.finished(puts=(A,))
        await stage.storage.delete([job.id])
        assert await _names(stage) == ["a"]

    async def test_many_at_once(self, stage: Stage) -> None:
        news = [stage.new(puts=(Put("kv", f"{number:04}", "1"),)) for number in range(1_200)]
        await stage.storage.insert(news)
        assert await _names(stage) == [f"{number:04}" for number in range(1_200)]
        assert await stage.number(State.PENDING) == 1_200


class TestOwnPutsOfFollowUps(Family):
    async def _settle(self, stage: Stage, job: Job, *then: NewJob, puts: tuple[Put, ...] = ()) -> Verdict:
        change = lifecycle.settle(job, Returned(), PLAIN, 0.5)
        return (await stage.storage.apply([Change(job.id, change.guard, change.patch, then, puts)]))[0]

    async def test_they_are_done_with_the_change(self, stage: Stage) -> None:
        job = await stage.running()
        assert await self._settle(stage, job, stage.new(puts=(A,)), stage.new(key="k", puts=(B,))) == APPLIED
        assert await _names(stage) == ["a", "b"]

    async def test_not_where_the_guard_fails_or_the_job_is_gone(self, stage: Stage) -> None:
        job = await stage.settle(await stage.running())
        assert await self._settle(stage, job, stage.new(puts=(A,))) == STALE
        await stage.storage.delete([job.id])
        assert await self._settle(stage, job, stage.new(puts=(A,))) == MISSING
        assert await _names(stage) == []

    async def test_not_where_a_put_of_the_change_loses(self, stage: Stage) -> None:
        job = await stage.running()
        lost = Put("kv", "b", "1", 7)
        assert await self._settle(stage, job, stage.new(puts=(A,)), puts=(lost,)) == STALE
        assert await _names(stage) == []

    async def test_not_for_a_follow_up_that_is_a_duplicate(self, stage: Stage) -> None:
        job = await stage.running()
        there = await stage.enqueue(key="k", delay=60.0)
        by_key, by_id = stage.new(key="k", puts=(A,)), stage.new(id=there, puts=(B,))
        assert await self._settle(stage, job, by_key, by_id, stage.new(puts=(Put("kv", "c", "1"),))) == APPLIED
        assert await _names(stage) == ["c"]

    async def test_the_next_change_finds_them(self, stage: Stage) -> None:
        first, second, third = [await stage.running() for _ in range(3)]
        then = stage.new(puts=(A,))
        changes = [
            Change(first.id, Held("w", 1), Patch(State.COMPLETED), (then,)),
            Change(second.id, Held("w", 1), Patch(State.COMPLETED), (), (Put("kv", "a", "2", Expect.ABSENT),)),
            Change(third.id, Held("w", 1), Patch(State.COMPLETED), (), (Put("kv", "a", "3", 1),)),
        ]
        assert list(await stage.storage.apply(changes)) == [APPLIED, STALE, APPLIED]
        assert list(await stage.storage.records("kv")) == [Record("kv", "a", "3", 2)]

    async def test_they_come_after_the_puts_of_their_change(self, stage: Stage) -> None:
        job = await stage.running()
        assert await self._settle(stage, job, stage.new(puts=(A,)), puts=(Put("kv", "a", "0"),)) == APPLIED
        assert list(await stage.storage.records("kv")) == [Record("kv", "a", "1", 2)]
