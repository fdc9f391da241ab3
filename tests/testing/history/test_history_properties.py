"""Right histories, made by driving a storage at random, are found right; with one thing planted in them, wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planting import PLANTS, Plot, history, worn

from headrace.testing.dice import Dice
from headrace.testing.history.checker import check

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


@pytest.mark.parametrize("name", PLANTS)
def test_what_was_planted_is_found(name: str) -> None:
    plant, kinds, needs_order = PLANTS[name]
    planted = 0
    for seed in range(MOST_SEEDS):
        records = plant(Plot(history(seed, ticks=name != "remove more"), Dice(seed)))
        if records is None:
            continue
        for exact in (True,) if needs_order else (True, False):
            found = {violation.kind for violation in check(records, exact=exact).violations}
            assert found & kinds, f"seed {seed}, exact {exact}: {found}"
        planted += 1
        if planted == ENOUGH:
            return
    pytest.fail(f"there was a place for it in {planted} histories only")
