"""How much of a limit several worker processes on one SQLite file use, and whether any window has more than it allows.

Every change of the bucket is written down by whoever made it; the check runs over all of them.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from time import monotonic, sleep
from typing import Any

import msgspec

from bench.setting import SQLITE, Figure, run_python
from headrace import Headrace, State
from headrace.model.rate import Bucket, parse_rate
from headrace.model.record import LIMIT

RATE = "1000/s"
PROCESSES = 4
SLOTS = 20
_WARM_UP, _MEASURED = 5.0, 10.0
"""Seconds: the first burst is over, and then the pace is that of the rate."""


def measure() -> list[Figure]:
    """One run with the burst that a limit has by default, a second's worth, and one with a twentieth of it."""
    figures = []
    for burst in (1_000, 50):
        used, worst = _run(burst)
        note = f"{RATE} over {PROCESSES} processes, burst {burst}"
        figures.append(Figure(f"limit used: {note}", SQLITE, used * 100, "%", 95 if burst == 1_000 else None))
        figures.append(Figure(f"worst window over the limit: {note}", SQLITE, worst, "permits", 0, least=False))
    return figures


def make_app(url: str, burst: int) -> Headrace:
    """An app with one limited task."""
    app = Headrace(url)
    app.limit("upstream", rate=RATE, burst=burst)

    @app.task(name="call", queue="calls", limits=["upstream"])
    async def call(number: int) -> None: ...

    return app


def _run(burst: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DATA")) as folder:
        url, log = f"sqlite:///{folder}/jobs.db", Path(folder) / "permits"
        with make_app(url, burst) as app:
            _fill(app, round(parse_rate(RATE).count * (_WARM_UP + _MEASURED + 5)) + burst)
            with _workers(url, burst, log):
                sleep(_WARM_UP)
                began, before = monotonic(), _completed(app)
                sleep(_MEASURED)
                seconds, completed = monotonic() - began, _completed(app) - before
        return completed / (parse_rate(RATE).count * seconds), worst_window(read_permits([log]), RATE, burst)


def _fill(app: Headrace, jobs: int) -> None:
    for _ in range(jobs // 1_000 + 1):
        app.enqueue_many([app.by_name("call", {"number": 1}, {}) for _ in range(1_000)])


def _completed(app: Headrace) -> int:
    return app.counts()["calls"].get(State.COMPLETED, 0)


@contextmanager
def _workers(url: str, burst: int, log: Path) -> Iterator[None]:
    workers: list[Popen[str]] = []
    try:
        workers += [run_python("-m", "bench.limits", url, str(burst), str(log)) for _ in range(PROCESSES)]
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        yield
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


# --- the log ---------------------------------------------------------------------------------------------------------


def write_down(storage: Any, log: Path) -> None:
    """Have every change of a bucket written to ``log``: before it is tried, and what came of it."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    put = storage.put
    count = iter(range(sys.maxsize))

    def write(*fields: object) -> None:
        os.write(descriptor, json.dumps([os.getpid(), *fields]).encode() + b"\n")

    async def noted(puts: Any) -> Any:
        limits = [(place, one) for place, one in enumerate(puts) if one.kind == LIMIT and isinstance(one.expect, int)]
        tries = [(next(count), place, one) for place, one in limits]
        for number, _, one in tries:
            write(number, "tried", one.expect + 1, one.value)
        done = await put(puts)
        for number, place, _ in tries:
            write(number, "done" if done[place] else "lost")
        return done

    storage.put = noted


def read_permits(logs: list[Path]) -> list[Bucket]:
    """The states of the bucket, one after another. A try without an answer is one whose process was killed: it was
    done where no other took its version."""
    tried: dict[tuple[int, int], tuple[int, str]] = {}
    answers: dict[tuple[int, int], str] = {}
    for line in (line for log in logs for line in log.read_text().splitlines()):
        pid, number, kind, *rest = json.loads(line)
        if kind == "tried":
            tried[pid, number] = (rest[0], rest[1])
        else:
            answers[pid, number] = kind
    states: dict[int, str] = {}
    for key in sorted(tried, key=lambda key: answers.get(key) != "done"):
        version, value = tried[key]
        if answers.get(key) != "lost":
            states.setdefault(version, value)
    return [msgspec.json.decode(states[version], type=Bucket) for version in sorted(states)]


def worst_window(states: list[Bucket], rate: str, burst: int) -> float:
    """By how many permits the worst of all windows is over what rate and burst allow: zero or less is fine."""
    parsed = parse_rate(rate)
    worst, lowest, before = float("-inf"), float("inf"), 0
    for state in states:
        passed = parsed.count * state.at
        lowest = min(lowest, before * parsed.period - passed)
        worst = max(worst, state.granted * parsed.period - passed - lowest)
        before = state.granted
    return worst / parsed.period - burst


def _work(url: str, burst: str, log: str) -> None:
    app = make_app(url, int(burst))

    @app.on_worker_start
    async def begin() -> None:
        write_down((await app.here()).storage, Path(log))
        print("ready", flush=True)

    app.run({"calls": SLOTS})


if __name__ == "__main__":
    _work(*sys.argv[1:4])
