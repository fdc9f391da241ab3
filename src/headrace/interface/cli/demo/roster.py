"""Which process is which worker: each writes its pid down, so that the demo kills the one that holds a job."""

import os
from pathlib import Path

_FOLDER = "workers"
_written: set[Path] = set()


def prepare(folder: Path) -> None:
    """Make the place where workers write."""
    (folder / _FOLDER).mkdir(parents=True, exist_ok=True)


def sign(folder: str, worker: str) -> None:
    """Called in a worker's process, with each job."""
    path = Path(folder, _FOLDER, worker)
    if path not in _written:
        path.write_text(str(os.getpid()))
        _written.add(path)


def pid_of(folder: Path, worker: str) -> int | None:
    """None where this worker has not signed."""
    try:
        return int((folder / _FOLDER / worker).read_text())
    except (OSError, ValueError):
        return None
