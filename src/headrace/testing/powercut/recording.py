"""What a program asked of the disk, in order: recorded with ``strace``, which sees the calls that were really made."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

_CALLS = (
    "pwrite64,write,pwritev,pwritev2,writev,fdatasync,fsync,sync,syncfs,ftruncate,truncate,unlink,unlinkat,"
    "link,linkat,rename,renameat,renameat2,fallocate,open,openat,creat,sync_file_range,copy_file_range,sendfile"
)
_LONGEST = 4_000_000
"""Bytes of one write that are written down."""
_LINE = re.compile(
    r"(\d+) +(?:(\w+)\((.*)\) += (-?\d+)|(\w+)\((.*) <unfinished \.\.\.>|<\.\.\. (\w+) resumed>(.*)\) += (-?\d+))"
)
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_PATH = re.compile(r"(\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>")
_NUMBER = re.compile(r"^(?:, )?(\d+)")


class Write(msgspec.Struct, frozen=True):
    """Bytes into a file."""

    file: int
    offset: int
    data: bytes


class Resize(msgspec.Struct, frozen=True):
    """A file is cut or made longer."""

    file: int
    size: int


class Sync(msgspec.Struct, frozen=True):
    """What was written to a file before ``since`` is on the disk."""

    file: int
    since: int
    """How many operations came before it began."""
    failed: bool = False
    """It was not done, and the program was told so."""


class Name(msgspec.Struct, frozen=True):
    """A name in the folder stands for a file from now on; None: it is gone."""

    name: str
    file: int | None


class SyncFolder(msgspec.Struct, frozen=True):
    """Names given and taken before ``since`` are on the disk."""

    since: int


class Say(msgspec.Struct, frozen=True):
    """The program told somebody something: whoever heard it relies on it."""

    text: str


Operation = Write | Resize | Sync | Name | SyncFolder | Say


class NoRecorder(RuntimeError):
    """There is no strace here, or it may not trace."""


class NotModelled(RuntimeError):
    """The program asked for something that this model of a disk does not know."""


def record(
    arguments: Sequence[str], folder: Path, channel: Path, trace: Path, fail: str | None = None
) -> Sequence[Operation]:
    """What ``python arguments`` does to the files of ``folder``, which is empty at the beginning, and tells through
    ``channel``. ``fail``: which calls fail, as ``strace -e inject`` has it."""
    strace = shutil.which("strace")
    if strace is None:
        raise NoRecorder("there is no strace: install it (Debian: apt-get install strace)")
    how = ["-f", "--seccomp-bpf", "-y", "-xx", "-s", str(_LONGEST), "-e", f"trace={_CALLS}", "-o", str(trace)]
    how += [] if fail is None else ["-e", f"inject={fail}"]
    source = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    command = [strace, *how, sys.executable, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        kind = NoRecorder if not trace.exists() or not trace.stat().st_size else RuntimeError
        raise kind(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")
    with trace.open() as lines:
        operations = list(Reader(folder, channel).read(lines))
    seen = {type(operation) for operation in operations}
    if not seen >= {Write, Sync, Say}:
        raise NotModelled(f"the trace shows nothing but {seen}: it can't be understood")
    return operations


class Reader:
    """Reads a trace. Of one folder, files in it alone."""

    def __init__(self, folder: Path, channel: Path) -> None:
        self._folder, self._channel = os.fspath(folder), os.fspath(channel)
        self._names: dict[str, int] = {}
        self._open: dict[int, int | None] = {}
        """Files by descriptor: of one process, whose threads share them. None: one that never had a name."""
        self._files = 0
        self._count = 0
        self._unfinished: dict[str, tuple[str, int]] = {}
        """By thread: the arguments of the call it is in, and how many operations came before."""

    def read(self, lines: Iterator[str]) -> Iterator[Operation]:
        """The operations, in the order in which they were done."""
        for line in lines:
            found = _LINE.match(line)
            if found is None:
                continue
            thread, call, arguments, answer, begun, first, resumed, rest, late = found.groups()
            if begun is not None:
                self._unfinished[thread] = (first, self._count)
                continue
            since = self._count
            if resumed is not None:
                first, since = self._unfinished.pop(thread)
                call, arguments, answer = resumed, first + rest, late
            for operation in self._understand(call, arguments, int(answer), since):
                self._count += 1
                yield operation

    def _understand(self, call: str, arguments: str, answer: int, since: int) -> Iterator[Operation]:
        if answer < 0:
            if call in ("fsync", "fdatasync") and (file := self._file(arguments)) is not None:
                yield Sync(file, since, failed=True)
            return
        match call:
            case "open" | "openat" | "creat":
                yield from self._opened(arguments, answer)
            case "pwrite64" | "write":
                yield from self._written(call, arguments, answer)
            case "ftruncate":
                if (file := self._file(arguments)) is not None:
                    yield Resize(file, int(arguments.rsplit(", ", 1)[1]))
            case "fsync" | "fdatasync":
                if self._path(arguments) == self._folder:
                    yield SyncFolder(since)
                elif (file := self._file(arguments)) is not None:
                    yield Sync(file, since)
            case "unlink" | "unlinkat":
                yield from self._name(self._texts(arguments)[0], None)
            case "link" | "linkat":
                old, new = self._texts(arguments)
                yield from self._name(new, self._names.get(old))
            case "rename" | "renameat" | "renameat2":
                old, new = self._texts(arguments)
                yield from self._name(new, self._names.get(old))
                yield from self._name(old, None)
            case _:
                paths = [self._path(arguments), *self._texts(arguments)]
                if any(path is not None and self._is_here(path) for path in paths):
                    raise NotModelled(f"{call} on a file of {self._folder}")

    def _opened(self, arguments: str, descriptor: int) -> Iterator[Operation]:
        (path,) = self._texts(arguments)
        self._open.pop(descriptor, None)
        if "O_TMPFILE" in arguments:
            self._open[descriptor] = None
        if not self._is_here(path) or "O_DIRECTORY" in arguments:
            return
        if path not in self._names and "O_CREAT" in arguments:
            self._files += 1
            yield from self._name(path, self._files)
        if path in self._names:
            self._open[descriptor] = self._names[path]
            if "O_TRUNC" in arguments:
                yield Resize(self._names[path], 0)

    def _written(self, call: str, arguments: str, answer: int) -> Iterator[Operation]:
        path = self._path(arguments)
        if path != self._channel and (path is None or self._file(arguments) is None):
            return
        found = _TEXT.search(arguments)
        if found is None or found[2]:
            raise NotModelled(f"{call} of more than {_LONGEST} bytes")
        data = _bytes(found[1])[:answer]
        if path == self._channel:
            yield Say(data.decode())
        elif call == "write":
            raise NotModelled(f"write on {path}: where to, the trace does not say")
        else:
            file = self._file(arguments)
            assert file is not None
            yield Write(file, int(arguments.rsplit(", ", 1)[1]), data)

    def _name(self, path: str, file: int | None) -> Iterator[Operation]:
        if not self._is_here(path):
            return
        if file is None:
            self._names.pop(path, None)
        else:
            self._names[path] = file
        yield Name(os.path.basename(path), file)

    def _is_here(self, path: str) -> bool:
        return os.path.dirname(path) == self._folder and not path.endswith("-shm")  # that is memory

    def _path(self, arguments: str) -> str | None:
        found = _PATH.match(arguments)
        return None if found is None else os.fsdecode(_bytes(found[2]))

    def _file(self, arguments: str) -> int | None:
        path, found = self._path(arguments), _NUMBER.match(arguments)
        if path is None or found is None or not self._is_here(path):
            return None
        if int(found[1]) not in self._open:
            raise NotModelled(f"a call on {path}, which was not opened")
        return self._open[int(found[1])]

    def _texts(self, arguments: str) -> Sequence[str]:
        return [os.fsdecode(_bytes(found[1])) for found in _TEXT.finditer(arguments)]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
