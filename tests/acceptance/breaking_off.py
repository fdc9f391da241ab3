"""``headrace move`` that is killed at every call to either store, before it and after it, and run again each time.

``python breaking_off.py FOLDER TARGETS STEP``: FOLDER holds ``filled.db``; TARGETS is the URL of a target with {number}
in it. With a STEP of 1 every call is met, with 2 every second one. Prints how many moves were killed. Each runs in a
process of its own, forked from this one, which has imported all.
"""

import asyncio
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

# Imported when they are needed, and so by each child anew: not where they are there already.
import headrace.storage.postgres.examining
import headrace.storage.sqlite.storage  # noqa: F401
from headrace.interface.cli.commands import move
from headrace.model.mark import Progress
from headrace.runtime import moving
from headrace.storage.contract import Storage
from headrace.storage.moving import Kept
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock
from headrace.testing.failing import FailingStorage, Fault, Faults

PAGE = 25
"""Rows to a page: so that there are some."""


def die() -> Exception:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def in_a_process(run: Callable[[], int]) -> int:
    """Its exit code, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = run()
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def command(source: str, target: str, number: int, *, applied: bool) -> int:
    """Killed at the call of that number, if there are so many."""
    faults = Faults()
    faults.fail_call(number, Fault(die, applied))
    opened = move.open_url
    moving.PAGE = PAGE

    def open_deadly(url: str, **options: object) -> Storage:
        return FailingStorage(opened(url, **options), faults)  # type: ignore[arg-type]

    move.open_url = open_deadly  # type: ignore[assignment]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    move.move(source, target, as_json=True)
    return 0


def check(source: str, target: str) -> int:
    """0 where all rows are in both, and only the target is in use."""
    return asyncio.run(_check(source, target))


async def _check(source: str, target: str) -> int:
    clock = SystemClock()
    rows: list[list[object]] = []
    marks = []
    for url in (source, target):
        storage = open_url(url, clock=clock)
        await storage.open()
        page = await storage.dump(limit=10_000)
        assert page.next is None
        rows.append([row.record if isinstance(row, Kept) else row for row in page.rows])
        marks.append(await storage.marked())
        await storage.close()
    assert rows[0] == rows[1], f"{len(rows[0])} rows, and {len(rows[1])} there"
    assert marks[0] is not None
    assert (marks[0].progress, marks[1]) == (Progress.MOVED, None)
    return 0


def run(folder: Path, targets: str, step: int) -> int:
    """How many were killed."""
    killed = 0
    for place in count(0, step):
        number, applied = place // 2 + 1, bool(place % 2)
        source, target = folder / f"source_{place}.db", targets.format(number=place)
        shutil.copy(folder / "filled.db", source)
        url = f"sqlite:///{source}"
        code = in_a_process(partial(command, url, target, number, applied=applied))
        if code:
            assert code == -signal.SIGKILL, f"call {number}: {code}"
            killed += 1
            assert in_a_process(partial(command, url, target, 10**9, applied=False)) == 0, number
        assert in_a_process(partial(check, url, target)) == 0, number
        if not code:
            break
    return killed


if __name__ == "__main__":
    print(run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
