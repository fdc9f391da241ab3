"""A program that a job runs: what it may ask for, and what its end means."""

import errno
import posixpath
import signal
from collections.abc import Mapping, Sequence

import msgspec

from headrace.model.codec import MAX_RESULT
from headrace.model.errors import InvalidOption

_QUOTED = 256
"""Bytes of what a failed program printed last that its error shows."""
_MOST_OUTPUT = MAX_RESULT
_CONTINUES = range(0x80, 0xC0)
"""The bytes of UTF-8 that begin no character."""


class Bounds(msgspec.Struct, frozen=True):
    """What all commands of one task are held to."""

    root: str
    """An absolute path: no command starts outside of it."""
    environment: tuple[str, ...]
    """The variables that a command may have: from the worker, or from its job."""
    output: int
    """Bytes kept of stdout and of stderr."""


class Command(msgspec.Struct, frozen=True):
    """What one job asks for."""

    argv: Sequence[str]
    cwd: str | None = None
    """Relative to the root; None: the root itself."""
    env: Mapping[str, str] | None = None
    stdin: str | None = None


class CommandResult(msgspec.Struct, frozen=True):
    """What a program printed that ended well."""

    exit_code: int
    """0: any other one is a failed attempt."""
    stdout: str
    """The end of it."""
    stderr: str
    """The end of it."""
    stdout_size: int
    """Bytes of all of it."""
    stderr_size: int
    """Bytes of all of it."""


def check_bounds(root: object, environment: object, output: object) -> Bounds:
    """The bounds, or InvalidOption."""
    return Bounds(_check_root(root), _check_names(environment), _check_output(output))


def _check_root(value: object) -> str:
    if not (isinstance(value, str) and value.startswith("/")) or "\0" in value or ".." in value.split("/"):
        raise InvalidOption("root", value, "it must be an absolute path without ..")
    return posixpath.normpath(value)


def _check_names(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidOption("environment", value, "it must be a sequence of names of variables")
    for name in value:
        if not (isinstance(name, str) and name) or "=" in name or "\0" in name:
            raise InvalidOption("environment", name, "a variable's name is text, without = or NUL")
    return tuple(value)


def _check_output(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_OUTPUT:
        raise InvalidOption("output", value, f"it must be a number of bytes from 1 to {_MOST_OUTPUT:,}")
    return value


def check_argv(argv: object) -> Sequence[str]:
    """The words of a command, or InvalidOption."""
    if isinstance(argv, str | bytes) or not isinstance(argv, Sequence) or not argv or not argv[0]:
        raise InvalidOption("argv", argv, "it must be a list: the program, then what it is told")
    for word in argv:
        if not isinstance(word, str) or "\0" in word:
            raise InvalidOption("argv", argv, "its words must be text without NUL")
    return argv


def check_command(bounds: Bounds, command: Command) -> None:
    """InvalidOption where this may not be run. Where symlinks lead, only a worker can tell."""
    check_argv(command.argv)
    cwd = command.cwd
    if cwd is not None:
        if not cwd or "\0" in cwd:
            raise InvalidOption("cwd", cwd, "it must be a path")
        if not _is_inside(posixpath.normpath(posixpath.join(bounds.root, cwd)), bounds.root):
            raise InvalidOption("cwd", cwd, f"it must lie inside root={bounds.root}")
    for name, value in (command.env or {}).items():
        if name not in bounds.environment:
            allowed = f"only these may be set: {', '.join(bounds.environment) or 'none'}"
            raise InvalidOption("env", name, allowed)  # its value may be a secret
        if "\0" in value:
            raise InvalidOption("env", name, "its value has a NUL")


def _is_inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def environment_of(bounds: Bounds, command: Command, workers: Mapping[str, str]) -> Mapping[str, str]:
    """All variables of a command, ``workers`` being those of the worker."""
    return {name: workers[name] for name in bounds.environment if name in workers} | dict(command.env or {})


def exit_text(code: int) -> str:
    """An exit code, or minus a signal, as messages name it."""
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit code {code}"


def end_text(code: int, stdout: bytes, stderr: bytes) -> str:
    """How a program ended, and what it printed last."""
    said = _text((stderr.strip() or stdout.strip())[-_QUOTED:]).strip()
    return f"{exit_text(code)}: {said}" if said else exit_text(code)


def start_text(step: str, number: int, why: str, argv: Sequence[str], root: str, cwd: str) -> tuple[str, bool]:
    """Why a program was not started, and whether trying again is of no use.

    That a program or a folder is missing may be true of one machine only, or until the next deploy. That a job leaves
    its root, or has more arguments than the kernel takes, stays true.
    """
    match step:
        case "root":
            return f"root={root} can't be entered: {why}", False
        case "cwd":
            return f"cwd={cwd} can't be entered: {why}", False
        case "outside":
            return f"cwd={cwd} leads out of root={root}", True
        case _ if number == errno.E2BIG:
            return f"program {argv[0]!r} can't be told so much: {why}", True
        case _:
            return f"program {argv[0]!r} can't be run: {why}", False


def result_of(code: int, stdout: bytes, stdout_size: int, stderr: bytes, stderr_size: int) -> CommandResult:
    """What is kept as the job's result: less where it would be too large, as control characters take six bytes."""
    most = max(len(stdout), len(stderr), 1)
    while True:
        out, err = (
            _text(part[-most:], cut=size > most) for part, size in ((stdout, stdout_size), (stderr, stderr_size))
        )
        result = CommandResult(code, out, err, stdout_size, stderr_size)
        if len(msgspec.json.encode(result)) <= MAX_RESULT:
            return result
        most //= 2


def _text(data: bytes, *, cut: bool = True) -> str:
    begin = 0
    while cut and begin < min(3, len(data)) and data[begin] in _CONTINUES:
        begin += 1
    return data[begin:].decode("utf-8", "replace")
