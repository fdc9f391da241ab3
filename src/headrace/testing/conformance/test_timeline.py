"""The timeline: entries kept by id, read in order and by page, and removed when they are old."""

import pytest

from headrace.model.errors import InvalidOption
from headrace.model.state import FINAL
from headrace.model.timeline import Entry
from headrace.storage.contract import Keep, Span
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import Stage

MILLISECOND = 0.001


def _entry(entry_id: str, at: int, *, kind: str = "minute", queue: str = "q", value: str = "1") -> Entry:
    return Entry(entry_id, kind, queue, at, value)


async def _ids(stage: Stage, where: Span | None = None) -> list[str]:
    found = await stage.storage.history(where or Span("minute"), limit=10_000)
    assert found.next is None
    return [entry.id for entry in found.entries]


class TestRecord(Family):
    async def test_entries_come_back_exactly(self, stage: Stage) -> None:
        value = '{"é":"👍\\u0000", "n" : 1.0}' + " " * 100_000
        entries = [_entry("a", 0, value=value), _entry("é'\"", 2**53, queue="a.b", value="null")]
        await stage.storage.record(entries)
        assert list((await stage.storage.history(Span("minute"), limit=10)).entries) == entries

    async def test_none_is_nothing(self, stage: Stage) -> None:
        await stage.storage.record([])
        assert await _ids(stage) == []

    async def test_the_same_id_replaces(self, stage: Stage) -> None:
        await stage.storage.record([_entry("a", 1), _entry("b", 2)])
        await stage.storage.record([_entry("a", 1, value="2")])
        found = await stage.storage.history(Span("minute"), limit=10)
        assert list(found.entries) == [_entry("a", 1, value="2"), _entry("b", 2)]

    async def test_replaced_at_another_instant_it_stands_there_and_nowhere_else(self, stage: Stage) -> None:
        await stage.storage.record([_entry("a", 1), _entry("b", 2), _entry("c", 3)])
        await stage.storage.record([_entry("a", 5)])
        assert await _ids(stage) == ["b", "c", "a"]
        await stage.storage.record([_entry("a", 2)])
        assert await _ids(stage) == ["a", "b", "c"]
        assert await _ids(stage, Span("minute", since=3)) == ["c"]

    async def test_replaced_in_another_kind_and_queue(self, stage: Stage) -> None:
        await stage.storage.record([_entry("a", 1)])
        await stage.storage.record([_entry("a", 1, kind="event", queue="other")])
        assert await _ids(stage) == []
        assert await _ids(stage, Span("event", "q")) == []
        assert await _ids(stage, Span("event", "other")) == ["a"]

    async def test_inside_one_call_the_last_of_an_id_stands(self, stage: Stage) -> None:
        await stage.storage.record(
            [_entry("a", 1), _entry("b", 2), _entry("a", 3, value="2"), _entry("a", 2, value="3")]
        )
        assert list((await stage.storage.history(Span("minute"), limit=10)).entries) == [
            _entry("a", 2, value="3"),
            _entry("b", 2),
        ]

    async def test_siblings_read_it(self, stage: Stage) -> None:
        await stage.storage.record([_entry("a", 1)])
        sibling = stage.storage.sibling()
        await sibling.open()
        assert len((await sibling.history(Span("minute"), limit=10)).entries) == 1
        await sibling.close()

    async def test_jobs_and_records_are_untouched(self, stage: Stage) -> None:
        await stage.storage.record([_entry("a", 1)])
        assert await stage.storage.count() == {}
        assert list(await stage.storage.records("minute")) == []


class TestHistory(Family):
    async def test_by_instant_then_by_id(self, stage: Stage) -> None:
        await stage.storage.record([_entry("b", 2), _entry("z", 1), _entry("a", 2), _entry("B", 2), _entry("m", 0)])
        assert await _ids(stage) == ["m", "z", "B", "a", "b"]

    async def test_of_one_kind(self, stage: Stage) -> None:
        await stage.storage.record([_entry("a", 1), _entry("b", 1, kind="event")])
        assert await _ids(stage) == ["a"]
        assert await _ids(stage, Span("event")) == ["b"]
        assert await _ids(stage, Span("none")) == []

    async def test_of_one_queue(self, stage: Stage) -> None:
        await stage.storage.record([_entry(f"{number}", number, queue="ab"[number % 2]) for number in range(6)])
        assert await _ids(stage, Span("minute", "a")) == ["0", "2", "4"]
        assert await _ids(stage, Span("minute", "b", since=2, until=5)) == ["3"]
        assert await _ids(stage, Span("minute", "none")) == []

    async def test_not_before_since_and_before_until(self, stage: Stage) -> None:
        await stage.storage.record([_entry(f"{at}", at) for at in range(6)])
        assert await _ids(stage, Span("minute", since=2)) == ["2", "3", "4", "5"]
        assert await _ids(stage, Span("minute", until=2)) == ["0", "1"]
        assert await _ids(stage, Span("minute", since=2, until=4)) == ["2", "3"]
        assert await _ids(stage, Span("minute", since=0)) == ["0", "1", "2", "3", "4", "5"]
        assert await _ids(stage, Span("minute", until=0)) == []
        assert await _ids(stage, Span("minute", since=4, until=4)) == []

    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 11, 12, 13])
    @pytest.mark.parametrize("queue", [None, "a"])
    async def test_pages_come_to_all_of_them_once(self, stage: Stage, limit: int, queue: str | None) -> None:
        entries = [_entry(f"{number:02}", number // 4, queue="ab"[number % 2]) for number in range(12)]
        await stage.storage.record(entries[::-1])
        found: list[str] = []
        after: str | None = None
        while True:
            page = await stage.storage.history(Span("minute", queue), limit=limit, after=after)
            assert len(page.entries) <= limit
            found += [entry.id for entry in page.entries]
            after = page.next
            if after is None:
                break
            assert len(page.entries) == limit
            assert len(found) <= len(entries)
        assert found == [entry.id for entry in entries if queue is None or entry.queue == queue]

    async def test_a_page_that_ends_with_the_last_one_has_no_next(self, stage: Stage) -> None:
        await stage.storage.record([_entry("a", 1), _entry("b", 2)])
        page = await stage.storage.history(Span("minute"), limit=2)
        assert (len(page.entries), page.next) == (2, None)

    async def test_a_cursor_counts_inside_the_span(self, stage: Stage) -> None:
        await stage.storage.record([_entry(f"{at}", at) for at in range(10)])
        page = await stage.storage.history(Span("minute"), limit=2)
        assert page.next is not None
        for where, expected in (
            (Span("minute", since=5), ["5", "6"]),
            (Span("minute", since=1, until=3), ["2"]),
            (Span("minute", until=1), []),
        ):
            rest = await stage.storage.history(where, limit=2, after=page.next)
            assert [entry.id for entry in rest.entries] == expected

    async def test_a_cursor_stands_for_its_place_whatever_becomes_of_its_entry(self, stage: Stage) -> None:
        await stage.storage.record([_entry(name, at) for name, at in (("a", 1), ("b", 2), ("b!", 2), ("c", 3))])
        page = await stage.storage.history(Span("minute"), limit=2)
        assert [entry.id for entry in page.entries] == ["a", "b"]
        await stage.storage.record([_entry("b", 9), _entry("a", 0), _entry("b ", 2)])
        rest = await stage.storage.history(Span("minute"), limit=10, after=page.next)
        assert [entry.id for entry in rest.entries] == ["b ", "b!", "c", "b"]

    @pytest.mark.parametrize(
        "after", ["", ":", "a", "1", "1:", ":a", "x:a", "-1:a", " 1:a", "1.5:a", "9" * 30 + ":a", "²:a"]
    )
    async def test_what_is_no_cursor_is_refused(self, stage: Stage, after: str) -> None:
        await stage.storage.record([_entry("a", 1)])
        with pytest.raises(InvalidOption, match="after"):
            await stage.storage.history(Span("minute"), limit=10, after=after)

    async def test_ids_with_colons(self, stage: Stage) -> None:
        names = ["1:2", "1:2:3", ":", "a:b"]
        await stage.storage.record([_entry(name, 7) for name in names])
        page = await stage.storage.history(Span("minute"), limit=2)
        rest = await stage.storage.history(Span("minute"), limit=2, after=page.next)
        assert [entry.id for entry in (*page.entries, *rest.entries)] == sorted(names)


class TestPruneEntries(Family):
    async def test_an_entry_goes_when_it_is_so_old(self, stage: Stage) -> None:
        now = stage.clock.wall()
        await stage.storage.record([_entry("a", now), _entry("b", now + 1)])
        stage.clock.advance(10 - MILLISECOND)
        assert await stage.storage.prune({}, 100, entries={"minute": 10.0}) == 0
        stage.clock.advance(MILLISECOND)
        assert await stage.storage.prune({}, 100, entries={"minute": 10.0}) == 1
        assert await _ids(stage) == ["b"]

    async def test_each_kind_named_by_its_own_age_and_no_other(self, stage: Stage) -> None:
        now = stage.clock.wall()
        for kind in ("minute", "event", "day"):
            await stage.storage.record([_entry(kind, now, kind=kind)])
        stage.clock.advance(20)
        assert await stage.storage.prune({}, 100, entries={"minute": 10.0, "event": 30.0, "none": 0.0}) == 1
        assert await _ids(stage) == []
        assert await _ids(stage, Span("event")) == ["event"]
        assert await _ids(stage, Span("day")) == ["day"]
        assert await stage.storage.prune(dict.fromkeys(FINAL, Keep(0, 0)), 100) == 0

    async def test_in_bounded_batches_of_each_kind_oldest_first(self, stage: Stage) -> None:
        now = stage.clock.wall()
        minutes = [_entry(f"{number}", now + number // 2) for number in range(7)]
        events = [_entry(f"e{number}", now + number, kind="event") for number in range(4)]
        await stage.storage.record([*minutes[::-1], *events])
        stage.clock.advance(60)
        removed: list[int] = []
        for left in (4, 1, 0, 0):
            removed.append(await stage.storage.prune({}, 3, entries={"minute": 1.0, "event": 1.0}))
            assert await _ids(stage) == [entry.id for entry in minutes[len(minutes) - left :]]
        assert removed == [6, 4, 1, 0]

    async def test_they_are_counted_beside_the_jobs_and_take_no_place_of_theirs(self, stage: Stage) -> None:
        await stage.storage.record([_entry(f"{number}", stage.clock.wall()) for number in range(3)])
        for _ in range(3):
            await stage.finished()
        stage.clock.advance(1)
        everything = dict.fromkeys(FINAL, Keep(0, 0))
        assert await stage.storage.prune(everything, 2, entries={"minute": 0.0}) == 4
        assert await stage.storage.prune(everything, 2, entries={"minute": 0.0}) == 2
        assert await stage.storage.prune(everything, 2, entries={"minute": 0.0}) == 0

    async def test_a_limit_of_zero_removes_nothing(self, stage: Stage) -> None:
        await stage.storage.record([_entry("a", 1)])
        assert await stage.storage.prune({}, 0, entries={"minute": 0.0}) == 0
        assert await _ids(stage) == ["a"]

    async def test_one_that_was_replaced_goes_by_its_new_instant(self, stage: Stage) -> None:
        now = stage.clock.wall()
        await stage.storage.record([_entry("a", now)])
        await stage.storage.record([_entry("a", now + 5_000)])
        stage.clock.advance(10)
        assert await stage.storage.prune({}, 100, entries={"minute": 10.0}) == 0
        stage.clock.advance(5)
        assert await stage.storage.prune({}, 100, entries={"minute": 10.0}) == 1
        await stage.storage.record([_entry("a", now)])
        assert await _ids(stage) == ["a"]
