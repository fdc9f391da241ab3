"""Once a process owns the store, nobody who owned it before is told that anything was done."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from headrace.testing.history.records import (
    AnyRecord,
    Enqueued,
    Enqueueing,
    Granted,
    Leased,
    Ordered,
    Ordering,
    Settled,
)
from headrace.testing.history.undone import process_of

_SLACK = 20
"""Milliseconds by which the clocks of two processes may differ."""


def object_to_the_fenced(records: Sequence[AnyRecord]) -> Sequence[str]:
    """What was acknowledged to a process though it asked for it after another had become the owner."""
    fenced_at = _ends(_begins(records))
    asked = {
        (record.process, record.call): record.at for record in records if isinstance(record, Enqueueing | Ordering)
    }
    objections = []
    for record in records:
        match record:
            case Enqueued() | Ordered():
                since = asked.get((record.process, record.call))
                is_done = isinstance(record, Enqueued) or bool(record.done)
            case Settled():
                since, is_done = record.at, record.applied
            case _:
                continue
        end = fenced_at.get(process_of(record.process))
        if since is not None and is_done and end is not None and since > end + _SLACK:
            what = type(record).__name__.lower()
            objections.append(
                f"{record.process} was told {what} at {record.at} of what it asked for at {since}: another process "
                f"owned the store by {end}"
            )
    return objections


def without_late_beats(records: Sequence[AnyRecord]) -> Sequence[AnyRecord]:
    """What is taken over with ``takeover=1`` waits for no lease: those of the owner before end then, and what it tells
    its own workers of them counts no more."""
    fenced_at = _ends(_begins(records))

    def is_late(record: AnyRecord) -> bool:
        return isinstance(record, Leased) and record.at >= fenced_at.get(process_of(record.process), record.at + 1)

    return [record for record in records if not is_late(record)]


def _begins(records: Sequence[AnyRecord]) -> Mapping[str, int]:
    """When each process was seen to own the store first."""
    begins: dict[str, int] = {}
    for record in records:
        if isinstance(record, Leased | Granted | Enqueued):
            begins.setdefault(process_of(record.process), record.at)
    return begins


def _ends(begins: Mapping[str, int]) -> Mapping[str, int]:
    """When the next one was seen to own it."""
    instants = sorted(begins.values())
    ends = {}
    for process, begin in begins.items():
        following = bisect_right(instants, begin)
        if following < len(instants):
            ends[process] = instants[following]
    return ends
