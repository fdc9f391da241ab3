"""What a program was told by its store, and what a store that was opened after a power cut makes of it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from headrace.model.job import Job
from headrace.model.state import FINAL, RUNNING

COUNT = "count"
"""The name of the record that is written again and again: its value is how often."""


class Kind(StrEnum):
    """What a program says: what it is about to ask for, and what it was answered."""

    INSERTING = "inserting"
    INSERTED = "inserted"
    REFUSED = "refused"
    CLAIMED = "claimed"
    SETTLING = "settling"
    SETTLED = "settled"
    PUTTING = "putting"
    PUT = "put"
    DELETING = "deleting"
    DELETED = "deleted"


class Aftermath(msgspec.Struct, frozen=True):
    """What is wrong with a store after a power cut."""

    promised: int = 0
    """Acknowledgements that had been given."""
    lost: Sequence[str] = ()
    """Those that do not hold any more."""
    ghosts: Sequence[str] = ()
    """What is there and was refused, or never asked for."""
    holes: Sequence[str] = ()
    """What is gone though something is there that was begun only after it was acknowledged."""
    damaged: str | None = None
    """Why the file can't be used, or contradicts itself."""


class Promises:
    """All that was said up to a moment."""

    def __init__(self) -> None:
        self._place = 0
        self._begun: dict[str, int] = {}
        """Jobs, and when their insert was asked for."""
        self._inserted: dict[str, int] = {}
        """Those of which it was acknowledged, and when."""
        self._refused: set[str] = set()
        self._reached: dict[str, int] = {}
        """How far in its life each job is, as was acknowledged."""
        self._generations: dict[str, int] = {}
        self._settling: dict[str, set[str]] = {}
        self._deleting: set[str] = set()
        self._deleted: set[str] = set()
        self._putting = self._put = 0
        self._number = 0

    def hear(self, text: str) -> None:
        """Lines that were said."""
        for line in text.splitlines():
            self._place += 1
            kind, *words = line.split()
            self._hear(Kind(kind), words)

    def _hear(self, kind: Kind, words: Sequence[str]) -> None:
        match kind:
            case Kind.INSERTING:
                self._begun.update(dict.fromkeys(words, self._place))
            case Kind.INSERTED:
                self._inserted.update(dict.fromkeys(words, self._place))
            case Kind.REFUSED:
                self._refused.update(words)
            case Kind.CLAIMED:
                for word in words:
                    job_id, generation = word.split(":")
                    self._generations[job_id] = int(generation)
                    self._reached[job_id] = 2 * int(generation) - 1
            case Kind.SETTLING:
                for word in words:
                    job_id, state = word.split(":")
                    self._settling.setdefault(job_id, set()).add(state)
            case Kind.SETTLED:
                for job_id in (word.split(":")[0] for word in words):
                    self._reached[job_id] = 2 * self._generations[job_id]
            case Kind.PUTTING:
                self._putting = int(words[0])
            case Kind.PUT:
                self._put = int(words[0])
            case Kind.DELETING:
                self._deleting.update(words)
            case Kind.DELETED:
                self._deleted.update(words)

    def compare(self, jobs: Mapping[str, Job], count: int) -> Aftermath:
        """What these jobs, and this value of the record, make of what was said."""
        lost = [f"{job_id} is gone" for job_id in self._inserted if job_id not in jobs and job_id not in self._deleting]
        lost += [f"{job_id} is back" for job_id in self._deleted if job_id in jobs]
        lost += [
            f"{job_id} is {jobs[job_id].state} at generation {jobs[job_id].generation}"
            for job_id, reached in self._reached.items()
            if job_id in jobs and _reached(jobs[job_id]) < reached
        ]
        ghosts = [f"{job_id} was refused" for job_id in self._refused if job_id in jobs]
        ghosts += [f"{job_id} was never asked for" for job_id in jobs.keys() - self._begun.keys() - self._refused]
        ghosts += [
            f"{job.id} is {job.state} for nothing"
            for job in jobs.values()
            if job.state in FINAL and job.state not in self._settling.get(job.id, ())
        ]
        if count < self._put:
            lost.append(f"{COUNT} is {count}, not {self._put}")
        if count > self._putting:
            ghosts.append(f"{COUNT} is {count}, not yet {self._putting}")
        promised = len(self._inserted) + len(self._deleted) + len(self._reached) + 1
        return Aftermath(promised, lost, ghosts, self._holes(jobs))

    def _holes(self, jobs: Mapping[str, Job]) -> Sequence[str]:
        youngest = max((self._begun[job_id] for job_id in jobs if job_id in self._begun), default=0)
        return [
            f"{job_id} is gone, and what was begun later is there"
            for job_id, acknowledged in self._inserted.items()
            if job_id not in jobs and job_id not in self._deleting and acknowledged < youngest
        ]


def _reached(job: Job) -> int:
    return 2 * job.generation - (job.state in RUNNING)
