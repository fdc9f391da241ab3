"""Reads: get, find and count show committed rows."""

import pytest

from headrace.model import lifecycle
from headrace.model.outcome import Stopped
from headrace.model.state import FINAL, WAITING, State
from headrace.storage.contract import Filter
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import FAILED, Stage


class TestGet(Family):
    async def test_in_order_and_none_where_there_is_none(self, stage: Stage) -> None:
        first, second = await stage.enqueue(), await stage.enqueue()
        rows = await stage.storage.get([second, "no such id", first, stage.new().id, second])
        assert [row and row.id for row in rows] == [second, None, first, None, second]

    async def test_nothing_asked(self, stage: Stage) -> None:
        assert list(await stage.storage.get([])) == []

    async def test_more_ids_than_one_statement_takes(self, stage: Stage) -> None:
        news = [stage.new() for _ in range(3_000)]
        await stage.storage.insert(news)
        rows = await stage.storage.get([new.id for new in reversed(news)])
        assert [row and row.id for row in rows] == [new.id for new in reversed(news)]


class TestFind(Family):
    async def _one_of_each(self, stage: Stage) -> dict[State, str]:
        rows = {
            State.RUNNING: (await stage.running("w1", queue="a", task="send")).id,
            State.RETRYING: (await stage.settle(await stage.running("w2", queue="b"), FAILED)).id,
            State.COMPLETED: (await stage.finished(queue="b", task="send")).id,
            State.DEAD: (await stage.dead(queue="a")).id,
            State.CANCELLED: (await stage.settle(await stage.running("w2", queue="b"), Stopped("x"))).id,
            State.SCHEDULED: await stage.enqueue(queue="a", task="send", delay=5.0),
            State.PENDING: await stage.enqueue(queue="b"),
        }
        await stage.apply(lifecycle.cancel(await stage.job(rows[State.RUNNING])))
        return rows

    async def test_newest_first(self, stage: Stage) -> None:
        news = [stage.new() for _ in range(6)]
        await stage.storage.insert([news[index] for index in (4, 1, 5, 0, 3, 2)])
        assert await stage.ids() == [new.id for new in reversed(news)]

    async def test_newest_first_whatever_is_looked_at_in_between(self, stage: Stage) -> None:
        news = [stage.new() for _ in range(6)]
        seen: set[str] = set()
        for index in (4, 0, 2, 1, 5, 3):
            await stage.storage.insert([news[index]])
            seen.add(news[index].id)
            assert list(await stage.ids()) == sorted(seen, reverse=True)

    async def test_whole_rows(self, stage: Stage) -> None:
        dead = await stage.dead(key="k", payload='{"a":"é"}')
        page = await stage.storage.find(Filter(), limit=5)
        assert list(page.jobs) == [dead]

    async def test_an_empty_store(self, stage: Stage) -> None:
        page = await stage.storage.find(Filter(), limit=5)
        assert (list(page.jobs), page.next) == ([], None)

    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8])
    async def test_pages_join_without_gap_or_overlap(self, stage: Stage, limit: int) -> None:
        ids = [await stage.enqueue() for _ in range(7)]
        found: list[str] = []
        after, pages = None, 0
        while True:
            page = await stage.storage.find(Filter(), limit=limit, after=after)
            found += [job.id for job in page.jobs]
            pages += 1
            if page.next is None:
                break
            assert len(page.jobs) == limit
            after = page.next
        assert found == ids[::-1]
        assert pages == -(-7 // limit)

    async def test_a_cursor_is_stable_when_rows_come_and_go(self, stage: Stage) -> None:
        ids = [await stage.enqueue() for _ in range(6)]
        page = await stage.storage.find(Filter(), limit=2)
        await stage.enqueue()
        await stage.storage.delete([ids[4], ids[2]])
        rest = await stage.storage.find(Filter(), limit=10, after=page.next)
        assert [job.id for job in rest.jobs] == [ids[3], ids[1], ids[0]]
        assert rest.next is None

    async def test_pages_of_a_filter(self, stage: Stage) -> None:
        ids = [await stage.enqueue(queue="ab"[number % 2]) for number in range(8)]
        page = await stage.storage.find(Filter(queue="a"), limit=3)
        rest = await stage.storage.find(Filter(queue="a"), limit=3, after=page.next)
        assert [job.id for job in (*page.jobs, *rest.jobs)] == ids[-2::-2]
        assert rest.next is None

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (Filter(), set(State)),
            (Filter(states=frozenset({State.DEAD})), {State.DEAD}),
            (Filter(states=WAITING), WAITING),
            (Filter(states=FINAL), FINAL),
            (Filter(states=frozenset()), set()),
            (Filter(queue="a"), {State.RUNNING, State.DEAD, State.SCHEDULED}),
            (Filter(queue="A"), set()),
            (Filter(task="send"), {State.RUNNING, State.COMPLETED, State.SCHEDULED}),
            (Filter(worker="w1"), {State.RUNNING}),
            (Filter(worker="w2"), {State.RETRYING, State.CANCELLED}),
            (Filter(cancel_requested=True), {State.RUNNING}),
            (Filter(cancel_requested=False), set(State) - {State.RUNNING}),
            (Filter(states=WAITING, queue="a", task="send"), {State.SCHEDULED}),
            (Filter(states=WAITING, queue="b", worker="w2"), {State.RETRYING}),
            (Filter(queue="b", task="nothing"), set()),
        ],
    )
    async def test_every_condition_must_pass(self, stage: Stage, where: Filter, expected: set[State]) -> None:
        rows = await self._one_of_each(stage)
        assert set(await stage.ids(where)) == {rows[state] for state in expected}

    async def test_a_job_inserted_anew_under_its_id_is_found_once(self, stage: Stage) -> None:
        new = stage.new()
        await stage.storage.insert([new])
        await stage.storage.delete([new.id])
        await stage.storage.insert([new])
        assert await stage.ids() == [new.id]


class TestCount(Family):
    async def test_of_each_queue_in_each_state(self, stage: Stage) -> None:
        assert await stage.storage.count() == {}
        await stage.finished(queue="a")
        await stage.dead(queue="a")
        await stage.settle(await stage.running(queue="b"), FAILED)
        await stage.running(queue="b")
        await stage.enqueue(queue="a", delay=5.0)
        for _ in range(3):
            await stage.enqueue(queue="a")
        expected = {
            ("a", State.COMPLETED): 1,
            ("a", State.DEAD): 1,
            ("a", State.SCHEDULED): 1,
            ("a", State.PENDING): 3,
            ("b", State.RETRYING): 1,
            ("b", State.RUNNING): 1,
        }
        assert await stage.storage.count() == expected
        assert all(isinstance(state, State) for _, state in await stage.storage.count())

    async def test_states_without_any_are_left_out(self, stage: Stage) -> None:
        job = await stage.running()
        assert await stage.storage.count() == {("q", State.RUNNING): 1}
        await stage.settle(job)
        assert await stage.storage.count() == {("q", State.COMPLETED): 1}
        await stage.storage.delete([job.id])
        assert await stage.storage.count() == {}
