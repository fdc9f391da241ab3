"""Ids of jobs and workers."""

from itertools import pairwise
from uuid import UUID

from headrace.system.clock import ManualClock
from headrace.system.ids import Ids, age_of
from headrace.system.threads import start_thread


def test_ids_rise_across_threads_and_are_uuids_of_version_7() -> None:
    ids, made = Ids(ManualClock()), list[list[str]]()

    def make() -> None:
        made.append([ids.new() for _ in range(2_000)])

    threads = [start_thread(f"maker-{number}", make) for number in range(4)]
    for thread in threads:
        thread.join(20)
    assert len({one for own in made for one in own}) == 8_000
    assert all(lower < higher for own in made for lower, higher in pairwise(own))
    parsed = [UUID(one) for own in made for one in own]
    assert {(one.version, one.variant) for one in parsed} == {(7, "specified in RFC 4122")}
    assert [str(one) for one in parsed] == [one for own in made for one in own]


def test_they_rise_though_the_clock_is_set_back_and_tell_when_they_were_made() -> None:
    clock = ManualClock()
    ids = Ids(clock)
    begun = clock.wall()
    first = ids.new()
    clock.step_wall(-3600)
    second = ids.new()
    clock.step_wall(2 * 3600)
    third = ids.new()
    assert first < second < third
    assert age_of(first, begun + 5_000) == 5
    assert age_of(third, begun + 3_600_000) == 0


def test_several_are_those_that_would_have_been_made_one_by_one() -> None:
    apart, together = Ids(ManualClock(), seed=1), Ids(ManualClock(), seed=1)
    assert [*together.several(3), together.new(), *together.several(2)] == [apart.new() for _ in range(6)]
    assert together.several(0) == []
