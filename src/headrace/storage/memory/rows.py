"""The rows, and where each stands: every change of a row goes through here, so that no index can disagree with it."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator

from headrace.model.change import order
from headrace.model.job import Job
from headrace.model.state import FINAL, State
from headrace.storage.memory.line import Line

_PENDING = State.PENDING
_RUNNING = State.RUNNING
_SCHEDULED = State.SCHEDULED
_RETRYING = State.RETRYING
"""Looking a member up on its enum costs more than the comparison that it is for."""


class Lane:
    """The rows of one queue."""

    def __init__(self, rows: "Rows") -> None:
        self.counts: dict[State, int] = dict.fromkeys(State, 0)
        self.running: set[str] = set()
        self.pending: Line[tuple[int, int, str]] = Line(rows.is_pending)
        self.later: Line[tuple[int, str]] = Line(rows.is_later)
        self.finals = {state: Line[tuple[int, str]](rows.became_final(state)) for state in FINAL}


class Rows:
    """All jobs by id; by queue and state in the order in which they are needed; running ones by worker."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.lanes: dict[str, Lane] = {}
        self.held_by: defaultdict[str, set[str]] = defaultdict(set)
        self.ageing = {state: Line[tuple[int, str]](self.became_final(state)) for state in FINAL}
        """Final jobs by the moment they became so, but for those that have a retention of their own."""
        self.expiring = {state: Line[tuple[int, str]](self._expires) for state in FINAL}
        """Final jobs by the moment their own retention ends."""
        self._finals: Counter[State] = Counter()
        self._ids: list[str] = []
        self._sorted = True

    # --- which entries live ------------------------------------------------------------------------------------------

    def is_pending(self, entry: tuple[int, int, str]) -> bool:
        """Whether the entry of a pending line is that of a job as it is now."""
        job = self.jobs.get(entry[2])
        return job is not None and job.state is _PENDING and order(job) == entry

    def is_later(self, entry: tuple[int, str]) -> bool:
        """Whether the entry's job waits for that due time."""
        job = self.jobs.get(entry[1])
        return job is not None and job.due_at == entry[0] and job.state in (_SCHEDULED, _RETRYING)

    def became_final(self, state: State):  # type: ignore[no-untyped-def]
        """A test whether the entry's job entered this final state at that moment."""

        def lives(entry: tuple[int, str]) -> bool:
            job = self.jobs.get(entry[1])
            return job is not None and job.finished_at == entry[0] and job.state is state

        return lives

    def _expires(self, entry: tuple[int, str]) -> bool:
        job = self.jobs.get(entry[1])
        return job is not None and job.state in FINAL and _expires_at(job) == entry[0]
