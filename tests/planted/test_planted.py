"""Every planted fault is caught, by the seed or the test that is known to catch it, or by one of a few others.

What is planted runs in processes of its own: see ``hunting``.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DATA = ROOT / "docs" / "explanation" / "data" / "planted.json"
FAULTS = sorted(path.stem for path in (HERE / "faults").glob("*.py"))
KNOWN: Mapping[str, Mapping[str, Any]] = {row["name"]: row for row in json.loads(DATA.read_text("utf-8"))["faults"]}
MORE_SEEDS = 40
"""How many others are tried where the known one doesn't catch it any more."""

Ask = Callable[[Mapping[str, Any]], Any]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Asks a process that has everything imported, and in which sets have one order."""
    hunter = subprocess.Popen(
        [sys.executable, "-m", "tests.planted", "--serve"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert hunter.stdin is not None
    assert hunter.stdout is not None

    def request(what: Mapping[str, Any]) -> Any:
        print(json.dumps(what), file=hunter.stdin, flush=True)
        answer = json.loads(hunter.stdout.readline())
        assert not (isinstance(answer, dict) and "error" in answer), answer["error"]
        return answer

    yield request
    hunter.stdin.close()
    hunter.stdout.close()
    assert hunter.wait() == 0


def places(known: Mapping[str, Any]) -> Sequence[str]:
    """Where to look for a fault: what caught it once comes first."""
    if known["proof"] == "simulation":
        return [known["where"], *(str(seed) for seed in range(MORE_SEEDS))]
    return [known["where"], known["where"].partition("::")[0]]


def test_enough_are_planted_and_the_table_has_them_all() -> None:
    assert len(FAULTS) >= 25
    assert sorted(KNOWN) == FAULTS, "run make planted"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FAULTS)
def test_it_is_caught(name: str, ask: Ask) -> None:
    catch = ask({"fault": name, "wheres": places(KNOWN[name])})
    assert catch["by"], f"nothing caught {name}: {KNOWN[name]['wrong']} {catch['told']}"


SIMULATED = [row for row in KNOWN.values() if row["proof"] == "simulation"]
SEEDS = {(row["where"], row["drawn"] or row["name"]): row["name"] for row in SIMULATED}
"""One fault for each seed and weather in which some are caught."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("seed", "name"), [(seed, name) for (seed, _), name in SEEDS.items()])
def test_where_nothing_is_planted_the_same_seeds_are_good(seed: str, name: str, ask: Ask) -> None:
    assert ask({"fault": name, "good": seed})
