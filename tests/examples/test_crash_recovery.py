"""examples/crash_recovery.py: RustQueue's walk-through, step by step."""

import signal
from pathlib import Path

from programs import Start

from headrace import Headrace, State

LEASE = 3.0


def test_a_job_whose_worker_is_killed_is_completed_by_the_next(start: Start, tmp_path: Path) -> None:
    first = start("crash_recovery.py", "worker")
    pid = int(first.wait_line(r"worker with pid (\d+)")[1])
    assert pid == first.pid
    push = start("crash_recovery.py", "push")
    assert push.end() == 0
    job_id = push.wait_line(r"pushed (\S+)")[1]
    first.wait_line("step 2 of 5")
    assert first.end(signal.SIGKILL) == -signal.SIGKILL

    with Headrace(f"sqlite:///{tmp_path / 'crash_recovery.db'}") as app:
        held = app.job(job_id)
        assert held is not None
        assert (held.state, held.crashes) == (State.RUNNING, 0)

        second = start("crash_recovery.py", "worker")
        second.wait_line("order 42: attempt 1, after 1 crashes")
        second.wait_line("step 5 of 5")
        job = app.join(job_id, timeout=10)
        assert app.result(job_id) == "order 42 is complete"
    assert (job.state, job.attempt, job.crashes) == (State.COMPLETED, 1, 1)
    assert [record.outcome for record in job.history] == ["crashed"]
    assert (job.started_at or 0) - (held.started_at or 0) >= LEASE * 1000
    assert second.end(signal.SIGTERM) == 0, second.output


def test_it_says_how_to_call_it(start: Start) -> None:
    program = start("crash_recovery.py")
    assert program.end() == 1
    assert program.output == "usage: crash_recovery.py worker|push"
