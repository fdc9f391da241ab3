"""Records: compare-and-set, versions, ttl."""

import pytest

from headrace.model.record import Expect, Put, Record
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import Stage

MILLISECOND = 0.001


class TestRecords(Family):
    async def _put(self, stage: Stage, *puts: Put) -> list[bool]:
        return list(await stage.storage.put(puts))

    async def test_versions_rise_at_every_put(self, stage: Stage) -> None:
        for version in (1, 2, 3):
            assert await self._put(stage, Put("kv", "a", f"{version}")) == [True]
            assert list(await stage.storage.records("kv")) == [Record("kv", "a", f"{version}", version)]

    @pytest.mark.parametrize(("expect", "done"), [(Expect.ANY, True), (Expect.ABSENT, True), (0, True), (1, False)])
    async def test_expectations_where_nothing_is(self, stage: Stage, expect: int | Expect, done: bool) -> None:
        assert await self._put(stage, Put("kv", "a", "1", expect)) == [done]
        assert len(await stage.storage.records("kv")) == done

    @pytest.mark.parametrize(
        ("expect", "done"), [(Expect.ANY, True), (Expect.ABSENT, False), (1, False), (2, True), (3, False)]
    )
    async def test_expectations_of_a_version(self, stage: Stage, expect: int | Expect, done: bool) -> None:
        await self._put(stage, Put("kv", "a", "1"), Put("kv", "a", "2"))
        assert await self._put(stage, Put("kv", "a", "new", expect)) == [done]
        (record,) = await stage.storage.records("kv")
        assert record == (Record("kv", "a", "new", 3) if done else Record("kv", "a", "2", 2))

    async def test_each_item_is_alone(self, stage: Stage) -> None:
        puts = (Put("kv", "a", "1"), Put("kv", "a", "2", Expect.ABSENT), Put("kv", "b", "3"))
        assert await self._put(stage, *puts) == [True, False, True]
        assert [record.value for record in await stage.storage.records("kv")] == ["1", "3"]

    async def test_none_removes_and_versions_start_again(self, stage: Stage) -> None:
        await self._put(stage, Put("kv", "a", "1"), Put("kv", "a", "2"))
        assert await self._put(stage, Put("kv", "a", None, 1)) == [False]
        assert await self._put(stage, Put("kv", "a", None, 2)) == [True]
        assert list(await stage.storage.records("kv")) == []
        assert await self._put(stage, Put("kv", "a", "3", Expect.ABSENT)) == [True]
        assert list(await stage.storage.records("kv")) == [Record("kv", "a", "3", 1)]

    async def test_removing_what_is_not_there(self, stage: Stage) -> None:
        assert await self._put(stage, Put("kv", "a", None), Put("kv", "a", None, 1)) == [True, False]
        assert list(await stage.storage.records("kv")) == []

    async def test_by_name_and_of_one_kind(self, stage: Stage) -> None:
        names = ["b", "a", "C", "é", "10", "9", "a.b"]
        await self._put(stage, *(Put("kv", name, "1") for name in names), Put("lease", "a", "2"))
        assert [record.name for record in await stage.storage.records("kv")] == sorted(names)
        assert list(await stage.storage.records("lease")) == [Record("lease", "a", "2", 1)]
        assert list(await stage.storage.records("none")) == []

    async def test_values_come_back_exactly(self, stage: Stage) -> None:
        value = '{"é":"👍\\u0000", "n" : 1.0}' + " " * 262_144
        await self._put(stage, Put("kv", "a", value))
        assert (await stage.storage.records("kv"))[0].value == value

    async def test_a_record_lasts_to_the_last_millisecond_of_its_ttl(self, stage: Stage) -> None:
        await self._put(stage, Put("kv", "a", "1"), Put("kv", "a", "2", ttl=10.0))
        stage.clock.advance(10 - MILLISECOND)
        assert len(await stage.storage.records("kv")) == 1
        assert await self._put(stage, Put("kv", "a", "3", Expect.ABSENT)) == [False]
        stage.clock.advance(MILLISECOND)
        assert list(await stage.storage.records("kv")) == []
        assert await self._put(stage, Put("kv", "a", "3", 2), Put("kv", "a", "3", Expect.ABSENT)) == [False, True]
        assert list(await stage.storage.records("kv")) == [Record("kv", "a", "3", 1)]

    async def test_a_ttl_of_zero_is_over_at_once(self, stage: Stage) -> None:
        await self._put(stage, Put("kv", "a", "1", ttl=0.0))
        assert list(await stage.storage.records("kv")) == []
        assert await self._put(stage, Put("kv", "a", "2", Expect.ABSENT)) == [True]
        assert list(await stage.storage.records("kv")) == [Record("kv", "a", "2", 1)]

    async def test_each_put_sets_the_ttl_anew(self, stage: Stage) -> None:
        await self._put(stage, Put("kv", "a", "1", ttl=10.0), Put("kv", "b", "1", ttl=10.0))
        stage.clock.advance(9)
        await self._put(stage, Put("kv", "a", "2", 1, ttl=10.0), Put("kv", "b", "2", 1))
        stage.clock.advance(9)
        assert [record.name for record in await stage.storage.records("kv")] == ["a", "b"]
        stage.clock.advance(1)
        assert [record.name for record in await stage.storage.records("kv")] == ["b"]

    @pytest.mark.parametrize("step", [-86_400, 86_400])
    async def test_no_wall_clock_step_moves_a_ttl(self, stage: Stage, step: float) -> None:
        await self._put(stage, Put("lease", "leader", "1", ttl=10.0))
        stage.clock.step_wall(step)
        stage.clock.advance(10 - MILLISECOND)
        assert len(await stage.storage.records("lease")) == 1
        stage.clock.advance(MILLISECOND)
        assert list(await stage.storage.records("lease")) == []

    async def test_a_reboot_ends_what_has_a_ttl_and_nothing_else(self, stage: Stage) -> None:
        await self._put(stage, Put("kv", "a", "1", ttl=86_400.0), Put("kv", "b", "1"))
        stage.clock.reboot()
        assert [record.name for record in await stage.storage.records("kv")] == ["b"]

    async def test_prune_keeps_records_that_have_not_lapsed(self, stage: Stage) -> None:
        await self._put(stage, Put("kv", "a", "1", ttl=10.0), Put("kv", "b", "1", ttl=20.0), Put("kv", "c", "1"))
        stage.clock.advance(10)
        assert await stage.storage.prune({}, 100) == 0
        assert [record.name for record in await stage.storage.records("kv")] == ["b", "c"]
