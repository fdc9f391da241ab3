"""What every bench shares: the job, the stores, the clock, the table."""

import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, perf_counter

from headrace import Headrace, Task

PAYLOAD = {"user": 123456, "email": "user123456@example.com", "kind": "welcome", "note": "x" * 23, "flag": True}
"""110 bytes of JSON."""

MEMORY, SQLITE, HYBRID = "memory", "sqlite, synchronous=FULL", "hybrid, interval 1 s"


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    question: str
    store: str
    value: float
    unit: str
    target: float | None = None
    least: bool = True
    """Whether the target is a lower bound."""

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None where there is none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.least else self.value <= self.target


def make_app(url: str) -> Headrace:
    """An app with the tasks that benches run."""
    app = Headrace(url)

    @app.task(name="noop")
    async def noop(user: int, email: str, kind: str, note: str, flag: bool) -> None: ...

    @app.task(name="mark")
    async def mark(sent: float) -> None:
        marks.append(monotonic() - sent)

    return app


def task_of(app: Headrace, name: str) -> Task:
    """The task of this name, to enqueue with."""
    handler = app.registry.get(name)
    assert handler is not None
    return Task(app, handler.function, handler)


marks: list[float] = []


@contextmanager
def store(kind: str) -> Iterator[str]:
    """The URL of a fresh store on a real disk."""
    if kind == MEMORY:
        yield "memory:"
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DATA")) as folder:
        yield f"hybrid:///{folder}/jobs.snap" if kind == HYBRID else f"sqlite:///{folder}/jobs.db"


def timed(work: Callable[[], object]) -> float:
    """Seconds that it took."""
    started = perf_counter()
    work()
    return perf_counter() - started


def fsync_milliseconds() -> float:
    """What one fsync of a small append costs here."""
    with tempfile.NamedTemporaryFile(dir=os.environ.get("BENCH_DATA")) as file:
        descriptor = file.fileno()
        started = perf_counter()
        for _ in range(200):
            os.write(descriptor, b"x" * 4096)
            os.fdatasync(descriptor)
        return (perf_counter() - started) / 200 * 1000


def machine() -> dict[str, object]:
    """Where and on what the figures were measured."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "fsync": f"{fsync_milliseconds():.2f} ms",
        "load": os.getloadavg()[0],
        "commit": commit or "?",
        "payload": f"{len(json.dumps(PAYLOAD, separators=(',', ':')))} bytes",
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def show(figures: list[Figure]) -> None:
    """Print a table."""
    print(f"\n{'question':44} {'store':26} {'figure':>12} {'unit':10} {'target':>12}")
    for figure in figures:
        mark = {True: "met", False: "MISSED", None: ""}[figure.met]
        sign = ">=" if figure.least else "<="
        target = "" if figure.target is None else f"{sign} {figure.target:,.6g}"
        print(
            f"{figure.question:44} {figure.store:26} {_number(figure.value):>12} {figure.unit:10} {target:>12} {mark}"
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def save(path: str, figures: list[Figure]) -> None:
    """Keep the figures as data."""
    rows = [asdict(figure) | {"met": figure.met} for figure in figures]
    Path(path).write_text(json.dumps({"machine": machine(), "figures": rows}, indent=1) + "\n")


def run_python(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """A child of this interpreter, for benches across processes."""
    return subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, env=os.environ | environment
    )
