"""What one process asks for while another works: keys raced for, waits that are woken, jobs that are stopped."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import pytest
from supervised import Supervised, wait_until

from headrace import CancelOutcome, Headrace, State
from headrace.model.errors import JobCancelled

RACER = Path(__file__).parent / "racer.py"
PROCESSES, THREADS, KEYS = 5, 10, 20
POLL = 5.0

APP = """
import asyncio, time
from headrace import Cancelled, Headrace, RetryPolicy, current

app = Headrace("sqlite:///jobs.db", poll="5s", kill_after="1s")

@app.task(name="now")
async def now(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return time.monotonic()

@app.task(name="async", retry=RetryPolicy.none())
async def on_loop() -> None:
    await asyncio.sleep(300)

@app.task(name="thread", retry=RetryPolicy.none())
def in_thread() -> None:
    while not current().cancelled:
        time.sleep(0.005)
    raise Cancelled

@app.task(name="process", executor="process", retry=RetryPolicy.none())
def in_process() -> None:
    current().progress(1)
    time.sleep(300)

@app.task(name="chain")
def chain(n: int) -> None:
    current().progress(50, f"at {n}")
    current().log.info("chain %d", n)
    current().then(chain.call(n - 1), kv={f"chain {n}": n}) if n else None
"""


def start_racer(url: str, number: int) -> subprocess.Popen[str]:
    racer = subprocess.Popen(
        [sys.executable, str(RACER), url, str(THREADS), str(KEYS), str(number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    assert racer.stdout is not None
    assert racer.stdout.readline() == "ready\n"
    return racer


def test_fifty_producers_race_for_a_key_and_one_wins(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    with Headrace(url) as app:
        racers = [start_racer(url, number) for number in range(PROCESSES)]
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n")
            racer.stdin.flush()
        told = [json.loads(line) for racer in racers for line in racer.communicate(timeout=100)[0].splitlines()]
        assert [racer.returncode for racer in racers] == [0] * PROCESSES
        assert len(told) == PROCESSES * THREADS * KEYS
        for key in range(KEYS):
            of_key = [line for line in told if line["key"] == key]
            for kind, differs in (("same", False), ("other", True)):
                receipts = [line[kind] for line in of_key]
                (winner,) = [job_id for job_id, duplicate, _ in receipts if not duplicate]
                losers = [(job_id, differing) for job_id, duplicate, differing in receipts if duplicate]
                assert losers == [(winner, differs)] * (PROCESSES * THREADS - 1)
            strict = [line["strict"] for line in of_key]
            (winner,) = [answer[0] for answer in strict if len(answer) == 1]
            assert [answer[0] for answer in strict if len(answer) == 2] == [winner] * (PROCESSES * THREADS - 1)
        assert app.counts()["default"] == {State.PENDING: 3 * KEYS}


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Supervised]:
    (tmp_path / "mail.py").write_text(APP)
    supervised = Supervised(tmp_path, "mail:app", "-q", "default:8")
    supervised.wait_ready()
    yield supervised
    supervised.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Headrace]:
    with Headrace(f"sqlite:///{tmp_path / 'jobs.db'}", poll=POLL) as app:
        yield app


@pytest.mark.usefixtures("worker")
def test_a_join_is_woken_when_another_process_finishes_the_job(app: Headrace) -> None:
    app.result(app.enqueue("now", {"seconds": 0}), 30)
    delays: list[float] = []
    for _ in range(15):
        ended = app.result(app.enqueue("now", {"seconds": 0.1}), 30)
        assert isinstance(ended, float)
        delays.append(time.monotonic() - ended)
    assert median(delays) < 0.5, delays  # woken: a look each five seconds would take longer; bench/waiting.py measures


@pytest.mark.usefixtures("worker")
def test_a_running_job_is_stopped_from_another_process(app: Headrace) -> None:
    for task in ("async", "thread", "process"):
        delays: list[float] = []
        for _ in range(5):
            receipt = app.enqueue(task)
            wait_until(partial(runs, app, receipt.id, task), "it runs")
            asked = time.monotonic()
            assert app.cancel(receipt) is CancelOutcome.REQUESTED
            with pytest.raises(JobCancelled):
                app.result(receipt, 30)
            delays.append(time.monotonic() - asked)
        assert median(delays) < (1.0 if task != "process" else 3.0), (task, delays)


def runs(app: Headrace, job_id: str, task: str) -> bool:
    job = app.job(job_id)
    return job is not None and job.state is State.RUNNING and (task != "process" or job.notes is not None)


@pytest.mark.usefixtures("worker")
def test_a_chain_of_follow_ups_goes_on_to_its_end(app: Headrace) -> None:
    app.enqueue("chain", {"n": 20})
    wait_until(lambda: app.counts()["default"] == {State.COMPLETED: 21}, "the chain has ended")
    assert [app.kv_get(f"chain {n}") for n in range(21)] == [None, *range(1, 21)]
    for job in app.jobs(task="chain"):
        assert job.notes is not None
        assert job.notes.message == f"at {json.loads(job.payload)['n']}"
        assert [line.text for line in job.notes.lines] == [f"chain {json.loads(job.payload)['n']}"]
