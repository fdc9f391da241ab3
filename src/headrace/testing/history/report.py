"""A verdict, for people and for programs."""

from collections.abc import Iterator, Sequence

import msgspec

from headrace.testing.history.records import AnyRecord, Rows
from headrace.testing.history.verdict import Verdict, Violation

MOST = 20
"""Violations, and records of one, that are shown in full."""

_QUIET = frozenset({"at", "process", "type"})


def as_text(verdict: Verdict, most: int = MOST) -> str:
    """One line for each violation, under it the records that show it, and last the counts."""
    lines = [line for violation in verdict.violations[:most] for line in _told(violation, most)]
    if len(verdict.violations) > most:
        lines.append(f"... and {len(verdict.violations) - most} more violations")
    lines.append(counts_line(verdict))
    return "\n".join(lines)


def counts_line(verdict: Verdict) -> str:
    """The counts, and the verdict in one word."""
    counts = " ".join(f"{name}={number}" for name, number in verdict.counts.items())
    return f"{counts} violations={len(verdict.violations)} {'PASS' if verdict.is_good else 'FAIL'}"


def as_json(verdict: Verdict) -> bytes:
    """The verdict as a JSON object: ``is_good``, ``violations`` and ``counts``."""
    return msgspec.json.encode({"is_good": verdict.is_good, "violations": verdict.violations, "counts": verdict.counts})


def as_line(record: AnyRecord) -> str:
    """One record, as a line to be read."""
    said = msgspec.to_builtins(record)
    if isinstance(record, Rows):
        said["jobs"] = [f"{row.id} {row.state} under generation {row.generation}" for row in record.jobs]
    told = " ".join(f"{name}={_value(value)}" for name, value in said.items() if name not in _QUIET and value != [])
    return f"{record.at} {record.process}: {type(record).__name__} {told}".rstrip()


def _told(violation: Violation, most: int) -> Iterator[str]:
    yield f"{violation.kind}: {violation.what}"
    yield from (f"    {line}" for line in _lines(violation.records, most))


def _lines(records: Sequence[AnyRecord], most: int) -> Iterator[str]:
    yield from map(as_line, records[:most])
    if len(records) > most:
        yield f"... and {len(records) - most} more records"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + " ".join(f"{name}={_value(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value)
