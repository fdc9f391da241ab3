"""Right histories, made by driving a storage at random, are found right; with one thing planted in them, wrong."""

from collections.abc import Sequence

import pytest
from chronicle import shows
from hypothesis import given, settings
from hypothesis import strategies as st
from planting import PLANTS, Plot, history, worn

from headrace.testing.dice import Dice
from headrace.testing.history.checker import check, scope_of
from headrace.testing.history.index import Index
from headrace.testing.history.scope import Scope
from headrace.testing.history.verdict import Kind, Violation

seeds = st.integers(0, 2**31)
MOST_SEEDS = 250
ENOUGH = 8


def what_is_wrong(records: list, *, exact: bool) -> str:
    return "\n".join(f"{found.kind}: {found.what}" for found in check(records, exact=exact).violations)


@settings(deadline=None, max_examples=60)
@given(seeds)
def test_a_right_history_is_found_right(seed: int) -> None:
    for exact in (True, False):
        assert not what_is_wrong(history(seed), exact=exact)


@settings(deadline=None, max_examples=60)
@given(seeds)
def test_a_right_history_is_found_right_where_records_are_missing_and_clocks_differ(seed: int) -> None:
    assert not what_is_wrong(worn(history(seed), Dice(seed)), exact=False)


def test_violations_of_every_kind_are_planted() -> None:
    assert {kind for _, kinds, _ in PLANTS.values() for kind in kinds} == set(Kind)


def assert_they_show(violations: Sequence[Violation], records: list, *, exact: bool) -> None:
    """Each can be seen in its records, and in none of them can be left out."""
    scope = scope_of(Index(records, Scope(exact=exact)))
    for violation in violations[:10]:
        assert shows(violation.records, violation, scope), violation.what
        for place in range(min(20, len(violation.records))):
            rest = [*violation.records[:place], *violation.records[place + 1 :]]
            assert not shows(rest, violation, scope), f"{violation.what} is seen without {violation.records[place]}"


@pytest.mark.parametrize("name", PLANTS)
def test_what_was_planted_is_found(name: str) -> None:
    plant, kinds, needs_order = PLANTS[name]
    planted = 0
    for seed in range(MOST_SEEDS):
        records = plant(Plot(history(seed, ticks=name != "remove more"), Dice(seed)))
        if records is None:
            continue
        for exact in (True,) if needs_order else (True, False):
            violations = check(records, exact=exact).violations
            found = {violation.kind for violation in violations}
            assert found & kinds, f"seed {seed}, exact {exact}: {found}"
            if planted == 0:
                assert_they_show(violations, records, exact=exact)
        planted += 1
        if planted == ENOUGH:
            return
    pytest.fail(f"there was a place for it in {planted} histories only")
