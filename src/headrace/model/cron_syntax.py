"""What a cron expression may be made of, and which character of one is wrong.

cronsim reads the same words, but refuses with the name of a field alone. What passes here, it accepts.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from headrace.model.errors import InvalidCron

LONGEST = 255
"""Characters: no expression for people needs more, and a long one is refused before anything looks into it."""

_NO_NAMES: Mapping[str, int] = MappingProxyType({})
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


class Field(msgspec.Struct, frozen=True):
    """One of the six fields."""

    name: str
    least: int
    most: int
    names: Mapping[str, int] = _NO_NAMES

    @property
    def allowed(self) -> str:
        """Its values, as messages tell them."""
        return f"{self.least} to {self.most}" + (f", or {' '.join(self.names)}" if self.names else "")


_DAY = Field("day of month", 1, 31)
_MONTH = Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)})
_WEEKDAY = Field("day of week", 0, 7, {name: number for number, name in enumerate(_WEEKDAYS)})
_TIMES = (Field("second", 0, 59), Field("minute", 0, 59), Field("hour", 0, 23))
_FIELDS = (*_TIMES, _DAY, _MONTH, _WEEKDAY)

_WORD = re.compile(r"[^ ]+")
_FORMS = "5 fields (minute, hour, day of month, month, day of week), or 6 with seconds first"


def check_syntax(text: object) -> str:
    """``text`` itself, or InvalidCron naming the field, the character, the value and what is allowed."""
    if not isinstance(text, str):
        raise InvalidCron(text, f"it must be text, not {type(text).__name__}")
    if len(text) > LONGEST:
        raise InvalidCron(text, f"it has {len(text):,} characters; at most {LONGEST} are allowed")
    for position, character in enumerate(text, 1):
        if not " " <= character <= "~":
            raise InvalidCron(text, f"{character!a} is no printable ASCII character", position)
    words = list(_WORD.finditer(text))
    if len(words) not in (5, 6):
        year = "; a year can't be given" if len(words) == 7 else ""
        raise InvalidCron(text, f"it has {len(words)} field{'s' * (len(words) != 1)}; it must have {_FORMS}{year}")
    for field, word in zip(_FIELDS[-len(words) :], words, strict=True):
        _check_field(field, word.group(), text, word.start())
    return text


class _Wrong(Exception):
    """What of a field is wrong, how long it is, where it stands, and what is allowed."""

    def __init__(self, what: str, part: str, allowed: str, offset: int) -> None:
        super().__init__(what)
        self.what, self.length, self.allowed, self.offset = what, len(part), allowed, offset


def _check_field(field: Field, word: str, text: str, start: int) -> None:
    offset = 0
    for part in word.split(","):
        try:
            _check_part(field, part.upper())
        except _Wrong as wrong:
            offset += wrong.offset
            shown = word[offset : offset + wrong.length]
            why = f"the {field.name}{wrong.what} can't be {shown!r}: {wrong.allowed}"
            raise InvalidCron(text, why, start + offset + 1) from None
        offset += len(part) + 1


def _check_part(field: Field, part: str) -> None:
    if _is_special(field, part):
        return
    base, slash, step = part.partition("/")
    if slash:
        _check_step(field, step, len(base) + 1)
    if base == "*":
        return
    start, dash, end = base.partition("-")
    first = _value(field, start, 0)
    if dash and _value(field, end, len(start) + 1) < first:
        sunday = "; Sunday is 0 or 7" if field is _WEEKDAY else ""
        raise _Wrong(" range", base, f"it begins above its end{sunday}", 0)


def _is_special(field: Field, part: str) -> bool:
    """Words that only one field knows: ``L``, ``LW``; ``5L``, ``MON#2``."""
    if field is _DAY:
        return part in ("L", "LW")
    if field is not _WEEKDAY:
        return False
    day, sign, which = part.partition("#")
    if sign:
        _value(field, day, 0)
        if which not in ("1", "2", "3", "4", "5"):
            raise _Wrong(" after #", which, "it is 1 to 5, as in MON#2 for the second Monday", len(day) + 1)
        return True
    return len(part) == 2 and part[1] == "L" and "0" <= part[0] <= "7"


def _check_step(field: Field, step: str, offset: int) -> None:
    most = field.most - field.least + 1
    if not _is_number(step) or not 1 <= int(step) <= most:
        raise _Wrong(" step", step, f"it is 1 to {most}", offset)


def _value(field: Field, part: str, offset: int) -> int:
    if part in field.names:
        return field.names[part]
    if not _is_number(part) or not field.least <= int(part) <= field.most:
        raise _Wrong("", part, f"it is {field.allowed}{_hint(field, part)}", offset)
    return int(part)


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdigit()


def _hint(field: Field, part: str) -> str:
    """The way out for words of other dialects."""
    if part == "?":
        return "; write * for any"
    if "W" in part and field is _DAY:
        return "; of the forms with W there is LW alone, for the last weekday of the month"
    if part.endswith("L") and field is _WEEKDAY:
        return "; for the last Friday of the month write 5L"
    return ""
