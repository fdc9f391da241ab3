"""How schedules are stored: the record of each, the one that tells of changes, and what names a declaration."""

import hashlib

import msgspec
from msgspec.structs import FieldInfo, fields

from headrace.model.errors import ScheduleUnreadable
from headrace.model.record import SCHEDULE, Expect, Put, Record
from headrace.model.schedule import SHORTEST, Schedule

CHANGES = "schedule-changes"
CHANGED = Put(CHANGES, "all", "true")
"""Put beside every change of a schedule, but not at its ticks: who follows schedules listens to records of this kind,
and is not woken by its own doing."""

_schedule = msgspec.json.Decoder(Schedule)


def read_schedule(record: Record) -> Schedule:
    """The schedule of a record of kind SCHEDULE, or ScheduleUnreadable. Its expression is not looked at here: parsing
    costs a hundred times as much as all else."""
    try:
        schedule = _schedule.decode(record.value)
    except msgspec.MsgspecError as error:
        raise ScheduleUnreadable(record.name, str(error)) from None
    if (schedule.cron is None) == (schedule.every is None) or (schedule.every or 1) < SHORTEST:
        raise ScheduleUnreadable(record.name, f"it has cron={schedule.cron!r} and every={schedule.every!r}")
    return schedule


def put_schedule(schedule: Schedule, expect: int | Expect) -> Put:
    """What stores it, where the record's version is still this one."""
    return Put(SCHEDULE, schedule.name, msgspec.json.encode(schedule).decode(), expect)


_REMOVED = "null"
_REMEMBERED = 3600.0
"""Seconds that a removed schedule is remembered: one of its name that is made meanwhile goes on counting versions, so
that a scheduler that has not heard of it yet can't take it for the old one."""


def removal(name: str, expect: int) -> Put:
    """What removes a schedule."""
    return Put(SCHEDULE, name, _REMOVED, expect, _REMEMBERED)


def is_removed(record: Record) -> bool:
    """Whether it only remembers a schedule."""
    return record.value == _REMOVED


def digest(schedule: Schedule) -> str:
    """Names a declaration: equal for equal ones, in every process. What is left at its default has no part in it: a
    later version that knows more options gives the same."""
    return hashlib.sha256(msgspec.json.encode(_said(schedule), order="sorted")).hexdigest()[:16]


def _said(value: object) -> object:
    if not isinstance(value, msgspec.Struct):
        return value
    given = [field for field in fields(value) if not _is_default(value, field)]
    return {field.name: _said(getattr(value, field.name)) for field in given}


def _is_default(struct: msgspec.Struct, field: FieldInfo) -> bool:
    default = field.default_factory() if callable(field.default_factory) else field.default
    return bool(getattr(struct, field.name) == default)
