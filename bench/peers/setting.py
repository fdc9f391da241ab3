"""What every adapter shares: the job, the places, and the trace that handlers leave.

A handler calls ``mark``: it appends when its job was enqueued and when it was begun to one file in memory. The clock is
one for all processes of the machine, and what was written is there however the worker ends.
"""

import glob
import os
import shutil
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

DATA = os.environ.get("BENCH_DATA", ".bench/data")
"""A folder on a real disk."""
_MEMORY = "/dev/shm"
TRACE = os.environ.get("BENCH_TRACE", f"{_MEMORY}/headrace-bench" if os.path.isdir(_MEMORY) else ".bench/trace")
URL = os.environ.get("BENCH_URL", "")
"""Of the database server, where there is one; of the store, for headrace."""
VARIANT = os.environ.get("BENCH_VARIANT", "")

Payload = dict[str, Any]
_MARK = struct.Struct("dd")
_opened: list[int] = []


def payload(number: int) -> Payload:
    """About 100 bytes of JSON; ``sent`` is the time of the enqueue, where latency is measured."""
    return {"id": number, "sent": 0.0, "email": f"user{number:06d}@example.com", "kind": "welcome", "note": "x" * 21}


def mark(job: Payload) -> None:
    """The handler of every queue."""
    if not _opened:
        _opened.append(os.open(TRACE, os.O_WRONLY | os.O_APPEND | os.O_CREAT))
    os.write(_opened[0], _MARK.pack(job["sent"], time.monotonic()))


def marks() -> Sequence[tuple[float, float]]:
    """When each job was sent and begun, as far as they were begun."""
    try:
        with open(TRACE, "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        return []
    return [(sent, begun) for sent, begun in _MARK.iter_unpack(raw[: len(raw) // _MARK.size * _MARK.size])]


def marked() -> int:
    """How many jobs were begun."""
    try:
        return os.stat(TRACE).st_size // _MARK.size
    except FileNotFoundError:
        return 0


def forget_marks() -> None:
    """Before a worker is started."""
    with open(TRACE, "wb"):
        pass


def data_path(name: str) -> str:
    """A file of this adapter on the disk."""
    return os.path.join(DATA, name)


def fresh_path(name: str) -> str:
    """The same, with nothing there that begins with this name."""
    os.makedirs(DATA, exist_ok=True)
    path = data_path(name)
    for old in glob.glob(glob.escape(path) + "*"):
        if os.path.isdir(old):
            shutil.rmtree(old)
        else:
            os.remove(old)
    return path


def pragmas(ask: Callable[[str], object]) -> str:
    """How durable a connection to SQLite is, as it says itself."""
    return ", ".join(f"{name}={ask(f'PRAGMA {name}')}" for name in ("journal_mode", "synchronous"))
