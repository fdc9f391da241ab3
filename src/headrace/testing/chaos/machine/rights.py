"""What a scenario needs of the machine, and whether it is there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_ENTERED = "HEADRACE_CHAOS_MOUNTS"
_LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib*/faketime/libfaketime.so.1")


def unshare() -> Sequence[str] | None:
    """The command that runs another where it may mount without anybody else's seeing it: as root with the right to
    mount, or as root of a user namespace; None where neither is allowed, as in most containers."""
    if shutil.which("unshare") is None:
        return None
    for options in (["--mount"], ["--map-root-user", "--mount"]):
        command = ["unshare", *options, "--propagation", "private"]
        if _succeeds([*command, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"]):
            return command
    return None


def may_mount() -> bool:
    """Whether this process was started by ``enter``."""
    return _ENTERED in os.environ


def enter(arguments: Sequence[str]) -> None:
    """Become a process that may mount, if there may be one: the program starts again, and returns from here at once."""
    command = unshare()
    if command is not None:
        program = [*command, sys.executable, "-m", "headrace.testing.chaos", *arguments]
        os.execvpe(program[0], program, {**os.environ, _ENTERED: "1"})


def tracer() -> str | None:
    """Where strace is, if it may trace."""
    path = shutil.which("strace")
    return path if path and _succeeds([path, "-f", "-qq", "-o", os.devnull, "true"]) else None


def faketime() -> str | None:
    """The library that fakes clocks."""
    found = [path for pattern in _LIBRARIES for path in Path("/").glob(pattern.removeprefix("/"))]
    return str(found[0]) if found else None


def _succeeds(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
