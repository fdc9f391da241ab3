"""Rates and token buckets: how many permits are to be had, and when the next one is. In whole numbers only, so that no
rounding ever adds up to a permit.

A token is ``period`` drops, and each millisecond brings ``count`` drops: ten a second is 1,000 drops a token, ten drops
a millisecond.
"""

import re

import msgspec
from msgspec.structs import replace

from headrace.model.errors import InvalidOption

MOST_PERMITS = 1_000_000
"""The largest count of a rate, and the largest burst."""
LONGEST_PERIOD = 30 * 86_400_000
"""Thirty days, in milliseconds."""
STEP_BACK = 10_000
"""Milliseconds by which the clock may be behind the bucket: clocks of several processes differ by a few seconds. What
is more is a clock that was set back, and the bucket goes along."""

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FORM = re.compile(r"(\d{1,7})/(\d{0,9})(ms|[smhd])", re.ASCII)
_ALLOWED = (
    f'it must be text such as "10/s", "100/m", "5000/h" or "1/250ms": 1 to {MOST_PERMITS:,} permits '
    f"in at most {LONGEST_PERIOD // 86_400_000} days"
)


class Rate(msgspec.Struct, frozen=True):
    """How many permits come back in which time."""

    count: int
    period: int
    """Milliseconds."""

    def __str__(self) -> str:
        unit = max((unit for unit, size in _UNITS.items() if self.period % size == 0), key=_UNITS.__getitem__)
        units = self.period // _UNITS[unit]
        return f"{self.count}/{'' if units == 1 else units}{unit}"


def parse_rate(value: object, option: str = "rate") -> Rate:
    """A rate as people write it, or InvalidOption."""
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidOption(option, value, _ALLOWED)
    rate = Rate(int(found[1]), int(found[2] or 1) * _UNITS[found[3]])
    if not (1 <= rate.count <= MOST_PERMITS and 1 <= rate.period <= LONGEST_PERIOD):
        raise InvalidOption(option, value, _ALLOWED)
    return rate


def check_burst(value: object) -> int:
    """``value`` itself when it is a number of permits, else InvalidOption."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_PERMITS:
        raise InvalidOption("burst", value, f"it must be a whole number from 1 to {MOST_PERMITS:,}")
    return value


class Bucket(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of a record of kind ``limit``. Instants are milliseconds since 1970 UTC by the storage's clock."""

    rate: Rate
    burst: int
    """The most tokens that it holds: the permits that may be granted at once after a rest."""
    level: int
    """Drops in it at ``at``."""
    at: int = 0
    closed_until: int = 0
    """Grants nothing before: an upstream said "too fast"."""
    granted: int = 0
    """Permits granted since the beginning, less those given back."""
    declared: str = ""
    """The declaration that it was last set by: another one sets it anew, an operator's change stands until then."""


def full(rate: Rate, burst: int, declared: str = "") -> Bucket:
    """A new one."""
    return Bucket(rate, burst, burst * rate.period, declared=declared)


def filled(bucket: Bucket, now: int) -> Bucket:
    """The bucket at this moment. A clock that stands or was set back brings nothing; while it is closed, at most one
    token comes together, so that the upstream is not met by a burst at the end."""
    if bucket.at - now > STEP_BACK:
        back = bucket.at - now
        bucket = replace(bucket, at=now, closed_until=max(0, bucket.closed_until - back))
    if now <= bucket.at:
        return bucket
    opened = max(bucket.at, min(now, bucket.closed_until))
    level = _level_when_open(bucket, opened) + bucket.rate.count * (now - opened)
    return replace(bucket, level=min(level, bucket.burst * bucket.rate.period), at=now)


def _level_when_open(bucket: Bucket, opened: int) -> int:
    came = bucket.level + bucket.rate.count * (opened - bucket.at)
    return max(bucket.level, min(came, bucket.rate.period))


def take(bucket: Bucket, wanted: int, now: int) -> tuple[Bucket, int]:
    """As many permits as there are, at most ``wanted``: the bucket afterwards, and how many."""
    bucket = filled(bucket, now)
    if bucket.at < bucket.closed_until:
        return bucket, 0
    granted = min(wanted, bucket.level // bucket.rate.period)
    level = bucket.level - granted * bucket.rate.period
    return replace(bucket, level=level, granted=bucket.granted + granted), granted


def give_back(bucket: Bucket, unused: int, now: int) -> Bucket:
    """Permits that were granted and not used. Into a closed bucket they don't return."""
    bucket = replace(filled(bucket, now), granted=bucket.granted - unused)
    if bucket.at < bucket.closed_until:
        return bucket
    most = bucket.burst * bucket.rate.period
    return replace(bucket, level=min(most, bucket.level + unused * bucket.rate.period))


def drain(bucket: Bucket, now: int, rest: int) -> Bucket:
    """Empty, and closed for ``rest`` milliseconds. Never for less than it was already."""
    bucket = filled(bucket, now)
    return replace(bucket, level=0, closed_until=max(bucket.closed_until, bucket.at + rest))


def change_rate(bucket: Bucket, rate: Rate, burst: int, now: int) -> Bucket:
    """The same tokens under another rate, as far as the new burst holds them."""
    bucket = filled(bucket, now)
    level = bucket.level * rate.period // bucket.rate.period
    return replace(bucket, rate=rate, burst=burst, level=min(level, burst * rate.period))


def next_free(bucket: Bucket, now: int, place: int = 1) -> int:
    """The instant of the ``place``-th next token, where each is taken as it comes."""
    bucket = filled(bucket, now)
    opened = max(bucket.at, bucket.closed_until)
    lacking = place * bucket.rate.period - _level_when_open(bucket, opened)
    return opened + max(0, -(-lacking // bucket.rate.count))


def whole_tokens(bucket: Bucket, now: int) -> int:
    """How many permits are to be had at this moment."""
    return take(bucket, bucket.burst, now)[1]


_GATHER = 25
"""Milliseconds of tokens that are worth waiting for, so that a fast limit is not bought one by one."""


def pause(bucket: Bucket, now: int, wanted: int, contested: bool, random: float) -> int:
    """Milliseconds until it is worth asking again for ``wanted`` permits, where there were too few. Never before the
    next token, and never so late that the bucket runs over. Where others take permits too, ``random`` in [0, 1) lets
    each of them be the first at times, and lets the bucket gather what a look is worth."""
    half = max(1, bucket.burst // 2)
    first, few, enough = (next_free(bucket, now, place) - now for place in (1, min(max(1, wanted), half), half))
    wait = max(first, min(few, _GATHER))
    return max(wait, first + int(random * (enough - first))) if contested else wait
