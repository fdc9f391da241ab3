"""Workers as processes: started, weighed, and ended, with all that they started."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_TICKS = os.sysconf("SC_CLK_TCK")
_GRACE = 3.0


@contextmanager
def workers(
    commands: Sequence[Sequence[str]], environment: Mapping[str, str], log: Path
) -> Iterator[Sequence[subprocess.Popen[bytes]]]:
    """These programs, from entry to exit."""
    started: list[subprocess.Popen[bytes]] = []
    with log.open("wb") as told:
        try:
            started += [_start(command, environment, told) for command in commands]
            yield started
        finally:
            for worker in started:
                end(worker)


def _start(command: Sequence[str], environment: Mapping[str, str], told: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment, stdout=told, stderr=told, start_new_session=True)


def family(pid: int) -> Sequence[int]:
    """A process, and all that it started."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _fields(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, going = [], [pid]
    while going:
        found.append(going.pop())
        going += children.get(found[-1], [])
    return found


def _fields(pid: int) -> Sequence[str]:
    """Of its ``stat``, from the state on."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ()


def megabytes(pid: int) -> float:
    """The peaks of all its processes; pages that they share count in each."""
    return sum(_peak(member) for member in family(pid)) / 1024


def _peak(pid: int) -> int:
    try:
        lines = (Path("/proc") / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def share_of_a_core(pid: int, seconds: float) -> float:
    """What it takes while nothing is asked of it."""
    before, began = _spent(pid), time.monotonic()
    time.sleep(seconds)
    return (_spent(pid) - before) / (time.monotonic() - began)


def _spent(pid: int) -> float:
    every = [fields for member in family(pid) if (fields := _fields(member))]
    return sum(int(fields[11]) + int(fields[12]) for fields in every) / _TICKS


def end(worker: subprocess.Popen[bytes]) -> None:
    """First asked, then killed."""
    members = family(worker.pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in members:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        until = time.monotonic() + _GRACE
        while time.monotonic() < until:
            worker.poll()
            if not any(os.path.exists(f"/proc/{pid}") for pid in members):
                return
            time.sleep(0.05)
