"""The demo's own account of what was acknowledged, outside the store: what the store is held to at the end."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
_SYNC_EVERY = 100
LEDGER = "acknowledged.txt"
"""Its name in the demo's folder."""


class Ledger:
    """Appends ids, each only after its acknowledgement."""

    def __init__(self, path: Path, *, goes_on: bool = False) -> None:
        """``goes_on``: keeps what an earlier process has written."""
        self.path = path
        self._ids: set[str] = set(read_ledger(path)) if goes_on and path.exists() else set()
        self._unsynced = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if goes_on else os.O_TRUNC), 0o644)

    def append(self, ids: Sequence[str]) -> None:
        """One write: a crash in between leaves whole lines."""
        os.write(self._file, "".join(f"{job_id}\n" for job_id in ids).encode())
        self._ids.update(ids)
        self._unsynced += len(ids)
        if self._unsynced >= _SYNC_EVERY:
            self._sync()

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def _sync(self) -> None:
        os.fsync(self._file)
        self._unsynced = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sync()
        os.close(self._file)


def read_ledger(path: Path) -> Sequence[str]:
    """The acknowledged ids, as they stand in the file."""
    return path.read_text().split()


def batches(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """``items`` in order, at most ``size`` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))
