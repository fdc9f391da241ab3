"""What is asked of each queue, in which order, and what is written down: JSON, from which all is told."""

import fcntl
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.peers import setting
from bench.peers.catalogue import RAW, Adapter
from bench.peers.databases import Server
from bench.peers.environments import TREE, interpreter
from bench.peers.steps import Bench, Failed, Size
from bench.setting import machine

_LOCK = Path(os.environ.get("BENCH_LOCK", TREE / ".bench" / "lock"))
_TOGETHER = 100
"""The concurrency of each of two processes."""

QUICK = Size(rounds=1, share=0.04, longest=2.0, samples=10, idle=1.0)
"""To see that all of it works; its figures mean nothing."""


def measure(adapter: Adapter, size: Size, server: Server | None) -> str:
    """Writes the figures of one queue; what became of it, in words."""
    python = interpreter(adapter)
    if python is None:
        return "skipped: it is not installed (make bench-peers)"
    bench = Bench(adapter, size, python, server)
    try:
        record = about(adapter, bench) | figures(bench)
    except Failed as failed:
        return f"failed: {failed}"
    keep(adapter.name, record)
    return told(record["median"])


def about(adapter: Adapter, bench: Bench) -> dict[str, Any]:
    """What was measured, on what, and how durable it says it is."""
    with alone():
        bench.renew()
        said = bench.ask("about", adapter.package)
        syncs = bench.syncs()
    described = asdict(adapter) | {"durability": adapter.durability.name} | said
    measured = {"syncs_per_enqueue": syncs, "quick": bench.size.share < 1}
    return described | measured | surroundings(bench.server)


def surroundings(server: Server | None = None) -> dict[str, Any]:
    """When and where."""
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    found = machine()
    settings = server.settings() if server is not None else None
    return {"date": now, "commit": found["commit"], "machine": found, "server": settings} | {
        "kernel": platform.release()
    }


def figures(bench: Bench) -> dict[str, Any]:
    """All columns, round after round; latency and idling once."""
    rounds = []
    for _ in range(bench.size.rounds):
        found: dict[str, Any] = {}
        for column, ask in columns(bench):
            found[column] = attempted(ask)
        rounds.append(found)
    record: dict[str, Any] = {"rounds": rounds, "median": medians(rounds)}
    record["idle"] = attempted(bench.idle)
    record["latency"] = attempted(bench.latency) if bench.adapter.latency else None
    return record


def attempted(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A step's answer; where it failed, why: the others still count."""
    with alone():
        try:
            return ask()
        except Failed as failed:
            print(f"\n{failed}", flush=True)
            return {"per_s": None, "failed": str(failed)}


def columns(bench: Bench) -> Iterator[tuple[str, Any]]:
    """The name of each column, and what gives its figure."""
    adapter = bench.adapter

    def enqueue(mode: str, *numbers: float) -> Any:
        bench.renew()
        return bench.ask(mode, *numbers)

    yield "one", lambda: enqueue("one", bench.jobs, bench.size.longest)
    yield "callers", lambda: enqueue("callers", max(bench.jobs, 1000), 100)
    if adapter.bulk:
        yield "bulk", lambda: enqueue("bulk", bench.jobs, 1000)
    for concurrency in adapter.concurrencies:
        yield f"drain_{concurrency}", lambda concurrency=concurrency: bench.drain(concurrency)
    if adapter.many_processes:
        concurrency = _TOGETHER if _TOGETHER in adapter.concurrencies else adapter.concurrencies[0]
        yield "two_processes", lambda: bench.drain(concurrency, 2)


def medians(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of each column, over the rounds; and of what the workers weighed at their heaviest."""
    found: dict[str, Any] = {}
    for column in rounds[0]:
        rates = [one[column]["per_s"] for one in rounds if one[column]["per_s"] is not None]
        found[column] = statistics.median(rates) if rates else None
    weights = [max(answer.get("mb", 0) for name, answer in one.items() if name != "two_processes") for one in rounds]
    return found | {"mb": statistics.median(weights)}


def told(median: Mapping[str, Any]) -> str:
    """In a line."""
    return ", ".join(f"{name} {value:,.0f}" for name, value in median.items() if value is not None)


def keep(name: str, record: Mapping[str, Any]) -> None:
    """Writes a file of JSON."""
    path = RAW / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


@contextmanager
def alone() -> Iterator[None]:
    """No other program that measures runs meanwhile, as far as it asks as well."""
    _LOCK.parent.mkdir(parents=True, exist_ok=True)
    Path(setting.DATA).mkdir(parents=True, exist_ok=True)
    with _LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
