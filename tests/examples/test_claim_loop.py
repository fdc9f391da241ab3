"""examples/claim_loop.py. The file that it reads is a named pipe: it works on it for as long as the test likes."""

import hashlib
import os
import signal
import time
from pathlib import Path

import pytest
from programs import PATIENCE, Start

from headrace import Claim, Headrace, State


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_crash_between_claim_and_ack_is_survived(start: Start, app: Headrace, pipe: Path) -> None:
    receipt = app.enqueue("checksum", {"path": str(pipe)}, queue="files")
    first = start("claim_loop.py")
    with pipe.open("wb"):  # returns when it is read
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    held = app.job(receipt)
    assert held is not None
    assert held.state is State.RUNNING

    start("claim_loop.py")
    with pipe.open("wb") as file:
        file.write(b"headrace")
    job = app.join(receipt, timeout=20)
    assert app.result(receipt) == hashlib.sha256(b"headrace").hexdigest()
    assert (job.state, job.attempt, job.crashes) == (State.COMPLETED, 1, 1)
    assert job.generation > held.generation


def test_what_was_lost_to_another_is_let_go(start: Start, app: Headrace, pipe: Path, tmp_path: Path) -> None:
    """The first job takes longer than the lease: its ack comes too late, and so does the renewal for the second."""
    (tmp_path / "beside").write_bytes(b"beside")
    paths = [str(pipe), str(tmp_path / "beside")]
    receipts = [app.enqueue("checksum", {"path": path}, queue="files") for path in paths]
    loop = start("claim_loop.py")
    claims: list[Claim] = []
    with pipe.open("wb"):
        deadline = time.monotonic() + PATIENCE
        while len(claims) < 2:  # the test is the other: claim doesn't wait
            assert time.monotonic() < deadline
            claims += app.claim("files", lease="1m")
            time.sleep(0.02)
    for receipt in receipts:
        loop.wait_line(f"job {receipt.id} is no longer held")
    for claim in claims:
        app.ack(claim, "by another")
    assert [app.result(receipt) for receipt in receipts] == ["by another", "by another"]


def test_what_can_not_be_read_is_tried_again_and_what_is_no_work_of_ours_is_dead(start: Start, app: Headrace) -> None:
    missing = app.enqueue("checksum", {"path": "nowhere"}, queue="files", max_attempts=2)
    other = app.enqueue("translate", {"path": "nowhere"}, queue="files")
    start("claim_loop.py")
    jobs = [app.join(receipt, timeout=20) for receipt in (missing, other)]
    assert [(job.state, job.reason, job.attempt) for job in jobs] == [
        (State.DEAD, "exhausted", 2),
        (State.DEAD, "permanent", 1),
    ]
    assert "No such file" in (jobs[0].last_error or "")
