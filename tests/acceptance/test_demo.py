"""The demo is run as a new user runs it, and can fail: its account must not be one that always says yes."""

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.interface.cli.demo.audit import Audit, Window, take_audit
from headrace.interface.cli.demo.ledger import read_ledger
from headrace.interface.cli.demo.tasks import build

HEADRACE = str(Path(sys.executable).with_name("headrace"))
SOON = 30.0


def demo(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([HEADRACE, "demo", *options], capture_output=True, text=True, timeout=110, check=False)


def row(output: str, label: str) -> int:
    found = re.search(rf"^│ {label} +│ +([\d,]+) │", output, re.MULTILINE)
    assert found is not None, output
    return int(found[1].replace(",", ""))


def processes_of(folder: Path) -> list[int]:
    """Those that run on the demo's storage, by their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(folder) in (place / "environ").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def wait_until_gone(folder: Path) -> None:
    deadline = time.monotonic() + SOON
    while processes_of(folder):
        assert time.monotonic() < deadline, f"still there: {processes_of(folder)}"
        time.sleep(0.05)


def follow_advice(output: str) -> None:
    """The commands that it says to try next."""
    for words in re.findall(r"^  headrace (.+)$", output, re.MULTILINE):
        again = subprocess.run([HEADRACE, *shlex.split(words)], capture_output=True, text=True, timeout=SOON)
        assert again.returncode == 0, f"{words}: {again.stdout}{again.stderr}"


def test_a_killed_worker_costs_no_job(tmp_path: Path) -> None:
    run = demo("--files", "150", "--folder", str(tmp_path))
    assert run.returncode == 0, run.stdout + run.stderr
    assert row(run.stdout, "acknowledged") == row(run.stdout, "completed") == 150
    assert row(run.stdout, "rescued") >= 1
    assert row(run.stdout, "lost") == 0
    assert len(set(read_ledger(tmp_path / "acknowledged.txt"))) == 150
    assert len(list((tmp_path / "index").glob("*.jsonl"))) == 150
    assert "SIGKILL" in run.stdout
    wait_until_gone(tmp_path)
    follow_advice(run.stdout)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_it(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen([HEADRACE, "demo", "--folder", str(tmp_path)], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        deadline = time.monotonic() + SOON
        while len(processes_of(tmp_path)) < 3:  # the supervisor and its children
            assert time.monotonic() < deadline, "the workers have not started"
            time.sleep(0.05)
        running.send_signal(number)
        assert running.wait(SOON) != 0
    wait_until_gone(tmp_path)


def test_a_storage_of_one_process_is_refused(tmp_path: Path) -> None:
    run = demo("--storage", "memory:", "--folder", str(tmp_path))
    assert run.returncode == 2
    assert "no other process can reach them" in run.stderr


def test_the_account_says_what_is_lost(tmp_path: Path) -> None:
    async def account() -> Audit:
        parts = build("memory:")
        async with parts.app as app:
            waiting = await parts.index_file.aenqueue(__file__, str(tmp_path))
            unknown = app.ids.new()
            storage = (await app.here()).storage
            return await take_audit(storage, [waiting.id, unknown], 2, tmp_path)

    audit = asyncio.run(account())
    assert (audit.acknowledged, audit.completed, len(audit.lost)) == (2, 0, 2)
    assert audit.problem is not None
    assert "lost" in audit.problem


def test_the_only_process_of_object_storage_is_killed_and_nothing_is_lost(tmp_path: Path) -> None:
    pytest.importorskip("slatedb")
    run = demo("--files", "300", "--storage", f"file://{tmp_path}/store", "--folder", str(tmp_path / "tour"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert row(run.stdout, "acknowledged") == row(run.stdout, "completed") == 300
    assert row(run.stdout, "rescued") >= 1
    assert row(run.stdout, "lost") == 0
    assert "only one process may write" in run.stdout
    assert re.search(r"killed +Process \d+, the only one, with SIGKILL", run.stdout)
    wait_until_gone(tmp_path)
    follow_advice(run.stdout)


def test_the_only_process_of_a_hybrid_is_killed_and_loses_the_last_second_at_most(tmp_path: Path) -> None:
    url = f"hybrid:///{tmp_path}/jobs.snap?interval=500ms"
    run = demo("--files", "300", "--storage", url, "--folder", str(tmp_path / "tour"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert row(run.stdout, "acknowledged") == row(run.stdout, "completed") + row(run.stdout, "lost") == 300
    assert row(run.stdout, "rescued") >= 1
    words = " ".join(run.stdout.split())
    told = re.search(r"the last 0.5 s before its process is killed: ([\d,]+) jobs. ([\d,]+) of these", words)
    assert told is not None, run.stdout
    assert row(run.stdout, "lost") == int(told[2].replace(",", "")) <= int(told[1].replace(",", ""))
    wait_until_gone(tmp_path)
    follow_advice(run.stdout)


def test_the_account_excuses_only_what_was_acknowledged_in_the_window(tmp_path: Path) -> None:
    async def account(late: bool) -> Audit:
        parts = build("memory:")
        async with parts.app as app:
            storage, gone = (await app.here()).storage, app.ids.new()
            window = Window(1.0, frozenset([gone] if late else []))
            return await take_audit(storage, [gone], 1, tmp_path, window)

    assert "lost" in (asyncio.run(account(late=False)).problem or "")
    audit = asyncio.run(account(late=True))
    assert (len(audit.lost), audit.broken) == (1, [])
    assert "lost" not in (audit.problem or "")
