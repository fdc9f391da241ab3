"""A minute of chaos: the shipped driver as users run it, with a seed that CHAOS_SEED may change."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from headrace.testing.chaos.outcome import Outcome, Report
from headrace.testing.servers.postgres import PostgresServer

SEED = os.environ.get("CHAOS_SEED", "1")


def chaos(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Its processes end with it, whatever ends it."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=280)


def storm(folder: Path, storage: str, *arguments: str) -> Outcome:
    """What came of a short one, in which nothing may happen that may not."""
    report = folder / "report.json"
    options = ["--seed", SEED, "--folder", str(folder), "--json", str(report)]
    run = chaos("-m", "headrace.testing.chaos", "--storage", storage, *arguments, *options)
    *_, line = run.stdout.splitlines() or [""]
    if run.returncode:
        pytest.fail(f"{run.stdout}\n{run.stderr}", pytrace=False)
    assert line.endswith("PASS")
    told = msgspec.json.decode(report.read_bytes(), type=Report)
    assert told.line == line
    total = told.total
    assert {name for name in total.faults if name.startswith("kills of")} >= {"kills of worker", "kills of producer"}
    assert total.counts["crashes"] > 0
    assert (total.counts["lost"], total.counts["double_completions"]) == (0, 0)
    assert not list(folder.glob("headrace-chaos-*")), "where all went well nothing is left behind"
    return total


@pytest.mark.timeout(300)
def test_a_storm_of_kills_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    total = storm(tmp_path, "sqlite", "--kills", "200", "--seconds", "30")
    assert total.faults["kills"] > 40, "it was a storm"
    assert total.counts["acknowledged"] > 300
    with capsys.disabled():
        print(f"\n{total.line}")


@pytest.mark.timeout(300)
def test_a_storm_over_a_server_that_crashes_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: Callable[[str, str], None]
) -> None:
    if PostgresServer.find() is None:
        missing("Postgres", "apt-get install postgresql")
    total = storm(tmp_path, "postgres", "--kills", "80", "--seconds", "35")
    assert total.faults["kills"] > 20, "it was a storm"
    assert total.faults["restarts"] > 4
    assert {"terminations", "cuts"} & total.faults.keys()
    assert total.counts["acknowledged"] > 100
    with capsys.disabled():
        print(f"\n{total.line}")


TOO_EARLY = """
import asyncio, sys
from headrace.storage.contract import Receipt
from headrace.storage.sqlite import SqliteStorage
from headrace.testing.chaos.__main__ import main

insert, underway = SqliteStorage.insert, []

async def promise(self, jobs, puts=()):
    async def later():
        await asyncio.sleep(0.02)
        await insert(self, jobs, puts)
    if puts:
        return await insert(self, jobs, puts)
    underway.append(asyncio.ensure_future(later()))
    return [Receipt(job.id) for job in jobs]

SqliteStorage.insert = promise
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.timeout(300)
def test_a_store_that_promises_too_early_is_found_out(tmp_path: Path) -> None:
    arguments = ["--kills", "25", "--seed", SEED, "--folder", str(tmp_path)]
    run = chaos("-c", TOO_EARLY, *arguments)
    assert run.returncode == 1, run.stdout + run.stderr
    lines = run.stdout.splitlines()
    assert lines[-1].endswith("FAIL")
    assert " lost=0 " not in lines[-1]
    assert any(line.startswith("lost: ") and "was promised at" in line for line in lines)
    assert f"replay: python -m headrace.testing.chaos --storage sqlite --kills 25 --seed {SEED}" in lines
    (kept,) = [line.removeprefix("ledgers and store: ") for line in lines if line.startswith("ledgers and store: ")]
    assert list((Path(kept) / "ledgers").glob("producer-*.jsonl"))
    assert (Path(kept) / "store" / "jobs.db").exists()


DONE_AND_REFUSED = """
import sys
from headrace.model.errors import StoreUnreachable
from headrace.storage.sqlite import SqliteStorage
from headrace.testing.chaos.__main__ import main

insert, calls = SqliteStorage.insert, []

async def refuse(self, jobs, puts=()):
    receipts = await insert(self, jobs, puts)
    calls.append(jobs)
    if len(calls) % 9 == 0:
        raise StoreUnreachable("here", "an answer was lost, and taken for a refusal")
    return receipts

SqliteStorage.insert = refuse
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.timeout(300)
def test_a_store_that_takes_a_lost_answer_for_a_refusal_is_found_out(tmp_path: Path) -> None:
    run = chaos("-c", DONE_AND_REFUSED, "--kills", "25", "--seed", SEED, "--folder", str(tmp_path))
    assert run.returncode == 1, run.stdout + run.stderr
    lines = run.stdout.splitlines()
    assert lines[-1].endswith("FAIL")
    assert any(line.startswith("ghost: ") and "the calls that asked for it left nothing" in line for line in lines)
