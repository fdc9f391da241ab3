"""What was aimed at, and what was reached: each target beside what it is measured against, from the committed figures.

A target compares with the fastest peer that promises as much or more, or with the bare database, or with what another
project publishes of itself. ``bench.peers.pairs`` measures both of them again by turns; where it has, that counts.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.peers.report import NOTHING, floor, line, load, pair, rivals

Record = Mapping[str, Any]

PUBLISHED = {
    "RustQueue, one caller, synced": 314.0,
    "RustQueue, 100 callers, synced": 19_084.0,
    "RustQueue, hybrid": 300_000.0,
}
"""Jobs a second, as its README says, on a faster machine than this."""

DRAIN, CALLERS, BULK, ONE, LATENCY = "drain", "100 callers", "bulk", "one caller", "latency p50"
_COLUMNS = {CALLERS: "callers", BULK: "bulk", ONE: "one"}


@dataclass(frozen=True)
class Target:
    """At least ``times`` as many jobs a second; a latency, that is no longer."""

    record: str
    what: str
    times: float
    against: str
    """``peers``, ``floor``, the name of one peer, or one of PUBLISHED."""


TARGETS: Sequence[Target] = (
    Target("headrace_full", DRAIN, 10, "peers"),
    Target("headrace_full", CALLERS, 10, "peers"),
    Target("headrace_normal", DRAIN, 5, "peers"),
    Target("headrace_normal", CALLERS, 5, "peers"),
    Target("headrace_postgres", DRAIN, 3, "peers"),
    Target("headrace_postgres", CALLERS, 3, "peers"),
    Target("headrace_memory", DRAIN, 2, "huey_memory"),
    Target("headrace_claims", DRAIN, 1, "honker_batch"),
    *(
        Target(f"headrace_{storage}", what, share, "floor")
        for storage in ("memory", "normal", "full", "postgres")
        for what, share in ((BULK, 1 / 2), (DRAIN, 1 / 3))
    ),
    Target("headrace_full", ONE, 1, "RustQueue, one caller, synced"),
    Target("headrace_full", CALLERS, 1, "RustQueue, 100 callers, synced"),
    Target("headrace_hybrid", BULK, 1 / 1.5, "RustQueue, hybrid"),
    *(Target(f"headrace_{storage}", LATENCY, 1, "peers") for storage in ("memory", "normal", "full", "postgres")),
)


@dataclass(frozen=True)
class Contest:
    """A target, and between whom it is decided: two records, and the column of each."""

    target: Target
    mine: Record
    column: str
    rival: Record
    rival_column: str

    @property
    def name(self) -> str:
        """Of what ``bench.peers.pairs`` keeps of it."""
        return f"{self.target.record}-{self.target.what}-{self.rival['name']}".replace(" ", "-")


def contests(records: Sequence[Record]) -> Iterator[Contest]:
    """Those whose both sides were measured. In a drain, each side is at its own best."""
    by_name = {record["name"]: record for record in records}
    for target in TARGETS:
        mine = by_name.get(target.record)
        column = None if mine is None else _column(mine, target.what)
        if mine is None or column is None:
            continue
        best = max(_rivals(target, mine, records), default=None, key=lambda one: _score(one, target.what))
        if best is not None:
            rival_column = _column(best, target.what)
            assert rival_column is not None
            yield Contest(target, mine, column, best, rival_column)


def _rivals(target: Target, mine: Record, records: Sequence[Record]) -> Iterator[Record]:
    match target.against:
        case "floor":
            under = floor(mine, records)
            found = [] if under is None else [under]
        case "peers":
            found = [one for one in rivals(mine, records) if target.what != DRAIN or not one["bare"]]
        case name:
            found = [one for one in records if one["name"] == name]
    return (one for one in found if _column(one, target.what) is not None)


def _column(record: Record, what: str) -> str | None:
    """Where this stands in the record; None where it was not measured."""
    if what == LATENCY:
        return None if figure(record, LATENCY) is None else LATENCY
    median = record["median"]
    columns = [one for one in median if one.startswith("drain_")] if what == DRAIN else [_COLUMNS[what]]
    return max((one for one in columns if median.get(one)), default=None, key=lambda one: median[one])


def _score(record: Record, what: str) -> float:
    found = figure(record, _column(record, what) or "")
    return 0.0 if found is None else -found if what == LATENCY else found


def figure(record: Record, column: str) -> float | None:
    """Jobs a second, or milliseconds."""
    found = (record.get("latency") or {}).get("p50_ms") if column == LATENCY else record["median"].get(column)
    return None if found is None else float(found)


def table() -> str:
    """Every target, what it is measured against, and whether it is met."""
    records = load()
    if not records:
        return NOTHING
    titles = ("queue", "what", "", "against", "", "aimed at", "reached", "pair by pair", "")
    lines = [line(titles), "|---|---|---:|---|---:|---:|---:|---|---|"]
    lines += [line(_told(contest)) for contest in contests(records)]
    lines += [line(cells) for cells in _published(records)]
    return "\n".join(lines)


def _told(contest: Contest) -> Sequence[str]:
    mine, theirs = _measured(contest)
    ratios = sorted(one / other for one, other in zip(mine, theirs, strict=True))
    reached, target = statistics.median(ratios), contest.target
    whom = f"`{contest.rival['name']}`" if contest.rival["package"] else "the bare database"
    spread = f"{_times(ratios[0])} to {_times(ratios[-1])}, {len(ratios)}" if len(ratios) > 1 else ""
    met = reached <= target.times if target.what == LATENCY else reached >= target.times
    aimed = "no more" if target.what == LATENCY else _times(target.times)
    unit = "{:.2f} ms" if target.what == LATENCY else "{:,.0f}/s"
    sides = [unit.format(statistics.median(side)) for side in (mine, theirs)]
    return (
        *(f"`{target.record}`", target.what, sides[0], whom, sides[1], aimed, _times(reached), spread),
        "met" if met else "**missed**",
    )


def _measured(contest: Contest) -> tuple[Sequence[float], Sequence[float]]:
    """Pair by pair; where there are no pairs, the two medians of the table."""
    kept = pair(contest.name)
    if kept is not None:
        return kept["mine"], kept["theirs"]
    mine, theirs = figure(contest.mine, contest.column), figure(contest.rival, contest.rival_column)
    assert mine is not None
    assert theirs is not None
    return [mine], [theirs]


def _published(records: Sequence[Record]) -> Iterator[Sequence[str]]:
    by_name = {record["name"]: record for record in records}
    for target in TARGETS:
        record = by_name.get(target.record)
        mine = None if record is None else figure(record, _COLUMNS.get(target.what, ""))
        if target.against in PUBLISHED and mine:
            reached = mine / PUBLISHED[target.against]
            yield (
                *(f"`{target.record}`", target.what, f"{mine:,.0f}/s", f"{target.against}, as published"),
                *(f"{PUBLISHED[target.against]:,.0f}/s", _times(target.times), _times(reached), ""),
                "met" if reached >= target.times else "**missed**",
            )


def _times(ratio: float) -> str:
    return f"{ratio:.2g}x" if ratio >= 1 else f"1/{1 / ratio:.2g}"
