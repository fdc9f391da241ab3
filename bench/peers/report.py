"""``python -m bench.peers.report``: the tables of docs/explanation/benchmarks.md, from what was measured and kept.

Nothing here measures, and nothing is typed by hand: scripts/generate_docs.py puts these tables into the page.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.peers.catalogue import ADAPTERS, FILES, MEMORY, POSTGRES, RAW, SQLITE, Durability

Record = Mapping[str, Any]

NOTHING = "*Nothing has been measured yet: `python -m bench.peers` does.*"
_GROUPS = (
    (MEMORY, Durability.NOTHING),
    (MEMORY, Durability.WINDOW),
    (SQLITE, Durability.KILL),
    (SQLITE, Durability.POWER),
    (FILES, Durability.KILL),
    (POSTGRES, Durability.POWER),
)
"""Storage and durability, in the order of the table."""
_RATES = ("one", "callers", "bulk", "drain_10", "drain_100", "drain_1000", "two_processes")
_TITLES = (
    *("storage", "acknowledged jobs", "queue", "one caller", "100 callers", "bulk", "drain, 10 at once"),
    *("100 at once", "1,000 at once", "its best drain", "two processes", "latency p50 / p99, ms"),
    *("idle, % of a core", "MB"),
)


def table() -> str:
    """Rates in jobs a second: all queues and floors, by storage and durability; ours with their ratios."""
    records = load()
    if not records:
        return NOTHING
    lines = [line(_TITLES), "|---|---|---|" + "---:|" * (len(_TITLES) - 3)]
    for storage, durability in _GROUPS:
        group = [one for one in records if one["storage"] == storage and one["durability"] == durability.name]
        for record in group:
            lines.append(line([storage, durability.words, _name(record), *_cells(record)]))
            if record["package"] == "headrace":
                lines += [line(["", "", *ratios]) for ratios in _ratios(record, records)]
    return "\n".join(lines)


def load() -> Sequence[Record]:
    """What was measured: ours, then the floor, then the peers, each in the order of the catalogue."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RAW.glob("*.json"))}
    order = [*ADAPTERS, *sorted(name for name in found if name not in ADAPTERS)]
    records = [found[name] for name in order if name in found]
    return sorted(records, key=lambda one: (one["package"] != "headrace", one["package"] != ""))


def pair(name: str) -> Record | None:
    """What ``bench.peers.pairs`` measured of one contest."""
    path = RAW / "pairs" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def best_drain(record: Record) -> float | None:
    """The fastest at which one process of it drains, in any of the settings that were tried."""
    rates = [rate for column, rate in record["median"].items() if column.startswith("drain_") and rate]
    return max(rates, default=None)


def rivals(record: Record, records: Sequence[Record]) -> Sequence[Record]:
    """The peers that promise as much or more, on a server where it is on one, and without where it is not."""
    return [
        one
        for one in records
        if one["package"] not in ("", "headrace")
        and Durability[one["durability"]] >= Durability[record["durability"]]
        and (one["storage"] == POSTGRES) == (record["storage"] == POSTGRES)
    ]


def floor(record: Record, records: Sequence[Record]) -> Record | None:
    """The bare database under it. A store that works in memory has that of memory."""
    floors = [one for one in records if one["package"] == "" and one["storage"] == record["storage"]]
    exact = [one for one in floors if one["durability"] == record["durability"]]
    return next(iter(exact or floors), None)


def _ratios(record: Record, records: Sequence[Record]) -> Iterator[Sequence[str]]:
    mine, against = record["median"], rivals(record, records)
    if against:
        bests = {column: _best(record, against, column) for column in (*_RATES, "best")}
        cells = [_ratio(_rate(record, column), bests[column]) for column in (*_RATES[:-1], "best", _RATES[-1])]
        yield ["*times the best peer*", *cells, _latency_ratio(record, against), "", ""]
    under = floor(record, records)
    if under is not None:
        best = best_drain(record), best_drain(under)
        cells = [_share(mine.get(column), under["median"].get(column)) for column in _RATES[:-1]]
        yield ["*of the floor*", *cells, _share(*best), "", "", "", ""]


def _rate(record: Record, column: str) -> float | None:
    return best_drain(record) if column == "best" else record["median"].get(column)


def _best(record: Record, peers: Sequence[Record], column: str) -> tuple[float, str] | None:
    """A peer's drain counts at its best setting, whatever the column: workers beside workers, bare loops beside bare
    loops."""
    if column in ("one", "callers", "bulk"):
        rates = [(one["median"].get(column), one["name"]) for one in peers]
    else:
        alike = [one for one in peers if one.get("bare") == record.get("bare")]
        both = column == "two_processes"
        rates = [(one["median"].get(column) if both else best_drain(one), one["name"]) for one in alike]
    return max(((rate, name) for rate, name in rates if rate), default=None)


def _ratio(mine: float | None, best: tuple[float, str] | None) -> str:
    return f"{mine / best[0]:.2g}x `{best[1]}`" if mine and best else ""


def _share(mine: float | None, least: float | None) -> str:
    return f"1/{least / mine:.1f}" if mine and least else ""


def _latency_ratio(record: Record, peers: Sequence[Record]) -> str:
    mine = (record.get("latency") or {}).get("p50_ms")
    theirs = [(one["latency"]["p50_ms"], one["name"]) for one in peers if (one.get("latency") or {}).get("p50_ms")]
    best = min(theirs, default=None)
    return f"{mine:.1f} to {best[0]:.1f} `{best[1]}`" if mine and best else ""


def _name(record: Record) -> str:
    what = "the bare database" if not record["package"] else record["package"]
    return f"{what} `{record['name']}`" + (" (quick run: no figures)" if record["quick"] else "")


def _cells(record: Record) -> Iterator[str]:
    median, latency, idle = record["median"], record.get("latency") or {}, record.get("idle")
    yield from (_number(median.get(column)) for column in _RATES[:-1])
    yield _number(best_drain(record))
    yield _number(median.get("two_processes"))
    yield f"{latency['p50_ms']:.1f} / {latency['p99_ms']:.1f}" if "p50_ms" in latency else ""
    yield f"{idle['share'] * 100:.1f}" if idle and "share" in idle else ""
    yield _number(median.get("mb"))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def settings() -> str:
    """How each was measured, and what is known of its durability."""
    records = load()
    if not records:
        return NOTHING
    titles = (
        "queue",
        "version",
        "Python",
        "worker",
        "syncs for an enqueue",
        "what it says of itself",
        "measured",
        "rounds",
    )
    return "\n".join([line(titles), "|---" * len(titles) + "|", *(line(_setting(one)) for one in records)])


def _setting(record: Record) -> Sequence[str]:
    syncs = record.get("syncs_per_enqueue")
    version = record["commit"] if record["package"] == "headrace" else record["version"]
    return (
        *(f"`{record['name']}`", version, record.get("python", ""), record["worker"]),
        *("" if syncs is None else f"{syncs:.2g}", record.get("seen") or _server(record)),
        *(record["date"], str(len(record["rounds"]))),
    )


def _server(record: Record) -> str:
    return ", ".join(f"{name}={value}" for name, value in (record.get("server") or {}).items())


def machines() -> str:
    """On what all this was measured."""
    found = sorted({_machine(record["machine"], record["kernel"]) for record in load()})
    return "\n".join(f"- {machine}" for machine in found) or NOTHING


def _machine(machine: Record, kernel: str) -> str:
    return (
        f"{machine['cores']} cores, {machine['processor']}, Linux {kernel}, Python {machine['python']}, "
        f"SQLite {machine['sqlite']}"
    )


def line(cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


if __name__ == "__main__":
    print("\n\n".join([machines(), table(), settings()]))
