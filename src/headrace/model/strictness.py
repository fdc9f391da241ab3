"""The strict pass over scalars: what an encoder would alter or let through without a word is refused here.

A ``Rule`` is made once per annotation. ``plain`` lists the classes whose exact instances need no look at all, so that a
caller can test a whole container at C speed and call ``check`` for the few values that need one.
"""

import math
from collections.abc import Callable, Iterable
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import Enum

import msgspec

from headrace.model.errors import PayloadTooLarge
from headrace.model.refusal import MAX_DEPTH, Refused, RefusedDepth, named, told

Budget = list[int]
"""Bytes that the payload may still take, and the limit. Ends the walk over containers that share their parts."""

Check = Callable[[object, int, Budget], None]
"""Look at a value at a depth; raise Refused, or return if it decodes to an equal value."""

_NONE: frozenset[type] = frozenset()
_MINUTE = timedelta(minutes=1)


class Rule:
    """What one annotation accepts."""

    __slots__ = ("check", "kinds", "plain")

    def __init__(self, check: Check, kinds: Iterable[type], plain: Iterable[type] = _NONE) -> None:
        self.check = check
        self.kinds = tuple(kinds)
        """The classes that this rule is for: they choose the branch of a union."""
        self.plain = frozenset(plain)


def charge(count: int, each: int, depth: int, budget: Budget) -> None:
    """Enter a container of ``count`` items that take at least ``each`` bytes."""
    budget[0] -= count * each
    if depth > MAX_DEPTH or budget[0] < 0:
        raise beyond(depth, budget)


def beyond(depth: int, budget: Budget) -> Exception:
    """Why a container can't be entered."""
    limit = budget[1]
    return RefusedDepth() if depth > MAX_DEPTH else PayloadTooLarge(limit - budget[0], limit)


def optional(rule: Rule) -> Rule:
    """The rule, or UNSET for what the caller leaves to a default."""
    inner = rule.check

    def check(value: object, depth: int, budget: Budget) -> None:
        if value is not msgspec.UNSET:
            inner(value, depth, budget)

    return Rule(check, rule.kinds, rule.plain | {msgspec.UnsetType})


def mismatch(value: object, expected: str) -> Refused:
    """The refusal of a value of another type than the annotation's."""
    return Refused(value, f"the annotation says {expected}, this is {named(type(value))}")


def exact(kind: type) -> Rule:
    """Instances of one class whose encoding is exact, and of no subclass."""

    def check(value: object, depth: int, budget: Budget) -> None:  # noqa: ARG001
        if type(value) is not kind:
            raise mismatch(value, named(kind))

    return Rule(check, (kind,), (kind,))


def check_text(value: object, depth: int, budget: Budget) -> None:  # noqa: ARG001
    """``str`` and its subclasses: they come back as equal text."""
    if not issubclass(type(value), str):
        raise mismatch(value, "str")
    _check_member(value, str)


def check_integer(value: object, depth: int, budget: Budget) -> None:  # noqa: ARG001
    """``int`` and its subclasses, but not ``bool``."""
    if not issubclass(type(value), int) or type(value) is bool:
        raise mismatch(value, "int")
    _check_member(value, int)


def check_float(value: object, depth: int, budget: Budget) -> None:  # noqa: ARG001
    """Finite floats, and whole numbers that a float holds exactly."""
    kind = type(value)
    if issubclass(kind, float):
        if not math.isfinite(value):  # type: ignore[arg-type]
            raise Refused(value, "JSON has no NaN and no Infinity")
    elif issubclass(kind, int) and kind is not bool:
        _check_whole(value)
    else:
        raise mismatch(value, "float")


def check_decimal(value: object, depth: int, budget: Budget) -> None:  # noqa: ARG001
    """Finite decimals."""
    if type(value) is not Decimal:
        raise mismatch(value, "Decimal")
    if not value.is_finite():
        raise Refused(value, "only finite decimals are stored")


def check_moment(kind: type) -> Check:
    """``datetime`` or ``time``, whose offset from UTC the ISO format can hold."""

    def check(value: object, depth: int, budget: Budget) -> None:  # noqa: ARG001
        if type(value) is not kind:
            raise mismatch(value, kind.__name__)
        assert isinstance(value, datetime | time)
        if value.tzinfo is not None:
            _check_offset(value)

    return check


def check_enum(kind: type[Enum]) -> Check:
    """Members of one enumeration."""

    def check(value: object, depth: int, budget: Budget) -> None:  # noqa: ARG001
        if not issubclass(type(value), kind):
            raise mismatch(value, kind.__name__)

    return check


def check_literal(values: tuple[object, ...]) -> Check:
    """One of some literals; ``1`` and ``True`` are different ones."""
    allowed = frozenset((type(value), value) for value in values)
    kinds = frozenset(type(value) for value in values)

    def check(value: object, depth: int, budget: Budget) -> None:  # noqa: ARG001
        if type(value) not in kinds or (type(value), value) not in allowed:
            raise Refused(value, f"the annotation allows only {', '.join(map(repr, values))}")

    return check


def _check_member(value: object, base: type) -> None:
    """An enumeration's member is stored as its value, which its class may have made a different one."""
    if issubclass(type(value), Enum):
        stored = value._value_  # type: ignore[attr-defined]
        if type(stored) is not base or base(value) != stored:
            raise Refused(value, f"an enumeration's member whose value is not this {base.__name__}")


def _check_whole(value: object) -> None:
    try:
        same = int.__eq__(value, int(float.__new__(float, value)))  # type: ignore[operator, arg-type]
    except OverflowError:
        same = False
    if not same:
        raise Refused(value, "the annotation says float, and no float holds this number exactly")


def _check_offset(value: datetime | time) -> None:
    try:
        offset = value.utcoffset()
    except Exception as error:
        raise Refused(value, f"its tzinfo failed: {told(error)}") from None
    if offset is None:
        raise Refused(value, "its tzinfo gives no offset from UTC here, so it would be lost")
    if offset % _MINUTE:
        raise Refused(value, "its offset from UTC has seconds, which would be lost; use astimezone(UTC)")


TEXT = Rule(check_text, (str,), (str,))
INTEGER = Rule(check_integer, (int,), (int,))
FLOAT = Rule(check_float, (float, int))
DECIMAL = Rule(check_decimal, (Decimal,))
