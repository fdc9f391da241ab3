"""Cron expressions: when they fire next, in milliseconds since 1970 UTC.

cronsim reads the expression and walks through the times of the wall. From there to the instant is a step of our own:
given a zone, cronsim 2.8 misses firings where the clocks move by half an hour (Lord_Howe, Caracas, Pyongyang) or not at
a full one (Chatham), and started inside a repeated hour it may answer with an instant that has passed.
"""

import calendar
from collections.abc import Iterator, Sequence
from copy import copy
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from headrace.model.cron_syntax import check_syntax
from headrace.model.errors import InvalidCron
from headrace.model.outline import outline

_SECOND = timedelta(seconds=1)
_CYCLE = range(2025, 2053)
"""Twenty-eight years: as long as every fourth is a leap year, dates fall on the same weekdays again after them."""
_START = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())
_LONGEST_SILENCE = 8
"""Years. Leap days come after four."""
_MOST_GAPS = 9
"""An expression that meets nothing but skipped hours this often never fires: there is one a year."""
_HERE_ONLY = ("localtime", "posixrules", "right/", "posix/")
"""Zone files that mean another thing on another machine, or count leap seconds."""


class Cron:
    """A checked expression in its zone. Made by ``parse_cron``.

    Where a 5-field expression has a minute and an hour that don't begin with ``*``, a time that the clocks skip fires
    once, at the first instant after the gap, and a time that they repeat fires once, the first time. All others follow
    elapsed time: what is skipped doesn't fire, what is repeated fires again.
    """

    __slots__ = ("_elapsed", "_walk", "_zone", "text", "tz")

    def __init__(self, text: str, tz: str, walk: CronSim, zone: ZoneInfo) -> None:
        self.text, self.tz = text, tz
        self._walk, self._zone = walk, zone
        words = text.split()
        self._elapsed = len(words) == 6 or words[0].startswith("*") or words[1].startswith("*")

    def next(self, after: int) -> int | None:
        """The first firing after this instant; both are milliseconds since 1970 UTC. None: there is none before the
        calendar ends."""
        try:
            second = self._next_elapsed(after // 1000) if self._elapsed else self._next_fixed(after // 1000)
        except (OverflowError, ValueError):  # beyond the year 9999
            return None
        return None if second is None else second * 1000

    def firings(self, after: int) -> Iterator[int]:
        """All firings after this instant, in order."""
        moment = self.next(after)
        while moment is not None:
            yield moment
            moment = self.next(moment)

    def _next_fixed(self, second: int) -> int | None:
        """A time of the wall means its first instant, or the end of the gap that skips it."""
        wall = self._match(datetime.fromtimestamp(second, self._zone).replace(tzinfo=None))
        while wall is not None:
            first, later = self._instants(wall)
            moment = first if first <= later else self._move(later, first)
            if moment > second:
                return moment
            wall = self._match(wall)
        return None

    def _next_elapsed(self, second: int) -> int | None:
        """An instant fires if the wall shows a matching time."""
        wall = datetime.fromtimestamp(second, self._zone).replace(tzinfo=None)
        first, later = self._instants(wall)
        repeats = self._move(first, later) if first == second < later else None
        for _ in range(_MOST_GAPS):
            matched = self._match(wall)
            if matched is None:
                return None
            first, later = self._instants(matched)
            if repeats is not None and first >= repeats:
                # nothing more in the first pass through a repeated hour: the second begins
                second, wall, repeats = repeats - 1, self._before(repeats), None
            elif first > later:
                wall = self._before(self._move(later, first))
            else:
                return first if first > second else later
        return None

    def _match(self, wall: datetime) -> datetime | None:
        """The first matching time of the wall after this one, zones left aside."""
        walk = copy(self._walk)
        walk.dt = wall
        return next(walk, None)

    def _instants(self, wall: datetime) -> tuple[int, int]:
        """The seconds since 1970 at which the wall shows this time: equal, or ascending where it does so twice, or
        descending, around the gap, where it never does."""
        aware = wall.replace(tzinfo=self._zone)
        return int(aware.timestamp()), int(aware.replace(fold=1).timestamp())

    def _move(self, before: int, after: int) -> int:
        """The first second of the new offset, somewhere after ``before`` and not after ``after``."""
        old = self._offset(before)
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (middle, after) if self._offset(middle) == old else (before, middle)
        return after

    def _offset(self, second: int) -> timedelta | None:
        return datetime.fromtimestamp(second, self._zone).utcoffset()

    def _before(self, second: int) -> datetime:
        """What the wall would have shown a second earlier by the offset of now."""
        return datetime.fromtimestamp(second, self._zone).replace(tzinfo=None) - _SECOND

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cron) and (self.text, self.tz) == (other.text, other.tz)

    def __hash__(self) -> int:
        return hash((self.text, self.tz))

    def __repr__(self) -> str:
        return f"Cron({self.text!r}, tz={self.tz!r})"


def parse_cron(text: str, tz: str = "UTC") -> Cron:
    """A cron expression of 5 fields, or 6 with seconds first, in the zone ``tz``.

    Names such as ``MON`` and ``JAN``, ``L`` and ``LW`` (the last day, or weekday, of the month), ``5L`` (the last
    Friday) and ``MON#2`` (the second Monday) are understood. Where both days are restricted, one of them is enough;
    where one begins with ``*``, both must match. InvalidCron names what can't be used and where; so it does where the
    expression would be silent for more than eight years.
    """
    walk = _read(check_syntax(text))
    cron = Cron(text, tz, walk, _zone_of(text, tz))
    if not (_is_frequent(walk) or _comes_back(walk)) or not _fires(cron):
        raise InvalidCron(text, f"in {tz} it never fires, or is silent for more than {_LONGEST_SILENCE} years")
    return cron


def _read(text: str) -> CronSim:
    try:
        return CronSim(text, datetime(2025, 1, 1))  # noqa: DTZ001 - a time of the wall
    except CronSimError:
        raise InvalidCron(text, "it never fires: its months don't have that day") from None


def _zone_of(text: str, tz: object) -> ZoneInfo:
    if isinstance(tz, str) and not tz.startswith(_HERE_ONLY):
        try:
            return ZoneInfo(tz)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise InvalidCron(text, f"time zone {outline(tz)} is not known; give a name of the IANA list, as in Europe/Paris")


def _fires(cron: Cron) -> bool:
    """False where its zone skips each of its times."""
    first = cron.next(_START * 1000)
    return first is not None and first < (_START + _LONGEST_SILENCE * 366 * 86400) * 1000


_DATES, _WEEKDAYS = frozenset(range(1, 32)), frozenset(range(8))


def _is_frequent(walk: CronSim) -> bool:
    """Whether some month that it names has a matching day every year: a date that all months have, or a weekday."""
    dates = any(number <= 28 for number in walk.days)
    if not walk.day_and:
        return dates or _has_monthly_weekday(walk)
    return (dates and walk.weekdays >= _WEEKDAYS) or (_has_monthly_weekday(walk) and walk.days >= _DATES)


def _has_monthly_weekday(walk: CronSim) -> bool:
    """The fifth Monday of a month is all that a month may lack."""
    return any(not isinstance(day, tuple) or day[1] != 5 for day in walk.weekdays)


def _comes_back(walk: CronSim) -> bool:
    """Whether no two matching days lie more than _LONGEST_SILENCE years apart."""
    numbers = _candidates(walk)
    years = [year for year in _CYCLE if _matches_in(walk, year, numbers)]
    again = [*years, *(year + len(_CYCLE) for year in years[:1])]
    return bool(years) and max(later - sooner for sooner, later in pairwise(again)) <= _LONGEST_SILENCE


def _matches_in(walk: CronSim, year: int, numbers: Sequence[int]) -> bool:
    for month in walk.months:
        last = calendar.monthrange(year, month)[1]
        if any(walk.match_day(date(year, month, number)) for number in numbers if number <= last):
            return True
    return False


def _candidates(walk: CronSim) -> Sequence[int]:
    """The days of a month worth a look: all weekdays cost ten times as much as those that can be it."""
    if not _has_monthly_weekday(walk):
        return (29, 30, 31)
    plain = walk.days & _DATES
    # without a date of the month the last one, or the last weekday
    return sorted(plain if plain == walk.days else plain | {26, 27, 28, 29, 30, 31})
