"""Records by name: chosen ones, pages, and their order."""

import pytest

from headrace.model.record import Put
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import Stage

NAMES = ["b", "a", "C", "é", "10", "9", "a.b", "a b", "B", "👍"]


async def _fill(stage: Stage, *names: str, kind: str = "kv") -> None:
    await stage.storage.put([Put(kind, name, "1") for name in names])


class TestRecordPages(Family):
    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 10, 11])
    async def test_pages_come_to_all_of_them_once(self, stage: Stage, limit: int) -> None:
        await _fill(stage, *NAMES)
        await _fill(stage, "other", kind="lease")
        found: list[str] = []
        while page := await stage.storage.records("kv", after=found[-1] if found else None, limit=limit):
            assert len(page) <= limit
            found += [record.name for record in page]
            assert len(found) <= len(NAMES)
        assert found == sorted(NAMES)

    async def test_after_is_a_name_that_need_not_be_there(self, stage: Stage) -> None:
        await _fill(stage, "a", "c", "cc")
        assert [record.name for record in await stage.storage.records("kv", after="b")] == ["c", "cc"]
        assert [record.name for record in await stage.storage.records("kv", after="c")] == ["cc"]
        assert [record.name for record in await stage.storage.records("kv", after="")] == ["a", "c", "cc"]
        assert list(await stage.storage.records("kv", after="cc")) == []

    async def test_a_name_that_begins_like_the_cursor_comes_behind_it(self, stage: Stage) -> None:
        names = ["a", "a!", "a\t", "ab"]
        await _fill(stage, *names)
        assert [record.name for record in await stage.storage.records("kv", after="a")] == sorted(names[1:])

    async def test_of_these_names_only(self, stage: Stage) -> None:
        await _fill(stage, *NAMES)
        await _fill(stage, "z", kind="lease")
        found = await stage.storage.records("kv", names=["é", "a", "none", "z", "a"])
        assert [record.name for record in found] == ["a", "é"]
        assert list(await stage.storage.records("kv", names=[])) == []
        assert list(await stage.storage.records("none", names=["a"])) == []

    async def test_names_cursor_and_limit_together(self, stage: Stage) -> None:
        await _fill(stage, *"abcdef")
        names = {"b", "c", "e", "f"}
        assert [record.name for record in await stage.storage.records("kv", names=names, after="b")] == ["c", "e", "f"]
        page = await stage.storage.records("kv", names=names, after="b", limit=2)
        assert [record.name for record in page] == ["c", "e"]
        assert list(await stage.storage.records("kv", names=names, limit=0)) == []

    async def test_a_limit_of_zero_gives_none(self, stage: Stage) -> None:
        await _fill(stage, "a")
        assert list(await stage.storage.records("kv", limit=0)) == []

    async def test_lapsed_and_removed_ones_take_no_place(self, stage: Stage) -> None:
        puts = [Put("kv", f"{number}", "1", ttl=5.0 if number % 2 else None) for number in range(8)]
        await stage.storage.put([*puts, Put("kv", "2", None)])
        stage.clock.advance(5)
        assert [record.name for record in await stage.storage.records("kv", limit=2)] == ["0", "4"]
        assert [record.name for record in await stage.storage.records("kv", names=["1", "2", "4"])] == ["4"]

    async def test_a_removed_cursor_still_stands_for_its_place(self, stage: Stage) -> None:
        await _fill(stage, *"abc")
        await stage.storage.put([Put("kv", "b", None)])
        assert [record.name for record in await stage.storage.records("kv", after="b")] == ["c"]

    async def test_many_names(self, stage: Stage) -> None:
        names = [f"{number:05}" for number in range(3_000)]
        await _fill(stage, *names)
        found = await stage.storage.records("kv", names=names[::2], after=names[999], limit=700)
        assert [record.name for record in found] == names[1_000:2_400:2]
