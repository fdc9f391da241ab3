"""Retry policies: the formulas exactly, the cap, the jitter, and no overflow."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.errors import InvalidDelay, InvalidOption
from headrace.model.retry import MOST_ATTEMPTS, Backoff, RetryPolicy, check_max_attempts

MIDDLE = 0.5
"""The random number at which jitter changes nothing."""


def delays(policy: RetryPolicy, failures: int) -> list[float]:
    return [policy.delay(n, 0.0) for n in range(1, failures + 1)]


def test_fixed_waits_the_same_after_every_failure() -> None:
    assert delays(RetryPolicy.fixed(5, "2s", jitter=0), 4) == [2.0, 2.0, 2.0, 2.0]


def test_linear_grows_by_its_base() -> None:
    assert delays(RetryPolicy.linear(5, "2s", jitter=0), 4) == [2.0, 4.0, 6.0, 8.0]


def test_exponential_doubles_from_its_base() -> None:
    assert delays(RetryPolicy.exponential(6, "500ms", jitter=0), 5) == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_no_delay_goes_over_the_cap() -> None:
    assert delays(RetryPolicy.exponential(9, 1, cap=5, jitter=0), 6) == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert delays(RetryPolicy.linear(9, 2, cap=5, jitter=0), 4) == [2.0, 4.0, 5.0, 5.0]
    assert delays(RetryPolicy.fixed(9, 7, cap=5, jitter=0), 2) == [5.0, 5.0]


def test_the_default_is_three_runs_exponential_from_one_second_up_to_fifteen_minutes() -> None:
    policy = RetryPolicy()
    assert policy == RetryPolicy.exponential()
    assert (policy.max_attempts, policy.backoff, policy.jitter) == (3, Backoff.EXPONENTIAL, 0.1)
    assert policy.delay(1, MIDDLE) == 1.0
    assert policy.delay(40, MIDDLE) == 900.0


def test_none_runs_once_and_never_waits() -> None:
    policy = RetryPolicy.none()
    assert policy.max_attempts == 1
    assert policy.delay(1, 0.99) == 0.0


def test_jitter_varies_a_delay_both_ways() -> None:
    policy = RetryPolicy.fixed(3, 10, jitter=0.2)
    assert policy.delay(1, 0.0) == pytest.approx(8.0)
    assert policy.delay(1, MIDDLE) == pytest.approx(10.0)
    assert policy.delay(1, 0.999999) == pytest.approx(12.0, abs=1e-4)


def test_durations_may_be_seconds_text_or_timedeltas() -> None:
    assert RetryPolicy.linear(3, timedelta(minutes=1)) == RetryPolicy.linear(3, "1m") == RetryPolicy.linear(3, 60)


policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, MOST_ATTEMPTS),
    backoff=st.sampled_from(Backoff),
    base=st.floats(0, 3.0e8),
    cap=st.floats(0, 3.0e8),
    jitter=st.floats(0, 1),
)
randoms = st.floats(0, 1, exclude_max=True)


@given(policies, st.integers(1, MOST_ATTEMPTS), randoms)
def test_every_delay_stays_within_its_jitter_of_the_capped_formula(policy: RetryPolicy, n: int, random: float) -> None:
    growth = {Backoff.FIXED: 1, Backoff.LINEAR: n, Backoff.EXPONENTIAL: 2 ** min(n - 1, 200)}[policy.backoff]
    formula = min(policy.base * growth, policy.cap)
    delay = policy.delay(n, random)
    slack = 1e-9 * formula
    if policy.base >= 1e-40 or policy.base == 0:  # 2 ** 200 stands for all larger powers only where the cap is reached
        assert formula * (1 - policy.jitter) - slack <= delay <= formula * (1 + policy.jitter) + slack
    assert 0 <= delay <= policy.cap * 2


@pytest.mark.parametrize("backoff", Backoff)
def test_the_millionth_failure_waits_for_the_cap(backoff: Backoff) -> None:
    policy = RetryPolicy(backoff=backoff, base=3.0e8, cap=3.0e8, jitter=0)
    assert policy.delay(1_000_000, 0.0) == 3.0e8


@given(policies, st.integers(1, 2000))
def test_without_jitter_no_delay_is_shorter_than_the_one_before(policy: RetryPolicy, n: int) -> None:
    assert policy.delay(n, MIDDLE) <= policy.delay(n + 1, MIDDLE)


@pytest.mark.parametrize("value", [0, -1, MOST_ATTEMPTS + 1, 1.5, "3", True, None])
def test_a_count_of_runs_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(InvalidOption, match=r"max_attempts=.*from 1 to 1,000,000"):
        check_max_attempts(value)
    with pytest.raises(InvalidOption):
        RetryPolicy.exponential(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("jitter", [-0.1, 1.1, float("nan"), True, "0.1", None])
def test_a_jitter_that_is_no_share_is_refused(jitter: object) -> None:
    with pytest.raises(InvalidOption, match="jitter="):
        RetryPolicy.linear(jitter=jitter)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), 1e12, "soon", True, None])
def test_a_delay_that_is_none_is_refused_by_the_name_the_caller_used(value: object) -> None:
    with pytest.raises(InvalidDelay, match=r"^delay="):
        RetryPolicy.fixed(3, value)  # type: ignore[arg-type]
    with pytest.raises(InvalidDelay, match=r"^base="):
        RetryPolicy.exponential(3, value)  # type: ignore[arg-type]
    with pytest.raises(InvalidDelay, match=r"^cap="):
        RetryPolicy.linear(3, cap=value)  # type: ignore[arg-type]


# --- the numbers of other systems, by the formulas that their sources give --------------------------------------------


def test_tako_doubles_from_its_base_and_counts_retries() -> None:
    policy = RetryPolicy.tako(6, "500ms")
    assert policy.max_attempts == 7
    assert delays(policy, 6) == [0.5 * 2**retry for retry in range(6)] == [0.5, 1, 2, 4, 8, 16]
    assert delays(RetryPolicy.tako(30, 1), 20)[-4:] == [65_536, 86_400, 86_400, 86_400]
    assert delays(RetryPolicy.tako(3, "2s", "fixed"), 3) == [2, 2, 2]


def test_tako_never_retries_when_nothing_is_said() -> None:
    assert RetryPolicy.tako().max_attempts == 1


def test_taquba_doubles_from_one_second_up_to_five_minutes() -> None:
    policy = RetryPolicy.taquba()
    assert policy.max_attempts == 3
    assert delays(policy, 11) == [min(2 ** (n - 1), 300) for n in range(1, 12)]
    assert delays(policy, 11)[-3:] == [256, 300, 300]
    assert delays(RetryPolicy.taquba(base=0), 3) == [0, 0, 0]


@pytest.mark.parametrize(
    ("backoff", "formula"),
    [
        ("fixed", lambda n: 1),
        ("linear", lambda n: n),
        ("exponential", lambda n: 2 ** (n - 1)),
    ],
)
def test_rustqueue_has_three_shapes_and_no_cap(backoff: Any, formula: Callable[[int], int]) -> None:
    policy = RetryPolicy.rustqueue(backoff=backoff)
    assert policy.max_attempts == 3
    assert delays(policy, 28) == [formula(n) for n in range(1, 29)]
    assert policy == RetryPolicy.rustqueue(3, 1, backoff)


def test_rustqueue_backs_off_exponentially_when_nothing_is_said() -> None:
    assert RetryPolicy.rustqueue() == RetryPolicy.rustqueue(backoff="exponential")


def test_forge_waits_twice_its_base_first_and_half_an_hour_at_most() -> None:
    policy = RetryPolicy.forge()
    assert policy.max_attempts == 5
    assert delays(policy, 6) == [min(60 * 2**attempts, 1800) for attempts in range(1, 7)]
    assert delays(policy, 6) == [120, 240, 480, 960, 1800, 1800]
    assert delays(RetryPolicy.forge(base="1s", cap="10s"), 4) == [2, 4, 8, 10]


@pytest.mark.parametrize(
    "policy", [RetryPolicy.tako(9), RetryPolicy.taquba(9), RetryPolicy.rustqueue(9), RetryPolicy.forge(9)]
)
@given(n=st.integers(1, MOST_ATTEMPTS), random=randoms)
def test_none_of_them_jitters(policy: RetryPolicy, n: int, random: float) -> None:
    assert policy.delay(n, random) == policy.delay(n, MIDDLE)


@pytest.mark.parametrize("value", [-1, MOST_ATTEMPTS, 1.5, "3", True, None])
def test_a_count_of_retries_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption, match=r"max_retries=.*from 0 to 999,999"):
        RetryPolicy.tako(value)


@pytest.mark.parametrize("value", ["linear", "quadratic", "", None, 1, ["fixed"]])
def test_a_shape_that_the_other_system_has_not_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption, match=r"backoff=.*it must be fixed or exponential"):
        RetryPolicy.tako(backoff=value)


def test_a_base_that_can_not_be_doubled_is_refused() -> None:
    with pytest.raises(InvalidDelay, match=r"^base="):
        RetryPolicy.forge(base="3000d")
