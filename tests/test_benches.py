"""The benches' own parts that measure nothing: who is compared with whom, the tables, the pictures."""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bench import plots
from bench.peers import report, targets
from bench.peers.catalogue import ADAPTERS, Adapter, Durability

ADAPTERS_FOLDER = Path(report.__file__).parent / "adapters"


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
def test_each_queue_has_an_adapter_that_can_do_what_is_asked_of_it(adapter: Adapter) -> None:
    tree = ast.parse((ADAPTERS_FOLDER / f"{adapter.module}.py").read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if hasattr(node, "name")}
    assert adapter.ours or adapter.version
    assert {"working" if adapter.inside else "work"} <= names
    borrowed = any(isinstance(node, ast.ImportFrom) and "adapters" in (node.module or "") for node in tree.body)
    assert borrowed or {"setup", "Producer", "start", "one", "stop"} <= names
    assert borrowed or not adapter.bulk or "bulk" in names


def record(name: str, package: str, durability: Durability, storage: str = "SQLite", **median: float) -> dict[str, Any]:
    told = {"name": name, "package": package, "durability": durability.name, "storage": storage, "median": median}
    machine = {"cores": 2, "processor": "one", "python": "3.11", "sqlite": "3.40"}
    others = {
        "version": "1",
        "worker": "w",
        "commit": "abc",
        "date": "today",
        "kernel": "6",
        "quick": False,
        "rounds": [median],
    }
    return told | others | {"bare": False, "machine": machine, "latency": None, "idle": None}


def written(folder: Path, *records: Mapping[str, Any]) -> None:
    for one in records:
        (folder / f"{one['name']}.json").write_text(json.dumps(one), encoding="utf-8")


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "RAW", tmp_path)
    return tmp_path


def test_without_data_the_report_says_so(raw: Path) -> None:
    assert report.table() == report.settings() == report.machines() == report.NOTHING


def test_a_target_is_met_or_missed_against_those_that_promise_as_much(raw: Path) -> None:
    assert targets.table() == report.NOTHING
    written(
        raw,
        record("headrace_full", "headrace", Durability.POWER, one=400.0, callers=15_000.0, drain_100=1_000.0),
        record("huey_sqlite", "huey", Durability.POWER, callers=1_500.0, drain_4=101.0),
        record("tinyjobs_sqlite", "tinyjobs", Durability.KILL, callers=14_000.0, drain_100=900.0),
        record("floor_full", "", Durability.POWER, drain_100=2_900.0),
    )
    found = [line.split(" | ") for line in targets.table().splitlines()[2:]]
    assert [(cells[1], cells[3], cells[6], cells[-1].strip("| ")) for cells in found] == [
        ("drain", "`huey_sqlite`", "9.9x", "**missed**"),
        ("100 callers", "`huey_sqlite`", "10x", "met"),
        ("drain", "the bare database", "1/2.9", "met"),
        ("one caller", "RustQueue, one caller, synced, as published", "1.3x", "met"),
        ("100 callers", "RustQueue, 100 callers, synced, as published", "1/1.3", "**missed**"),
    ]


def test_what_was_measured_by_turns_decides_by_the_median_of_its_ratios(raw: Path) -> None:
    written(
        raw,
        record("headrace_full", "headrace", Durability.POWER, drain_100=1_000.0),
        record("huey_sqlite", "huey", Durability.POWER, drain_4=500.0),
        record("headrace_normal", "headrace", Durability.KILL) | {"latency": {"p50_ms": 2.0}},
        record("litequeue_sqlite", "litequeue", Durability.KILL) | {"latency": {"p50_ms": 3.0}},
    )
    (raw / "pairs").mkdir()
    slow_and_fast = {"mine": [1_000.0, 2_100.0, 900.0], "theirs": [90.0, 200.0, 100.0]}
    written(raw / "pairs", slow_and_fast | {"name": "headrace_full-drain-huey_sqlite"})
    written(
        raw / "pairs",
        {"name": "headrace_normal-latency-p50-litequeue_sqlite", "mine": [1.0, 1.5], "theirs": [1.0, 1.0]},
    )
    drain, latency = (line.split(" | ") for line in targets.table().splitlines()[2:])
    assert drain[2:] == ["1,000/s", "`huey_sqlite`", "100/s", "10x", "10x", "9x to 11x, 3", "met |"]
    assert latency[2:] == [
        "1.25 ms",
        "`litequeue_sqlite`",
        "1.00 ms",
        "no more",
        "1.2x",
        "1x to 1.5x, 2",
        "**missed** |",
    ]


def test_ours_is_compared_with_those_that_promise_as_much(raw: Path) -> None:
    written(
        raw,
        record("headrace_full", "headrace", Durability.POWER, one=10.0, drain_100=100.0),
        record("huey_sqlite", "huey", Durability.POWER, one=5.0, drain_0=20.0, drain_4=50.0),
        record("tinyjobs_sqlite", "tinyjobs", Durability.KILL, one=500.0, drain_100=500.0),
        record("pgqueuer_postgres", "pgqueuer", Durability.POWER, "Postgres", one=700.0, drain_100=700.0),
        record("floor_full", "", Durability.POWER, one=30.0, drain_100=400.0),
    )
    ratios = next(line for line in report.table().splitlines() if "times the best peer" in line)
    assert "2x `huey_sqlite`" in ratios  # one caller, and its best drain
    assert "tinyjobs" not in ratios
    assert "pgqueuer" not in ratios
    floor = next(line for line in report.table().splitlines() if "of the floor" in line)
    assert "1/3.0" in floor
    assert "1/4.0" in floor


def test_a_bare_loop_is_compared_with_bare_loops(raw: Path) -> None:
    written(
        raw,
        record("headrace_normal", "headrace", Durability.KILL, drain_100=100.0),
        record("honker_batch", "honker", Durability.KILL, drain_100=500.0) | {"bare": True},
        record("honker_sqlite", "honker", Durability.KILL, drain_0=10.0),
    )
    assert "10x `honker_sqlite`" in report.table()
    assert "0.2x" not in report.table()


def growth(path: Path) -> Path:
    points = [{"x": 10**power, "claim": 20.0 + power, "enqueue": 5.0, "complete": 9.0} for power in range(3, 7)]
    found = [
        {"storage": storage, "series": series, "points": points}
        for storage in ("memory", "SQLite")
        for series in ("waiting", "waiting beside finished")
    ]
    machine = {"commit": "abc", "processor": "one", "cores": 2, "python": "3.11", "sqlite": "3.40"}
    path.write_text(json.dumps({"date": "today", "machine": machine, "share": 1.0, "found": found}), encoding="utf-8")
    return path


def test_pictures_are_the_same_each_time_and_well_formed(tmp_path: Path) -> None:
    path = growth(tmp_path / "growth.json")
    pictures = plots.drawn(path)
    assert pictures == plots.drawn(path)
    assert set(pictures) == {"claim-waiting.svg", "enqueue-waiting.svg", "complete-waiting.svg"}
    tree = ElementTree.fromstring(pictures["claim-waiting.svg"])
    lines = tree.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 4 * 2  # each with its sample in the legend
    assert all(f"plots/{name}" in plots.told(path) for name in pictures)


def test_without_data_there_are_no_pictures(tmp_path: Path) -> None:
    assert plots.drawn(tmp_path / "none.json") == {}
    assert "Nothing has been measured" in plots.told(tmp_path / "none.json")
