"""What the demo's processes tell each other through files: what is to be enqueued, and how far it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

_PLAN, _PROGRESS, _DRAFT = "plan.txt", "progress.json", "progress.draft"


class Planned(NamedTuple):
    """A job to be enqueued. Its id is made before, so that asked for twice it is there once."""

    job_id: str
    source: str


class Progress(msgspec.Struct, frozen=True):
    """How far a process is, as it says itself."""

    pid: int
    done: int
    left: int
    held: Sequence[str]
    """The files that it is at."""


def write_plan(folder: Path, planned: Sequence[Planned]) -> None:
    """For the process that enqueues."""
    (folder / _PLAN).write_text("".join(f"{one.job_id}\t{one.source}\n" for one in planned))


def read_plan(folder: Path) -> Sequence[Planned]:
    """In that process."""
    return [Planned(*line.split("\t")) for line in (folder / _PLAN).read_text().splitlines()]


def write_progress(folder: Path, progress: Progress) -> None:
    """All of it or nothing: its writer may be killed."""
    draft = folder / _DRAFT
    draft.write_bytes(msgspec.json.encode(progress))
    draft.replace(folder / _PROGRESS)


def read_progress(folder: Path, pid: int) -> Progress | None:
    """What this process said last; None where it has said nothing yet."""
    try:
        progress = msgspec.json.decode((folder / _PROGRESS).read_bytes(), type=Progress)
    except FileNotFoundError:
        return None
    return progress if progress.pid == pid else None
