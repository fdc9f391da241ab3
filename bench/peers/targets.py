"""What was aimed at, and what was reached: each target beside what it is measured against, from the committed figures.

A target compares with the fastest peer that promises as much or more, or with the bare database, or with what another
project publishes of itself.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.peers.report import NOTHING, best_drain, floor, line, load, rivals

Record = Mapping[str, Any]
Rate = Callable[[Record], float | None]

PUBLISHED = {
    "RustQueue, one caller, synced": 314.0,
    "RustQueue, 100 callers, synced": 19_084.0,
    "RustQueue, hybrid": 300_000.0,
}
"""Jobs a second, as its README says, on a faster machine than this."""


def _column(name: str) -> Rate:
    return lambda record: record["median"].get(name)


_CALLERS, _BULK, _ONE = _column("callers"), _column("bulk"), _column("one")


@dataclass(frozen=True)
class Target:
    """At least ``times`` as many jobs a second."""

    record: str
    what: str
    rate: Rate
    times: float
    against: str
    """``peers``, ``floor``, the name of one peer, or one of PUBLISHED."""


TARGETS: Sequence[Target] = (
    Target("headrace_full", "drain", best_drain, 10, "peers"),
    Target("headrace_full", "100 callers", _CALLERS, 10, "peers"),
    Target("headrace_normal", "drain", best_drain, 5, "peers"),
    Target("headrace_normal", "100 callers", _CALLERS, 5, "peers"),
    Target("headrace_postgres", "drain", best_drain, 3, "peers"),
    Target("headrace_postgres", "100 callers", _CALLERS, 3, "peers"),
    Target("headrace_memory", "drain", best_drain, 2, "huey_memory"),
    Target("headrace_claims", "drain", best_drain, 1, "honker_batch"),
    *(
        Target(f"headrace_{storage}", what, rate, share, "floor")
        for storage in ("memory", "normal", "full", "postgres")
        for what, rate, share in (("bulk", _BULK, 1 / 2), ("drain", best_drain, 1 / 3))
    ),
    Target("headrace_full", "one caller", _ONE, 1, "RustQueue, one caller, synced"),
    Target("headrace_full", "100 callers", _CALLERS, 1, "RustQueue, 100 callers, synced"),
    Target("headrace_hybrid", "bulk", _BULK, 1 / 1.5, "RustQueue, hybrid"),
)
_WAITED_FOR = ("headrace_memory", "headrace_normal", "headrace_full", "headrace_postgres")
"""Where the latency is to be no worse than the best peer's."""


def table() -> str:
    """Every target, what it is measured against, and whether it is met."""
    records = {record["name"]: record for record in load()}
    if not records:
        return NOTHING
    lines = [
        line(("queue", "what", "jobs a second", "against", "", "aimed at", "reached", "")),
        "|---|---|---:|---|---:|---:|---:|---|",
    ]
    lines += [line(cells) for target in TARGETS for cells in _told(target, records)]
    lines += [line(cells) for name in _WAITED_FOR for cells in _latency(name, records)]
    return "\n".join(lines)


def _told(target: Target, records: Mapping[str, Record]) -> Iterator[Sequence[str]]:
    record = records.get(target.record)
    mine = None if record is None else target.rate(record)
    if record is None or not mine:
        return
    name, other = _against(target, record, records)
    if not other:
        return
    met = "met" if mine >= target.times * other else "**missed**"
    aimed = f"{target.times:g}x" if target.times >= 1 else f"1/{1 / target.times:.2g}"
    reached = mine / other
    told = f"{reached:.2g}x" if reached >= 1 else f"1/{1 / reached:.2g}"
    yield (f"`{target.record}`", target.what, f"{mine:,.0f}", name, f"{other:,.0f}", aimed, told, met)


def _against(target: Target, record: Record, records: Mapping[str, Record]) -> tuple[str, float | None]:
    if target.against in PUBLISHED:
        return f"{target.against}, as published", PUBLISHED[target.against]
    if target.against == "floor":
        under = floor(record, list(records.values()))
        return "the bare database", None if under is None else target.rate(under)
    if target.against == "peers":
        alike = [
            one for one in rivals(record, list(records.values())) if target.rate is not best_drain or not one["bare"]
        ]
    else:
        alike = [records[target.against]] if target.against in records else []
    rates = [(rate, f"`{one['name']}`") for one in alike if (rate := target.rate(one))]
    best = max(rates, default=None)
    return ("", None) if best is None else (best[1], best[0])


def _latency(name: str, records: Mapping[str, Record]) -> Iterator[Sequence[str]]:
    record = records.get(name)
    mine = None if record is None else _p50(record)
    if record is None or mine is None:
        return
    best = min(
        ((wait, one["name"]) for one in rivals(record, list(records.values())) if (wait := _p50(one))), default=None
    )
    if best is not None:
        met = "met" if mine <= best[0] else "**missed**"
        yield (
            f"`{name}`",
            "latency p50",
            f"{mine:.2f} ms",
            f"`{best[1]}`",
            f"{best[0]:.2f} ms",
            "no more",
            f"{mine / best[0]:.2g}x",
            met,
        )


def _p50(record: Record) -> float | None:
    latency = record.get("latency") or {}
    found = latency.get("p50_ms")
    return None if found is None else float(found)
