"""A few seconds of chaos on stores that one process owns; and stores that lie, which must be found out."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from headrace.testing.chaos.outcome import Outcome, Report
from headrace.testing.servers.s3 import S3Server

pytest.importorskip("slatedb")
SEED = os.environ.get("CHAOS_SEED", "1")
SHORT = ("--seed", SEED, "--set", "calm=no")


def chaos(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Its processes end with it, whatever ends it."""
    options = [*arguments, *SHORT, "--folder", str(folder), "--json", str(folder / "report.json")]
    return subprocess.run([sys.executable, *options], capture_output=True, text=True, check=False, timeout=110)


def storm(folder: Path, storage: str, kills: int, seconds: int = 4) -> Outcome:
    """What came of a short one, in which nothing may happen that may not."""
    arguments = ["--storage", storage, "--kills", str(kills), "--seconds", str(seconds)]
    run = chaos(folder, "-m", "headrace.testing.chaos", *arguments)
    if run.returncode:
        pytest.fail(f"{run.stdout}\n{run.stderr}", pytrace=False)
    total = msgspec.json.decode((folder / "report.json").read_bytes(), type=Report).total
    assert run.stdout.splitlines()[-1] == total.line
    assert total.faults["kills"] > 0
    assert total.counts["acknowledged"] > 10
    assert (total.counts["lost"], total.counts["double_completions"]) == (0, 0)
    return total


def test_a_hybrid_loses_what_it_may_lose_and_no_more(tmp_path: Path) -> None:
    total = storm(tmp_path, "hybrid", 20)
    assert total.counts["undone in the window"] > 0


def test_object_storage_loses_nothing_to_kills_and_takeovers(tmp_path: Path) -> None:
    total = storm(tmp_path, "objectstore", 12)
    assert total.faults.get("fenced", 0) == total.faults.get("takeovers", 0)


def test_a_bucket_loses_nothing_to_kills_and_takeovers(tmp_path: Path, missing: Callable[[str, str], None]) -> None:
    if S3Server.find() is None:
        missing("moto", "pip install 'moto[server]'")
    storm(tmp_path, "s3", 4, 3)


LATE_FILE = """
import sys
from headrace.storage.hybrid.shelf import FileShelf
from headrace.testing.chaos.__main__ import main

write = FileShelf.write

async def once_in_ten(self, entries, head):
    self.held = [*getattr(self, "held", []), *entries]
    self.calls = getattr(self, "calls", 0) + 1
    if self.calls % 10 == 0 or head.owner is None:
        held, self.held = self.held, []
        await write(self, held, head)

FileShelf.write = once_in_ten
sys.exit(main(sys.argv[1:]))
"""
EARLY_BUCKET = """
import asyncio, sys
from headrace.storage.objectstore.shelf import BucketShelf
from headrace.testing.chaos.__main__ import main
from headrace.testing.chaos.sole.storm import SoleStorm

write, underway = BucketShelf.write, []
SoleStorm.take_over = lambda self, url: False

async def promise(self, entries, head):
    before = underway[-1] if underway else None
    async def later():
        await asyncio.sleep(0.2)
        if before is not None:
            await before
        await write(self, entries, head)
    underway.append(asyncio.ensure_future(later()))
    if head.owner is None:
        await underway[-1]

BucketShelf.write = promise
sys.exit(main(sys.argv[1:]))
"""
DEAF_OWNER = """
import sys
from headrace.storage.journal.shelf import Fenced
from headrace.storage.objectstore.shelf import BucketShelf
from headrace.testing.chaos.__main__ import main
from headrace.testing.chaos.sole import storm

storm._YIELDING = 2.0
write = BucketShelf.write

async def never_mind(self, entries, head):
    try:
        await write(self, entries, head)
    except Fenced:
        pass

BucketShelf.write = never_mind
sys.exit(main(sys.argv[1:]))
"""


def found_out(folder: Path, program: str, storage: str, kills: int) -> str:
    """What is said of a store that lies."""
    run = chaos(folder, "-c", program, "--storage", storage, "--kills", str(kills))
    assert run.returncode == 1, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].endswith("FAIL")
    return run.stdout


def test_a_hybrid_that_is_later_than_it_says_is_found_out(tmp_path: Path) -> None:
    output = found_out(tmp_path, LATE_FILE, "hybrid", 20)
    assert any(line.startswith("lost: ") and "was promised at" in line for line in output.splitlines())


def test_a_bucket_that_acknowledges_before_it_has_written_is_found_out(tmp_path: Path) -> None:
    output = found_out(tmp_path, EARLY_BUCKET, "objectstore", 8)
    assert any(line.startswith("lost: ") and "was promised at" in line for line in output.splitlines())


def test_an_owner_that_does_not_hear_that_it_is_fenced_is_found_out(tmp_path: Path) -> None:
    output = found_out(tmp_path, DEAF_OWNER, "objectstore", 6)
    signs = ("lost: ", "double completion: ")  # of what it acknowledged when the store was another's
    assert "another process owned the store by" in output or any(line.startswith(signs) for line in output.splitlines())
