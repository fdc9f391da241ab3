"""Another program as a child of this one: it ends when we end, and its processes can be frozen and killed."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

_TETHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Has the kernel end the program when its parent ends, however that ends: nothing of ours would run on a SIGKILL.
Not in ``preexec_fn``, which is not safe where threads run. The parent may be gone before the order is placed."""

_STOPPED = "T"
_ENDED = ("", "Z", "X")
_LOOK = 0.002


class Program:
    """One run of a program, in a session of its own: a Ctrl-C of the terminal doesn't reach it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @staticmethod
    async def start(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> "Program":
        """Run ``arguments``, the first of which is an absolute path, with all they print in ``log``."""
        tether = [sys.executable, "-I", "-S", "-c", _TETHER, str(os.getpid())]
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *tether,
                *arguments,
                env=dict(environment),
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                start_new_session=True,
            )
        return Program(process)

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.returncode

    def owns(self, pid: int) -> bool:
        """Whether this process is ours or descends from it. Asked before each signal: pids are used again."""
        while pid > 1:
            if pid == self.pid:
                return self.exit_code is None
            _, pid = _state_and_parent(pid)
        return False

    async def freeze(self, pid: int) -> bool:
        """Stop a process where it is, and return once it stands still; False where it isn't ours, or ended."""
        if not self.owns(pid):
            return False
        os.kill(pid, signal.SIGSTOP)
        while True:
            state, _ = _state_and_parent(pid)
            if state == _STOPPED or state in _ENDED:
                return state == _STOPPED
            await asyncio.sleep(_LOOK)

    def thaw(self, pid: int) -> None:
        """Let a frozen process go on."""
        if self.owns(pid):
            os.kill(pid, signal.SIGCONT)

    def kill(self, pid: int) -> None:
        """End a process at once, as a crash would."""
        if self.owns(pid):
            os.kill(pid, signal.SIGKILL)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        return await self._process.wait()

    async def stop(self, grace: float) -> None:
        """Ask it to end, and make it end after ``grace`` seconds. Idempotent."""
        if self.exit_code is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def _state_and_parent(pid: int) -> tuple[str, int]:
    """From /proc; the name in brackets may hold anything, so the fields are counted from its end. 0: no process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[1])
