"""Commands and companions as real workers run them: whatever ends an attempt, its processes are dead before it does."""

import os
import random
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from supervised import Supervised
from witness import Witness

from headrace import CancelOutcome, Headrace, RetryPolicy, State
from headrace.model.job import Job

ONCE = RetryPolicy.none()
PATIENCE = 30

STUBBORN = 'trap "" TERM; exec 9>"$0"; (setsid sh -c "echo daemon >&9; exec sleep 1000" &); echo up >&9; sleep 1000'
"""It ignores SIGTERM, and so do its children, one of which left its session."""


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    witness = Witness(tmp_path / "witness")
    yield witness
    witness.close()


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Headrace]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'jobs.db'}"
    with Headrace(url, poll="20ms", grace="50ms", kill_after="200ms", retry=ONCE) as app:
        yield app


def joined(app: Headrace, receipt: Any) -> Job:
    return app.join(receipt, timeout=PATIENCE)


# --- commands ---------------------------------------------------------------------------------------------------------


def test_a_command_runs_where_and_as_it_is_told(app: Headrace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    (tmp_path / "sub").mkdir()
    run = app.command_task(root=tmp_path, environment=("PATH", "GREETING"))
    script = "pwd -P; echo $GREETING ${SECRET-none}; cat; echo oops >&2"
    with app.background():
        result = app.result(run.enqueue(["sh", "-c", script], "sub", {"GREETING": "hello"}, "piped"), PATIENCE)
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / 'sub'}\nhello none\npiped"
    assert (result.stderr, result.stderr_size) == ("oops\n", 5)


def test_what_went_wrong_is_told_apart(app: Headrace, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/")
    run = app.command_task(root=tmp_path)
    enqueued = {
        "exit code 3: no such order": run.enqueue(["sh", "-c", "echo working; echo no such order >&2; exit 3"]),
        "killed by SIGSEGV": run.enqueue(["sh", "-c", "kill -SEGV $$"]),
        "program 'no-such-program' can't be run: No such file or directory": run.enqueue(["no-such-program"]),
        "cwd=missing can't be entered: No such file or directory": run.enqueue(["ls"], "missing"),
        f"cwd=out/etc leads out of root={tmp_path}": run.enqueue(["ls"], "out/etc"),
        "ran longer than timeout=0.2 s": run.using(timeout=0.2).enqueue(["sleep", "1000"]),
    }
    with app.background():
        jobs = {text: joined(app, receipt) for text, receipt in enqueued.items()}
    assert [(job.last_error or "").partition(": ")[2] for job in jobs.values()] == list(jobs)
    assert [job.history[-1].outcome for job in jobs.values()] == ["failed"] * 5 + ["timeout"]
    assert [job.reason for job in jobs.values()] == ["exhausted"] * 4 + ["permanent", "exhausted"]


def test_a_large_output_is_cut_and_the_job_completes(app: Headrace, tmp_path: Path) -> None:
    run = app.command_task(root=tmp_path, output=1_048_576)
    with app.background():
        job = joined(app, run.enqueue(["sh", "-c", "head -c 3000000 /dev/zero; head -c 3000000 /dev/urandom >&2"]))
        result = app.result(run.enqueue(["seq", "300000"]), PATIENCE)
    assert (job.state, job.result_error) == (State.COMPLETED, None)
    assert result.stdout.endswith("299999\n300000\n")
    assert len(result.stdout) < result.stdout_size == 1_988_895


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_every_process_is_dead_before_the_attempt_is_settled(
    app: Headrace, tmp_path: Path, witness: Witness, how: str
) -> None:
    run = app.command_task(root=tmp_path, timeout="2s" if how == "timeout" else "1h")
    with app.background():
        receipt = run.enqueue(["sh", "-c", STUBBORN, witness.path])
        witness.hear("up")
        witness.hear("daemon")
        if how == "cancel":
            assert app.cancel(receipt) is CancelOutcome.REQUESTED
        job = joined(app, receipt)
        assert not witness.is_held()
    assert job.state is (State.CANCELLED if how == "cancel" else State.DEAD)


def test_every_process_is_dead_before_a_stopping_worker_hands_the_job_back(
    app: Headrace, tmp_path: Path, witness: Witness
) -> None:
    handed_back: list[bool] = []
    app.on_worker_stop(lambda: handed_back.append(witness.is_held()))
    run = app.command_task(root=tmp_path)
    with app.background():
        receipt = run.enqueue(["sh", "-c", STUBBORN, witness.path])
        witness.hear("up")
        witness.hear("daemon")
    assert handed_back == [False]
    job = app.job(receipt)
    assert job is not None
    assert (job.state, job.attempt) == (State.PENDING, 0)


RESTLESS = """
exec 9>"$0"
(setsid sh -c 'trap "" TERM; exec sleep 1000' &)
sleep 0.0$1
kill -$2 $$
exec sleep 1000
"""
"""It ends by itself, by a signal that it can't survive, or never; and leaves a stubborn daemon."""


def test_a_storm_of_timeouts_and_cancels_leaves_nothing(app: Headrace, tmp_path: Path, witness: Witness) -> None:
    chance = random.Random(7)
    run = app.command_task(root=tmp_path)
    held = os.open(witness.path, os.O_WRONLY)
    os.write(held, b"up\n")
    witness.hear("up")
    receipts = []
    with app.background({"default": 8}):
        for _ in range(60):
            words = [witness.path, str(chance.randrange(10)), chance.choice(["TERM", "KILL", "STOP", "0"])]
            timeout = chance.choice([0.01, 0.03, 0.06, 0.1, 0.3])
            receipts.append(run.using(timeout=timeout).enqueue(["sh", "-c", RESTLESS, *words]))
            if chance.random() < 0.3:
                app.cancel(chance.choice(receipts))
        states = {joined(app, receipt).state for receipt in receipts}
        os.close(held)
        assert not witness.is_held()
    assert states == {State.DEAD, State.CANCELLED}


WORKER = """
import sys
from headrace import Headrace

app = Headrace("memory:", poll="20ms")
script, witness, kind = sys.argv[1:]
if kind == "command":
    app.command_task(root="/").enqueue(["sh", "-c", script, witness])
else:
    app.pool_task("pool", argv=["sh", "-c", script, witness]).enqueue(1)
app.run()
"""


@pytest.mark.parametrize("kind", ["command", "companion"])
def test_every_process_is_dead_when_the_worker_is_killed(witness: Witness, kind: str) -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER, STUBBORN, witness.path, kind])
    try:
        witness.hear("up")
        witness.hear("daemon")
        assert witness.is_held()
    finally:
        worker.kill()
        worker.wait()
    witness.wait_gone()


SUPERVISED = """
from headrace import Headrace

app = Headrace(grace="50ms", kill_after="200ms", poll="20ms")
run = app.command_task(root="/")
"""


def test_a_stop_of_the_supervisor_ends_them_and_the_job_runs_again(tmp_path: Path, witness: Witness) -> None:
    (tmp_path / "tasks.py").write_text(SUPERVISED)
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    with Headrace(url) as app:
        receipt = app.enqueue("command", {"argv": ["sh", "-c", STUBBORN, witness.path]})
        for run in (1, 2):
            supervised = Supervised(tmp_path, "tasks:app", HEADRACE_URL=url)
            try:
                witness.hear("up", run)
                witness.hear("daemon", run)
                supervised.send(signal.SIGTERM)
                assert supervised.end() == 0
                assert not witness.is_held()
                witness.reopen()
                job = app.job(receipt)
                assert job is not None
                assert (job.state, job.attempt) == (State.PENDING, 0)
            finally:
                supervised.close()


# --- companions -------------------------------------------------------------------------------------------------------

COMPANION = """
import json, os, subprocess, sys

end = os.open(sys.argv[1], os.O_WRONLY)
os.write(end, b"up\\n")
os.set_inheritable(end, True)
for line in sys.stdin:
    job = json.loads(line)
    answer = {"id": job["id"], "status": "ok", "result": os.getpid()}
    match job["payload"]:
        case "fail":
            answer = {"id": job["id"], "status": "error", "message": "as you like"}
        case "throttle":
            answer = {"id": job["id"], "status": "throttled", "retry_after": 3600}
        case "die":
            sys.exit("last words")
        case "chatter":
            print("Working...")
        case "postscript":
            print(json.dumps(answer))
            answer = "and another thing"
        case "other":
            answer["id"] = "other"
        case "endless":
            while True:
                sys.stdout.write("x" * 65536)
        case "hang":
            subprocess.Popen(["sleep", "1000"], pass_fds=[end], start_new_session=True)
            os.write(end, b"hangs\\n")
            subprocess.run(["sleep", "1000"], pass_fds=[end])
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture
def pool(app: Headrace, witness: Witness) -> Any:
    return app.pool_task("pool", argv=[sys.executable, "-c", COMPANION, witness.path], size=2, timeout="1h")


def test_companions_stay_and_end_with_their_worker(app: Headrace, pool: Any, witness: Witness) -> None:
    with app.background({"default": 1}):
        pids = {app.result(pool.enqueue(number), PATIENCE) for number in range(5)}
        assert len(pids) == 1
        assert witness.is_held()
    assert not witness.is_held()
    with app.background({"default": 1}):
        assert app.result(pool.enqueue(1), PATIENCE) not in pids
    assert not witness.is_held()
    assert witness.heard == ["up", "up"]


def test_a_free_companion_is_asked_though_another_is_busy(app: Headrace, pool: Any, witness: Witness) -> None:
    with app.background({"default": 4}):
        hanging = pool.enqueue("hang")
        witness.hear("hangs")
        assert len({app.result(pool.enqueue(number), PATIENCE) for number in range(5)}) == 1
        app.cancel(hanging)
        assert joined(app, hanging).state is State.CANCELLED
    assert not witness.is_held()


def test_answers_that_are_no_values(app: Headrace, pool: Any) -> None:
    with app.background({"default": 1}):
        pid = app.result(pool.enqueue(1), PATIENCE)
        failed = joined(app, pool.enqueue("fail"))
        assert (failed.state, failed.last_error) == (State.DEAD, "CompanionFailed: as you like")
        throttled = pool.enqueue("throttle")
        assert app.result(pool.enqueue(1), PATIENCE) == pid, "both are the same one, which is fine"
        job = app.job(throttled)
        assert job is not None
        assert (job.state, job.reason, job.attempt) == (State.SCHEDULED, "throttled", 0)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("die", "it closed its output; exit code 1: last words"),
        ("chatter", "it sent b'Working...', which is no answer: "),
        ("other", "it answered job 'other', which it was not asked; "),
        ("endless", "it sent a line of more than 2,097,152 bytes; "),
    ],
)
def test_a_companion_that_gives_no_answer_is_replaced(
    app: Headrace, pool: Any, witness: Witness, payload: str, why: str
) -> None:
    with app.background({"default": 1}):
        first = app.result(pool.enqueue(1), PATIENCE)
        job = joined(app, pool.enqueue(payload))
        assert not witness.is_held()
        assert (job.last_error or "").startswith(f"CompanionFailed: it gave no answer: {why}")
        assert app.result(pool.enqueue(1), PATIENCE) != first


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_a_companion_that_nobody_waits_for_is_dead_with_its_children(
    app: Headrace, pool: Any, witness: Witness, how: str
) -> None:
    with app.background({"default": 1}):
        app.result(pool.enqueue(1), PATIENCE)
        receipt = pool.using(timeout="2s" if how == "timeout" else "1h").enqueue("hang")
        witness.hear("hangs")
        if how == "cancel":
            app.cancel(receipt)
        job = joined(app, receipt)
        assert not witness.is_held()
        assert job.state is (State.CANCELLED if how == "cancel" else State.DEAD)
        assert app.result(pool.enqueue(1), PATIENCE)


def test_a_companion_that_was_killed_while_idle_is_replaced(app: Headrace, pool: Any) -> None:
    with app.background({"default": 1}):
        first = app.result(pool.enqueue(1), PATIENCE)
        kill(first)
        assert app.result(pool.enqueue(1), PATIENCE) != first


def test_a_companion_that_speaks_unasked_is_replaced_and_fails_nobody(app: Headrace, pool: Any) -> None:
    with app.background({"default": 1}):
        pids = [app.result(pool.enqueue("postscript"), PATIENCE) for _ in range(3)]
    assert len(set(pids)) == 3


def kill(pid: int) -> None:
    """And wait until it is dead."""
    ended = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        assert select.select([ended], [], [], PATIENCE)[0]
    finally:
        os.close(ended)


def test_workers_of_two_loops_have_companions_of_their_own(app: Headrace, pool: Any, witness: Witness) -> None:
    meet = threading.Barrier(2)
    pids: list[object] = []

    def beside(queue: str) -> None:
        with app.background({queue: 1}):
            meet.wait(PATIENCE)
            pids.append(app.result(pool.using(queue=queue).enqueue(1), PATIENCE))
            meet.wait(PATIENCE)

    threads: list[Callable[[], None]] = []
    for queue in ("a", "b"):
        thread = threading.Thread(target=beside, args=(queue,))
        thread.start()
        threads.append(thread.join)
    for join in threads:
        join()
    assert len(set(pids)) == 2
    assert not witness.is_held()
