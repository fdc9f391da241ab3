"""Permits in every window of time, and ceilings."""

from chronicle import Chronicle, names
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.rate import Rate, full, give_back, take
from headrace.model.state import State
from headrace.testing.history.checker import check
from headrace.testing.history.records import Bought, Ceiling, Declared
from headrace.testing.history.verdict import Kind


def limit(count: int = 10, period: int = 1_000, burst: int = 5) -> Chronicle:
    history = Chronicle()
    history.tell(Declared, at=0, limit="api", count=count, period=period, burst=burst)
    return history


def test_a_burst_and_what_comes_back_is_allowed() -> None:
    history = limit()
    history.tell(Bought, at=1_000, limit="api", number=5)
    history.tell(Bought, at=1_100, limit="api", number=1)
    history.tell(Bought, at=2_000, limit="api", number=5)
    assert history.is_good()
    assert history.check().counts["permits"] == 11


def test_one_too_many_is_seen() -> None:
    history = limit()
    history.tell(Bought, at=500, limit="api", number=1)
    history.tell(Bought, at=1_000, limit="api", number=5)
    history.tell(Bought, at=1_099, limit="api", number=1)
    violation = history.only(Kind.PERMITS)
    assert violation.what == "limit api gave out 6 permits in the 99 ms from 1000 to 1099; 5 are allowed"
    assert names(violation.records) == ["Declared", "Bought", "Bought"]


def test_clocks_that_differ_are_forgiven_where_the_order_is_not_exact() -> None:
    history = limit()
    history.tell(Bought, at=1_000, limit="api", number=5)
    history.tell(Bought, at=1_070, limit="api", number=1)
    assert history.check().is_good
    history.tell(Bought, at=1_071, limit="api", number=1)
    assert history.only(Kind.PERMITS, exact=False)


def test_permits_that_come_back_may_be_given_out_again() -> None:
    history = limit()
    history.tell(Bought, at=1_000, limit="api", number=5)
    history.tell(Bought, at=1_001, limit="api", number=-3)
    history.tell(Bought, at=1_002, limit="api", number=3)
    assert history.is_good()
    history.tell(Bought, at=1_003, limit="api", number=1)
    assert history.only(Kind.PERMITS)


def test_whole_numbers_add_up_over_a_long_time() -> None:
    history = limit(count=1, period=3, burst=1)
    for number in range(1_000):
        history.tell(Bought, at=3 * number, limit="api", number=1)
    assert history.is_good()
    history.tell(Bought, at=3 * 1_000 - 1, limit="api", number=1)
    assert len(history.check(exact=True).violations) == 1


def test_each_declaration_is_judged_by_itself() -> None:
    history = limit()
    history.tell(Bought, at=1_000, limit="api", number=5)
    history.tell(Declared, at=1_000, limit="api", count=10, period=1_000, burst=5)
    history.tell(Bought, at=1_000, limit="api", number=1)
    assert history.only(Kind.PERMITS)
    history.records[-2:-1] = []
    history.tell(Declared, at=1_000, limit="api", count=10, period=1_000, burst=9)
    history.tell(Bought, at=1_001, limit="api", number=8)
    assert len(history.check(exact=True).violations) == 1


steps = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 9), st.booleans()), max_size=40)


@given(st.integers(1, 50), st.integers(1, 2_000), st.integers(1, 9), steps)
def test_a_bucket_never_gives_out_too_many(
    count: int, period: int, burst: int, steps: list[tuple[int, int, bool]]
) -> None:
    history = limit(count, period, burst)
    bucket, now = full(Rate(count, period), burst), 1_000
    for pause, wanted, returns in steps:
        now += pause
        bucket, number = take(bucket, wanted, now)
        history.tell(Bought, at=now, limit="api", number=number)
        if returns and number:
            bucket = give_back(bucket, number, now + 1)
            history.tell(Bought, at=now + 1, limit="api", number=-number)
            now += 1
    assert history.is_good()


@given(st.integers(1, 50), st.integers(1, 500), st.integers(1, 9), steps)
def test_every_window_is_judged(count: int, period: int, burst: int, steps: list[tuple[int, int, bool]]) -> None:
    """Against all windows, looked at one by one."""
    history = limit(count, period, burst)
    now = 1_000
    for pause, number, returns in steps:
        now += pause
        history.tell(Bought, at=now, limit="api", number=-number if returns else number)
    sales = [(record.at, record.number) for record in history.records if isinstance(record, Bought)]
    too_many = any(
        sum(number for _, number in sales[begin : end + 1]) * period
        > burst * period + count * (sales[end][0] - sales[begin][0])
        for begin in range(len(sales))
        for end in range(begin, len(sales))
    )
    assert bool(check(history.records, exact=True).violations) == too_many


def capped(most: int) -> Chronicle:
    history = Chronicle()
    history.tell(Ceiling, queue="q", most=most)
    history.grant("a")
    history.grant("b")
    history.settle("a", 1, State.RETRYING, reason="failed")
    history.grant("c")
    return history


def test_as_many_jobs_as_a_ceiling_allows_may_run() -> None:
    history = capped(2)
    history.grant("c", 2, worker="w2", rescued=True)
    history.grant("d", queue="other")
    assert history.is_good()


def test_one_more_is_seen() -> None:
    history = capped(2)
    history.grant("d")
    violation = history.only(Kind.CEILING)
    assert violation.what == "3 jobs of q run at 1006, 2 are allowed: b, c, d"
    assert names(violation.records) == ["Ceiling", "Granted", "Granted", "Granted"]


def test_a_ceiling_that_was_lowered_holds_for_what_comes_after() -> None:
    history = capped(2)
    history.tell(Ceiling, queue="q", most=1)
    assert history.is_good()
    history.settle("b")
    history.grant("b2")
    assert history.only(Kind.CEILING)


def test_a_ceiling_that_was_lifted_holds_no_more() -> None:
    history = capped(2)
    history.tell(Ceiling, queue="q", most=None)
    history.grant("d")
    assert history.is_good()


def test_runs_that_surely_overlapped_are_too_many_where_the_order_is_not_exact() -> None:
    history = Chronicle()
    history.tell(Ceiling, queue="q", most=1)
    for job in ("a", "b"):
        history.grant(job, worker=job)
        history.start(job, worker=job)
    history.now += 100
    for job in ("a", "b"):
        history.end(job, worker=job)
        history.settle(job, worker=job)
    assert history.only(Kind.CEILING, exact=False)
    assert history.only(Kind.CEILING)
