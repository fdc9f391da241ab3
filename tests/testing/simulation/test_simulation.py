"""Whole clusters: the same seed brings the same history, and thousands of them break no promise."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from headrace.testing.history.records import Died, Granted, Healed, Settled, Started, encode
from headrace.testing.simulation.options import Options, drawn
from headrace.testing.simulation.run import simulate
from headrace.testing.simulation.weather import Climate

SEEDS = int(os.environ.get("HEADRACE_SEEDS", "2000"))
REGRESSIONS = Path(__file__).with_name("regressions.jsonl").read_text().splitlines()
"""Options that once found something, here or in the simulation itself: whole, since what a seed draws may change."""


def digest(options: Options) -> str:
    return sha256(b"\n".join(map(encode, simulate(options).history))).hexdigest()


def test_the_same_options_bring_the_same_history() -> None:
    assert digest(drawn(2)) == digest(drawn(2))
    assert digest(drawn(2)) != digest(drawn(3))


def test_a_rough_cluster_sees_all_that_can_happen() -> None:
    climate = Climate(refused=0.02, answer_lost=0.02, dies=0.0005, usual=0.005, deaf=0.2, outage_each=40.0, outage=5.0)
    rough = Options(
        seed=5, workers=4, producers=2, claimers=1, lease=6.0, climate=climate, kill_each=10.0, hold_each=20.0,
        stop_each=30.0, poison=True, work_each=2.0,
    )  # fmt: skip
    outcome = simulate(rough)
    assert outcome.is_good, (outcome.verdict.violations, outcome.failures)
    counts = outcome.verdict.counts
    for name in (
        "acknowledged",
        "completions",
        "duplicate_starts",
        "rescues",
        "stale_writes_refused",
        "kills",
        "stops",
    ):
        assert counts[name] > 0, name
    kinds = {type(record) for record in outcome.history}
    assert {Granted, Settled, Started, Died, Healed} <= kinds
    states = {job.state for job in outcome.history[-1].jobs}  # type: ignore[union-attr]
    assert {"completed", "dead"} <= states


@pytest.mark.parametrize("options", REGRESSIONS, ids=lambda options: f"seed {msgspec.json.decode(options)['seed']}")
def test_options_that_once_found_something(options: str) -> None:
    outcome = simulate(msgspec.json.decode(options, type=Options))
    assert outcome.is_good, (outcome.verdict.violations, outcome.failures)


@pytest.mark.timeout(1_200)
def test_thousands_of_clusters_break_no_promise() -> None:
    simulate_all(SEEDS)


@pytest.mark.timeout(1_200)
def test_owners_of_a_journal_that_are_killed_fenced_and_followed_break_no_promise() -> None:
    simulate_all(max(1, SEEDS // 20), "--journal")


def simulate_all(seeds: int, *options: str) -> None:
    line = [sys.executable, "-m", "headrace.testing.simulation", "--seeds", str(seeds), "--jobs", "0", *options]
    run = subprocess.run(line, capture_output=True, text=True, check=False)
    print(run.stdout, run.stderr)
    assert run.returncode == 0
    assert f"simulations={seeds} " in run.stdout.splitlines()[-1]
    assert run.stdout.rstrip().endswith("bad=0 PASS")
