"""The closing account: the ledger is held against the store, job by job."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from headrace.interface.cli.demo.ledger import batches
from headrace.interface.cli.demo.symbols import Symbols, index_path
from headrace.model.codec import decode_result
from headrace.model.job import Job
from headrace.model.state import FINAL, State
from headrace.storage.contract import Storage

_BATCH = 500


class Window(NamedTuple):
    """What a storage that keeps jobs a little after it acknowledges them may have lost in a kill."""

    seconds: float = 0.0
    jobs: frozenset[str] = frozenset()
    """Acknowledged so shortly before."""


NOTHING = Window()


@dataclass
class Audit:
    """What became of each acknowledged job."""

    acknowledged: int
    expected: int
    """Jobs that were to be enqueued."""
    window: Window = NOTHING
    completed: int = 0
    lost: list[str] = field(default_factory=list)
    """Acknowledged, and unknown to the store or not final."""
    unfinished: list[str] = field(default_factory=list)
    """Final, but dead or cancelled."""
    unindexed: list[str] = field(default_factory=list)
    """Completed without its file in the index."""
    rescued: list[Job] = field(default_factory=list)
    """Completed with a crash behind them."""
    symbols: list[tuple[str, Symbols]] = field(default_factory=list)
    """What the jobs returned, with their ids."""

    @property
    def broken(self) -> list[str]:
        """Lost against the storage's promise."""
        return [job_id for job_id in self.lost if job_id not in self.window.jobs]

    @property
    def problem(self) -> str | None:
        """What is not as it has to be; None where all is well."""
        if self.broken:
            return f"{len(self.broken):,} acknowledged jobs were lost, such as {self.broken[0]}"
        if self.acknowledged != self.expected:
            return f"{self.acknowledged:,} jobs were acknowledged and {self.expected:,} enqueued"
        if self.unfinished:
            return f"{len(self.unfinished):,} jobs ended without completing, such as {self.unfinished[0]}"
        if self.unindexed:
            return f"{len(self.unindexed):,} completed jobs left no index, such as {self.unindexed[0]}"
        if not self.rescued:
            return "no job was rescued: the kill hit no worker that held a job. Try again, or with more files"
        return None


async def take_audit(
    storage: Storage, ids: Sequence[str], expected: int, folder: Path, window: Window = NOTHING
) -> Audit:
    """Ask the store for each id of the ledger."""
    audit = Audit(acknowledged=len(set(ids)), expected=expected, window=window)
    for batch in batches(list(dict.fromkeys(ids)), _BATCH):
        for job_id, job in zip(batch, await storage.get(batch), strict=True):
            _enter(audit, job_id, job, folder)
    return audit


def _enter(audit: Audit, job_id: str, job: Job | None, folder: Path) -> None:
    if job is None or job.state not in FINAL:
        audit.lost.append(job_id)
        return
    if job.state is not State.COMPLETED:
        audit.unfinished.append(job_id)
        return
    audit.completed += 1
    if job.crashes:
        audit.rescued.append(job)
    symbols = decode_result(job.result, Symbols) if job.result is not None else None
    if not isinstance(symbols, Symbols) or not index_path(str(folder), symbols.source).exists():
        audit.unindexed.append(job_id)
        return
    audit.symbols.append((job_id, symbols))
