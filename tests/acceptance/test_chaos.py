"""A minute of chaos: the shipped driver as users run it, with a seed that CHAOS_SEED may change."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from headrace.testing.chaos.outcome import Report

SEED = os.environ.get("CHAOS_SEED", "1")


@pytest.mark.timeout(300)
def test_a_storm_of_kills_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    arguments = ["--kills", "200", "--seconds", "30", "--seed", SEED, "--folder", str(tmp_path), "--json", str(report)]
    run = subprocess.run(
        [sys.executable, "-m", "headrace.testing.chaos", *arguments], capture_output=True, text=True, check=False
    )
    *_, line = run.stdout.splitlines() or [""]
    if run.returncode:
        pytest.fail(f"{run.stdout}\n{run.stderr}", pytrace=False)
    assert line.endswith("PASS")
    told = msgspec.json.decode(report.read_bytes(), type=Report)
    assert told.line == line
    total = told.total
    assert total.faults["kills"] > 40, "it was a storm"
    assert {name for name in total.faults if name.startswith("kills of")} >= {"kills of worker", "kills of producer"}
    assert total.counts["acknowledged"] > 300
    assert total.counts["crashes"] > 0
    assert (total.counts["lost"], total.counts["double_completions"]) == (0, 0)
    assert not list(tmp_path.glob("headrace-chaos-*")), "where all went well nothing is left behind"
    with capsys.disabled():
        print(f"\n{line}")
