"""Cron expressions: what is accepted, what is refused and where, and when they fire."""

from datetime import UTC, datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from cron_scan import Window, plan
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.model.cron import parse_cron
from headrace.model.cron_syntax import LONGEST
from headrace.model.errors import InvalidCron

START = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 1000


def firings(text: str, tz: str, after: str, count: int) -> list[str]:
    """As the wall of the zone shows them, with the offset."""
    zone = ZoneInfo(tz)
    moment = int(datetime.fromisoformat(after).timestamp() * 1000)
    return [
        datetime.fromtimestamp(firing / 1000, zone).isoformat(" ")
        for firing in islice(parse_cron(text, tz).firings(moment), count)
    ]


# --- when they fire ---------------------------------------------------------------------------------------------------

BY_HAND = [
    # a skipped time fires once, after the gap; a repeated one once, the first time
    ("30 2 * * *", "Europe/Paris", "2026-03-28T12:00Z", ["2026-03-29 03:00:00+02:00", "2026-03-30 02:30:00+02:00"]),
    ("0,15,30,45 2 * * *", "Europe/Paris", "2026-03-28T12:00Z", ["2026-03-29 03:00:00+02:00"]),
    ("30 2 * * *", "Europe/Paris", "2026-10-24T12:00Z", ["2026-10-25 02:30:00+02:00", "2026-10-26 02:30:00+01:00"]),
    ("0 2,3 * * *", "Europe/Paris", "2026-03-28T12:00Z", ["2026-03-29 03:00:00+02:00", "2026-03-30 02:00:00+02:00"]),
    # asked inside the second pass of the repeated hour: what it repeats is over
    ("30 2 * * *", "Europe/Paris", "2026-10-25T01:15Z", ["2026-10-26 02:30:00+01:00"]),
    # an asterisk, or seconds: elapsed time
    ("*/30 2 * * *", "Europe/Paris", "2026-03-28T12:00Z", ["2026-03-30 02:00:00+02:00"]),
    (
        "*/30 * * * *",
        "Europe/Paris",
        "2026-10-25T00:00Z",
        ["2026-10-25 02:30:00+02:00", "2026-10-25 02:00:00+01:00", "2026-10-25 02:30:00+01:00"],
    ),
    ("0 30 2 * * *", "Europe/Paris", "2026-03-28T12:00Z", ["2026-03-30 02:30:00+02:00"]),
    (
        "0 30 2 * * *",
        "Europe/Paris",
        "2026-10-24T12:00Z",
        ["2026-10-25 02:30:00+02:00", "2026-10-25 02:30:00+01:00", "2026-10-26 02:30:00+01:00"],
    ),
    # half an hour, at midnight, a whole day
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00Z", ["2026-10-04 02:30:00+11:00"]),
    ("0 * * * *", "Australia/Lord_Howe", "2026-10-03T15:00Z", ["2026-10-04 03:00:00+11:00"]),
    ("0 0 * * *", "America/Havana", "2026-03-07T12:00Z", ["2026-03-08 01:00:00-04:00", "2026-03-09 00:00:00-04:00"]),
    ("0 12 * * *", "Pacific/Apia", "2011-12-29T23:00Z", ["2011-12-31 00:00:00+14:00", "2011-12-31 12:00:00+14:00"]),
    # days
    ("0 0 29 2 *", "UTC", "2026-01-01T00:00Z", ["2028-02-29 00:00:00+00:00", "2032-02-29 00:00:00+00:00"]),
    ("0 0 29 2 *", "UTC", "2096-03-01T00:00Z", ["2104-02-29 00:00:00+00:00"]),
    ("0 0 L * *", "UTC", "2026-01-31T00:00Z", ["2026-02-28 00:00:00+00:00", "2026-03-31 00:00:00+00:00"]),
    ("0 0 LW * *", "UTC", "2026-01-15T00:00Z", ["2026-01-30 00:00:00+00:00", "2026-02-27 00:00:00+00:00"]),
    ("0 9 * * 5L", "UTC", "2026-01-15T00:00Z", ["2026-01-30 09:00:00+00:00", "2026-02-27 09:00:00+00:00"]),
    ("0 9 * JAN MON#2", "UTC", "2026-01-01T00:00Z", ["2026-01-12 09:00:00+00:00", "2027-01-11 09:00:00+00:00"]),
    ("0 9 13 * fri", "UTC", "2026-02-10T00:00Z", ["2026-02-13 09:00:00+00:00", "2026-02-20 09:00:00+00:00"]),
    ("0 0 */2 * sun", "UTC", "2026-02-02T00:00Z", ["2026-02-15 00:00:00+00:00", "2026-03-01 00:00:00+00:00"]),
    ("15/20 * * * *", "UTC", "2026-01-01T00:00Z", ["2026-01-01 00:15:00+00:00", "2026-01-01 00:35:00+00:00"]),
    ("*/7 59 23 31 12 7", "UTC", "2026-12-31T23:59:50Z", ["2026-12-31 23:59:56+00:00", "2027-12-05 23:59:00+00:00"]),
]


@pytest.mark.parametrize(("text", "tz", "after", "expected"), BY_HAND)
def test_firings_known_by_hand(text: str, tz: str, after: str, expected: list[str]) -> None:
    assert firings(text, tz, after, len(expected)) == expected


@pytest.mark.parametrize("zone", ["Europe/Paris", "Australia/Lord_Howe", "America/Havana"])
def test_seconds_follow_elapsed_time_through_every_change(zone: str) -> None:
    here = ZoneInfo(zone)
    cron = parse_cron("*/25 59,0,29 * * * *", zone)
    months = [int(datetime(2026, month, day, tzinfo=UTC).timestamp()) for month in (3, 4, 10, 11) for day in (1, 8, 25)]
    for start in (second + day * 86400 for second in months for day in range(5)):
        expected = []
        for second in range(start + 1, start + 86400):
            if second % 60 in (0, 25, 50):
                wall = datetime.fromtimestamp(second, here)
                if wall.minute in (59, 0, 29):
                    expected.append(second * 1000)
        assert list(islice(cron.firings(start * 1000), len(expected))) == expected


def test_milliseconds_after_a_firing_count_as_after_it() -> None:
    cron = parse_cron("* * * * *")
    assert cron.next(START - 1) == START
    assert cron.next(START) == START + 60_000
    assert cron.next(START + 59_999) == START + 60_000


def test_before_1970_and_at_the_end_of_the_calendar() -> None:
    cron = parse_cron("0 0 1 1 *", "Europe/Paris")
    assert cron.next(-1) == 365 * 86_400_000 - 3_600_000
    assert cron.next(253_402_300_799_000) is None
    assert cron.next(10**18) is None
    assert list(cron.firings(253_370_764_800_000)) == []


FIELDS = (
    st.one_of(st.just("*"), st.sampled_from(["*/7", "3", "0,30", "10-20", "5-59/9"])),
    st.one_of(st.just("*"), st.sampled_from(["*/5", "0", "2", "1,2,3", "22-23", "0-4/2"])),
    st.sampled_from(["*", "*", "1", "L", "LW", "29-31", "*/3", "8,25,L"]),
    st.sampled_from(["*", "*", "3,10", "MAR-APR", "*/2"]),
    st.sampled_from(["*", "*", "0", "7", "SUN", "MON-FRI", "0L", "SUN#2", "*/2", "5L,1"]),
)
SOME_ZONES = st.sampled_from(["UTC", "Europe/Paris", "Australia/Lord_Howe", "America/Havana", "Antarctica/Troll"])
SECONDS = st.integers(1_262_304_000, 2_208_988_800)
NEAR_CHANGES = st.sampled_from([1_774_746_000, 1_792_890_000, 1_759_590_000, 1_772_949_600]).flatmap(
    lambda second: st.integers(second - 8 * 3600, second + 8 * 3600)
)


@settings(max_examples=150, deadline=None)
@given(st.tuples(*FIELDS), SOME_ZONES, st.one_of(SECONDS, NEAR_CHANGES))
def test_any_expression_from_any_moment_as_a_scan_of_every_minute(
    fields: tuple[str, ...], zone: str, second: int
) -> None:
    text = " ".join(fields)
    window = Window(
        zone, second - 7200, second + 40 * 3600
    )  # a scan that began in a gap or a repetition would be wrong
    expected = [moment for moment in window.scan(plan(text)) if moment > second]
    cron = parse_cron(text, zone)
    found = []
    for firing in cron.firings(second * 1000 + 500):
        if firing >= window.end * 1000:
            break
        found.append(firing // 1000)
    assert found == expected


@settings(max_examples=200, deadline=None)
@given(st.tuples(*FIELDS), SOME_ZONES, SECONDS, st.integers(0, 10**9))
def test_the_next_firing_is_the_same_from_every_moment_before_it(
    fields: tuple[str, ...], zone: str, second: int, where: int
) -> None:
    cron = parse_cron(" ".join(fields), zone)
    first, second_firing = islice(cron.firings(second * 1000), 2)
    assert second * 1000 < first < second_firing
    between = first + where % (second_firing - first)
    assert cron.next(between) == second_firing
    assert cron.next(second_firing - 1) == second_firing


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["*", "0", "*/10", "7,8"]), st.tuples(*FIELDS), SECONDS)
def test_without_a_zone_it_is_cronsim(seconds: str, fields: tuple[str, ...], second: int) -> None:
    text = " ".join([seconds, *fields])
    start = datetime.fromtimestamp(second, UTC)
    expected = [int(moment.timestamp()) * 1000 for moment in islice(CronSim(text, start), 5)]
    assert list(islice(parse_cron(text).firings(second * 1000), 5)) == expected


# --- what is accepted and refused -------------------------------------------------------------------------------------

ACCEPTED = [
    "* * * * *",
    "* * * * * *",
    "  0  9 * * 1-5 ",
    "0 0 1 jan *",
    "0 0 * * sun,Mon",
    "0 0 L * *",
    "0 0 LW * *",
    "0 0 15,L * *",
    "0 0 * * 5L",
    "0 0 * * 0L",
    "0 0 * * FRI#5",
    "0 0 * * 1#1,3#2",
    "*/60 * * * *",
    "59/1 23/1 31/1 12/1 7/1",
    "0-59/2,1-59/2 * * * *",
    "0 0 29 2 *",
    "0 0 31 * */7",
    "0 0 30 2 MON",
    "000 09 * * *",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted(text: str) -> None:
    cron = parse_cron(text, "Europe/Paris")
    assert len(list(islice(cron.firings(START), 3))) == 3
    assert all(later > sooner for sooner, later in pairwise(islice(cron.firings(START), 3)))
    assert (cron.text, cron.tz) == (text, "Europe/Paris")
    assert cron == parse_cron(text, "Europe/Paris")
    assert hash(cron) == hash(parse_cron(text, "Europe/Paris"))
    assert cron != parse_cron(text, "Europe/Rome")
    assert repr(cron) == f"Cron({text!r}, tz='Europe/Paris')"


REFUSED = [
    ("60 * * * *", 1, "the minute can't be '60': it is 0 to 59"),
    ("0 24 * * *", 3, "the hour can't be '24': it is 0 to 23"),
    ("0 0 0 * *", 5, "the day of month can't be '0': it is 1 to 31"),
    ("0 0 1 13 *", 7, "the month can't be '13': it is 1 to 12, or JAN FEB"),
    ("0 0 * * 8", 9, "the day of week can't be '8': it is 0 to 7, or SUN MON"),
    ("60 0 0 * * *", 1, "the second can't be '60'"),
    ("0 0 1,2,x-3 * *", 9, "the day of month can't be 'x'"),
    ("-1 * * * *", 1, "the minute can't be ''"),
    ("1,,2 * * * *", 3, "the minute can't be ''"),
    ("1- * * * *", 3, "the minute can't be ''"),
    ("*-5 * * * *", 1, "the minute can't be '*'"),
    ("MON * * * *", 1, "the minute can't be 'MON'"),
    ("\u0663 * * * *", 1, "no printable ASCII"),
    ("*/0 * * * *", 3, "the minute step can't be '0': it is 1 to 60"),
    ("*/90 * * * *", 3, "the minute step can't be '90': it is 1 to 60"),
    ("*/2/3 * * * *", 3, "the minute step can't be '2/3'"),
    ("* */x * * *", 5, "the hour step can't be 'x'"),
    ("5-1 * * * *", 1, "the minute range can't be '5-1': it begins above its end"),
    ("0 0 * * fri-mon", 9, "the day of week range can't be 'fri-mon': it begins above its end; Sunday is 0 or 7"),
    ("0 0 W * *", 5, "there is LW alone"),
    ("0 0 15W * *", 5, "there is LW alone"),
    ("0 0 ? * *", 5, "write * for any"),
    ("0 0 * * ?", 9, "write * for any"),
    ("0 0 L/2 * *", 5, "the day of month can't be 'L'"),
    ("0 0 * * L", 9, "write 5L"),
    ("0 0 * * MONL", 9, "write 5L"),
    ("0 0 * * 1-5L", 11, "write 5L"),
    ("0 0 * * MON#6", 13, "the day of week after # can't be '6': it is 1 to 5"),
    ("0 0 * * 1-2#3", 9, "the day of week can't be '1-2'"),
    ("0 0 1 1 * 2030", 11, "the day of week can't be '2030'"),
    ("* * * *", None, "it has 4 fields; it must have 5 fields (minute, hour"),
    ("", None, "it has 0 fields"),
    ("@daily", None, "it has 1 field;"),
    ("0 0 0 1 1 * 2030", None, "it has 7 fields; it must have 5 fields (minute, hour, day of month, month, "
     "day of week), or 6 with seconds first; a year can't be given"),
    ("0 0 31 2 *", None, "never fires"),
    ("0 0 30,31 2 *", None, "never fires"),
    ("0 0 31 4,6,9,11 *", None, "never fires"),
    ("0 0 30 2 MON#5", None, "silent for more than 8 years"),
    ("0 0 * 2 MON#5", None, "silent for more than 8 years"),
    ("0 0 29 2 */7", None, "silent for more than 8 years"),
    ("0 0 1 1 */7", None, "silent for more than 8 years"),
    ("*\t* * * *", 2, r"'\t' is no printable ASCII character"),
    ("* * * * *\n", 10, r"'\n' is no printable ASCII character"),
    ("* * * * *\0", 10, r"'\x00' is no printable ASCII character"),
    ("*\u3000* * * * *", 2, "no printable ASCII character"),
    ("\ud800 * * * *", 1, "no printable ASCII character"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "position", "why"), REFUSED, ids=lambda value: ascii(value))
def test_row_13_refused_with_field_value_limit_and_position(text: str, position: int | None, why: str) -> None:
    with pytest.raises(InvalidCron) as caught:
        parse_cron(text)
    assert why in str(caught.value)
    assert caught.value.position == position
    assert caught.value.text == text
    if position is not None:
        assert f" at character {position}:" in str(caught.value)


@pytest.mark.parametrize("value", [None, 5, b"* * * * *", ["*"] * 5, True, object()])
def test_row_13_only_text(value: object) -> None:
    with pytest.raises(InvalidCron, match="it must be text"):
        parse_cron(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "*" * 10_240,
        "* " * 5_120,
        "0," * 5_000 + "0 * * * *",
        "((((" * 3_000,
        "0-" * 5_000,
        "1/1/" * 3_000,
        "9" * 10_000,
    ],
    ids=len,
)
def test_row_13_long_texts_are_refused_before_anything_looks_into_them(text: str) -> None:
    with pytest.raises(InvalidCron) as caught:
        parse_cron(text)
    assert f"it has {len(text):,} characters; at most {LONGEST} are allowed" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_text_of_the_longest_length_is_read() -> None:
    text = ",".join(str(number) for number in range(60)) + " * * * "
    text += ",".join("1" for _ in range((LONGEST - len(text) + 1) // 2))
    assert len(text) == LONGEST
    assert parse_cron(text).next(START)


@pytest.mark.parametrize(
    "tz",
    [
        *(
            "Mars/Olympus",
            "",
            "europe/paris ",
            "../../etc/passwd",
            "/etc/localtime",
            "localtime",
            "posixrules",
            "Europe",
        ),
        *("right/UTC", "posix/UTC", "UTC\0", "a\nb", "\ud800", "x" * 10_000, None, 5, UTC, ZoneInfo("UTC")),
    ],
    ids=ascii,
)
def test_row_13_unknown_zones(tz: object) -> None:
    with pytest.raises(InvalidCron, match=r"time zone .* is not known; give a name of the IANA list"):
        parse_cron("0 9 * * *", tz)  # type: ignore[arg-type]


def test_a_time_that_its_zone_always_skips_never_fires() -> None:
    text = "*/30 2 * 3 0L"  # Europe's last Sunday of March has no such hour
    assert parse_cron(text, "UTC").next(START)
    with pytest.raises(InvalidCron, match="in Europe/Paris it never fires"):
        parse_cron(text, "Europe/Paris")


WORDS = st.text(alphabet="0123456789*/-,LW#?JANMO ", max_size=40)


@settings(max_examples=500, deadline=None)
@given(st.one_of(WORDS, st.lists(WORDS, min_size=5, max_size=6).map(" ".join), st.text(max_size=300)))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        cron = parse_cron(text)
    except InvalidCron:
        return
    assert len(list(islice(cron.firings(START), 2))) == 2
