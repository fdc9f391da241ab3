"""What a cron expression means, by looking at every minute: slow, plain, and without a line of the code it judges."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


class Plan(NamedTuple):
    """A 5-field expression as sets, and how it treats the clocks' changes."""

    minutes: frozenset[int]
    hours: frozenset[int]
    dates: str
    months: frozenset[int]
    weekdays: str
    elapsed: bool


Minutes = dict[int, list[tuple[int, datetime]]]


def plan(text: str) -> Plan:
    minute, hour, dates, month, weekdays = text.upper().split()
    elapsed = minute.startswith("*") or hour.startswith("*")
    return Plan(numbers(minute, 0, 59), numbers(hour, 0, 23), dates, numbers(month, 1, 12, MONTHS), weekdays, elapsed)


def numbers(text: str, least: int, most: int, names: Sequence[str] = ()) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        start, _, end = span.partition("-")
        if span == "*":
            first, last = least, most
        else:
            first = number(start, least, names)
            last = number(end, least, names) if end else most if step else first
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


def number(text: str, least: int, names: Sequence[str]) -> int:
    return names.index(text) + least if text in names else int(text)


def day_matches(plan: Plan, day: date) -> bool:
    if day.month not in plan.months:
        return False
    dated = any(date_matches(part, day) for part in plan.dates.split(","))
    named = any(weekday_matches(part, day) for part in plan.weekdays.split(","))
    both = plan.dates.startswith("*") or plan.weekdays.startswith("*")
    return dated and named if both else dated or named


def date_matches(part: str, day: date) -> bool:
    last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    if part == "L":
        return day == last
    if part == "LW":
        return day == next(back for back in (last - timedelta(days=n) for n in range(3)) if back.isoweekday() < 6)
    return day.day in numbers(part, 1, 31)


def weekday_matches(part: str, day: date) -> bool:
    weekday = day.isoweekday() % 7
    if "#" in part:
        name, which = part.split("#")
        return number(name, 0, WEEKDAYS) % 7 == weekday and (day.day - 1) // 7 + 1 == int(which)
    if part.endswith("L"):
        return int(part[0]) % 7 == weekday and (day + timedelta(days=7)).month != day.month
    return bool(numbers(part, 0, 7, WEEKDAYS) & {weekday, weekday or 7})


class Window:
    """Every minute of a zone from ``start`` up to ``end``, both in seconds since 1970, the first left out."""

    def __init__(self, zone: str, start: int, end: int) -> None:
        here = ZoneInfo(zone)
        self.start, self.end = start - start % 60, end
        self.shown: Minutes = defaultdict(list)
        """What the wall shows at each minute of real time."""
        self.meant: Minutes = defaultdict(list)
        """Each time of the wall once: what is skipped at the first minute after, what is repeated the first time."""
        latest = datetime.fromtimestamp(self.start, here).replace(tzinfo=None)
        for second in range(self.start + 60, end, 60):
            wall = datetime.fromtimestamp(second, here).replace(tzinfo=None)
            self.shown[wall.minute].append((second, wall))
            while latest < wall:
                latest += MINUTE
                self.meant[latest.minute].append((second, latest))

    def scan(self, plan: Plan) -> list[int]:
        """The seconds at which the expression fires."""
        minutes = self.shown if plan.elapsed else self.meant
        days: dict[date, bool] = {}
        found: set[int] = set()
        for second, wall in chain.from_iterable(minutes[minute] for minute in plan.minutes):
            if wall.hour in plan.hours:
                day = wall.date()
                if day not in days:
                    days[day] = day_matches(plan, day)
                if days[day]:
                    found.add(second)
        return sorted(found)


def transitions(zone: str, first: int, last: int) -> list[int]:
    """The seconds of these years, found by the hour, at which the zone's offset changes within the hour after."""
    here = ZoneInfo(zone)
    start, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (first, last + 1))
    found, before = [], None
    for second in range(start, end, 3600):
        offset = datetime.fromtimestamp(second, here).utcoffset()
        if before is not None and offset != before:
            found.append(second - 3600)
        before = offset
    return found
