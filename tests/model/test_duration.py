"""Durations and instants as people write them."""

import math
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.duration import LONGEST, instant, seconds
from headrace.model.errors import InvalidDelay

NOW = 1_800_000_000_000
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (-0.0, 0.0),
        (5, 5.0),
        (0.25, 0.25),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("10m", 600.0),
        ("24h", 86400.0),
        ("7d", 604800.0),
        ("2w", 1209600.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("0s", 0.0),
        (LONGEST, LONGEST),
    ],
)
def test_a_duration_in_seconds(value: timedelta | float | str, expected: float) -> None:
    assert seconds(value, "delay") == pytest.approx(expected)
    assert type(seconds(value, "delay")) is float


@given(st.integers(0, 10_000), st.sampled_from(sorted(UNITS)))
def test_every_unit(number: int, unit: str) -> None:
    expected = number * UNITS[unit]
    if expected <= LONGEST:
        assert seconds(f"{number}{unit}", "delay") == pytest.approx(expected)
    else:
        with pytest.raises(InvalidDelay):
            seconds(f"{number}{unit}", "delay")


REFUSED = [
    *(-1, -0.001, timedelta(seconds=-1), timedelta.min),
    *(math.nan, math.inf, -math.inf, True, False),
    *(LONGEST + 1, timedelta.max, 10**400, "9999999999w", "9" * 63 + "w", "9" * 70 + "w"),
    *(
        "",
        "s",
        "10",
        "10 m",
        " 10m",
        "10m ",
        "10m\n",
        "-5s",
        "+5s",
        "1e3s",
        "1.s",
        ".5s",
        "5S",
        "5y",
        "5min",
        "٣s",
        "nan",
    ),
    *(None, b"5s", [5], {}, object(), Decimal(5), 5j),
]


@pytest.mark.parametrize("value", REFUSED, ids=[f"{row:.40}" if isinstance(row, str) else None for row in REFUSED])
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(InvalidDelay) as caught:
        seconds(value, "timeout")  # type: ignore[arg-type]
    assert caught.value.option == "timeout"
    assert caught.value.value is value
    assert str(caught.value).startswith("timeout=")


def test_the_range_is_the_callers() -> None:
    assert seconds("1s", "lease", least=1, most=5) == 1
    assert seconds(5, "lease", least=1, most=5) == 5
    for value in (0.999, "6s"):
        with pytest.raises(InvalidDelay, match="it must be from 1 s to 5 s"):
            seconds(value, "lease", least=1, most=5)


@given(st.one_of(st.text(), st.floats(), st.integers(), st.timedeltas(), st.from_regex(r"[0-9.]{0,9}[smhdw]{1,2}")))
def test_a_duration_is_in_range_or_refused(value: str | float | timedelta) -> None:
    try:
        assert 0 <= seconds(value, "delay") <= LONGEST
    except InvalidDelay:
        pass


# --- instants --------------------------------------------------------------------------------------------------------


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_an_instant_in_milliseconds(moment: datetime) -> None:
    exact = (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1)
    assert abs(instant(moment, "at", NOW) - exact) <= 0.501


def test_the_second_of_a_repeated_hour_is_an_hour_later() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"))
    assert instant(first.replace(fold=1), "at", NOW) - instant(first, "at", NOW) == 3_600_000


class Broken(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (datetime(2026, 1, 1), "naive"),  # noqa: DTZ001
        (datetime(2026, 1, 1, tzinfo=Broken()), "naive"),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))), "outside the range"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), "outside the range"),
        (datetime(9999, 1, 1, tzinfo=UTC), "more than ten years ahead"),
        ("2026-01-01", "aware datetime"),
        (NOW, "aware datetime"),
        (None, "aware datetime"),
    ],
)
def test_what_is_no_instant_is_refused(value: datetime, part: str) -> None:
    with pytest.raises(InvalidDelay, match=part) as caught:
        instant(value, "at", NOW)
    assert caught.value.option == "at"


def test_the_last_instant_is_ten_years_ahead() -> None:
    last = datetime.fromtimestamp(NOW / 1000 + LONGEST, UTC)
    assert instant(last, "at", NOW) == NOW + LONGEST * 1000
    with pytest.raises(InvalidDelay):
        instant(last + timedelta(milliseconds=1), "at", NOW)


def test_the_past_is_an_instant() -> None:
    assert instant(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), "at", NOW) == -1000
