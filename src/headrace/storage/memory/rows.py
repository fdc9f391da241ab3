"""The rows, and where each stands: every change of a row goes through here, so that no index can disagree with it."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator

from headrace.model.change import order
from headrace.model.job import Job, retention_of
from headrace.model.state import State
from headrace.storage.memory.line import Line

_PENDING = State.PENDING
_RUNNING = State.RUNNING
_LATER = frozenset({State.SCHEDULED, State.RETRYING})
"""Looking a member up on its enum costs more than the comparison that it is for."""


class Lane:
    """The rows of one queue."""

    def __init__(self, rows: "Rows", queue: str) -> None:
        self.counts: dict[State, int] = dict.fromkeys(State, 0)
        self.pending: Line[tuple[int, int, str]] = Line(rows.pending_in(queue))
        self.later: Line[tuple[int, str]] = Line(rows.later_in(queue))
        self.finals: dict[State, Finals] = {}
        """Made when the first job ends so: most queues never have jobs of every state, and there may be many queues."""


class Finals:
    """The rows of one queue that are final in one state."""

    def __init__(self, rows: "Rows", queue: str, state: State) -> None:
        ended, expires = rows.ended_in(queue, state), rows.expires_in(queue, state)
        self.by_end: Line[tuple[int, str]] = Line(ended)
        """By the moment they became so."""
        self.ageing: Line[tuple[int, str]] = Line(ended)
        """Likewise, but for those that have a retention of their own."""
        self.expiring: Line[tuple[int, str]] = Line(expires)
        """Those by the moment their own retention ends."""


class Rows:
    """All jobs by id; by queue and state in the order in which they are needed; running ones by worker."""

    def __init__(self, jobs: dict[str, Job]) -> None:
        self.jobs = jobs
        self.lanes: dict[str, Lane] = {}
        self.held_by: defaultdict[str, set[str]] = defaultdict(set)
        self._ids: list[str] = []
        self._highest_id = ""
        self._in_order = True

    def add(self, job: Job) -> None:
        """A new row."""
        job_id = job.id
        if job_id < self._highest_id:
            self._in_order = False
        else:
            self._highest_id = job_id
        self._ids.append(job_id)
        self.jobs[job_id] = job
        lane = self.lanes.get(job.queue)
        if lane is None:
            lane = self.lanes[job.queue] = Lane(self, job.queue)
        self._line_up(job, lane)

    def replace(self, before: Job, after: Job) -> None:
        """A row has changed."""
        self.jobs[after.id] = after
        if (
            after.state is not before.state
            or after.due_at != before.due_at
            or after.finished_at != before.finished_at
            or after.worker != before.worker
        ):
            lane = self.lanes[after.queue]
            self._step_out(before, lane)
            self._line_up(after, lane)

    def start(self, running: Job, lane: Lane) -> None:
        """A row whose entry was taken from its pending line has been claimed. The short way of ``replace``."""
        self.jobs[running.id] = running
        lane.counts[_PENDING] -= 1
        self._line_up(running, lane)

    def remove(self, job: Job) -> None:
        """A row is gone."""
        del self.jobs[job.id]
        self._step_out(job, self.lanes[job.queue])

    def ended(self, state: State) -> list[tuple[str, Lane]]:
        """The queues that have jobs in this final state, by name."""
        return sorted((queue, lane) for queue, lane in self.lanes.items() if lane.counts[state])

    def held(self, worker: str, after: str | None) -> Iterator[Job]:
        """What this worker runs, in falling order of ids, from below ``after``."""
        for job_id in sorted(self.held_by.get(worker, ()), reverse=True):
            if after is None or job_id < after:
                yield self.jobs[job_id]

    def restore(self, job: Job) -> None:
        """A row as another store had it, new or in place of the one that is there."""
        before = self.jobs.get(job.id)
        if before is not None:
            self.remove(before)
        self.add(job)

    def oldest_first(self, after: str) -> Iterator[Job]:
        """Jobs in rising order of their ids, from above ``after``."""
        ids = self._sorted_ids()
        last = None
        for index in range(bisect_right(ids, after), len(ids)):
            job = self.jobs.get(ids[index])
            if job is not None and job.id != last:
                last = job.id
                yield job

    def _sorted_ids(self) -> list[str]:
        if not self._in_order or len(self._ids) > 2 * len(self.jobs) + 64:
            self._ids, self._in_order = sorted(self.jobs), True
        return self._ids

    def newest_first(self, after: str | None) -> Iterator[Job]:
        """Jobs in falling order of their ids, from below ``after``."""
        ids = self._sorted_ids()
        last = None
        for index in range((len(ids) if after is None else bisect_left(ids, after)) - 1, -1, -1):
            job = self.jobs.get(ids[index])
            # A removed job's id stays in the list, and so stands there twice when it is inserted again.
            if job is not None and job.id != last:
                last = job.id
                yield job

    def running(self, after: str | None) -> Iterator[Job]:
        """The same, of running jobs only: few of very many."""
        held = {job_id for ids in self.held_by.values() for job_id in ids}
        return (self.jobs[job_id] for job_id in sorted(held, reverse=True) if after is None or job_id < after)

    def _line_up(self, job: Job, lane: Lane) -> None:
        state = job.state
        lane.counts[state] += 1
        if state is _PENDING:
            lane.pending.push(order(job))
        elif state is _RUNNING:
            self.held_by[job.worker or ""].add(job.id)
        elif state in _LATER:
            lane.later.push((job.due_at, job.id))
        else:
            # The wall clock of a final row rises, so both lines are appended to at their ends.
            entry = (job.finished_at or 0, job.id)
            finals = lane.finals.get(state)
            if finals is None:
                finals = lane.finals[state] = Finals(self, job.queue, state)
            finals.by_end.push(entry)
            options = job.options  # looked at before it is asked: nearly all jobs ask for nothing
            if options.retention is None or retention_of(options, state) is None:
                finals.ageing.push(entry)
            else:
                finals.expiring.push((_expires_at(job), job.id))

    def _step_out(self, job: Job, lane: Lane) -> None:
        state = job.state
        lane.counts[state] -= 1
        if state is _RUNNING:
            held = self.held_by[job.worker or ""]
            held.discard(job.id)
            if not held:
                del self.held_by[job.worker or ""]
        elif state is _PENDING:
            lane.pending.forget(lane.counts[state])
        elif state in _LATER:
            lane.later.forget(sum(lane.counts[later] for later in _LATER))
        else:
            finals = lane.finals[state]
            for line in (finals.by_end, finals.ageing, finals.expiring):
                line.forget(lane.counts[state])

    # A job that was deleted may come back under its id in the same millisecond, in another queue or with another
    # priority: an entry lives only if all that it stands for is still so.

    def pending_in(self, queue: str) -> Callable[[tuple[int, int, str]], bool]:
        """A test whether an entry of this queue's pending line is that of a job as it is now."""
        jobs = self.jobs

        def lives(entry: tuple[int, int, str]) -> bool:
            job = jobs.get(entry[2])
            return (
                job is not None
                and job.state is _PENDING
                and job.due_at == entry[1]
                and job.priority == entry[0]
                and job.queue == queue
            )

        return lives

    def later_in(self, queue: str) -> Callable[[tuple[int, str]], bool]:
        """A test whether the entry's job waits in this queue for that due time."""
        jobs = self.jobs

        def lives(entry: tuple[int, str]) -> bool:
            job = jobs.get(entry[1])
            return job is not None and job.due_at == entry[0] and job.state in _LATER and job.queue == queue

        return lives

    def ended_in(self, queue: str, state: State) -> Callable[[tuple[int, str]], bool]:
        """A test whether the entry's job became final in this queue and state at that moment."""
        jobs = self.jobs

        def lives(entry: tuple[int, str]) -> bool:
            job = jobs.get(entry[1])
            return job is not None and job.finished_at == entry[0] and job.state is state and job.queue == queue

        return lives

    def expires_in(self, queue: str, state: State) -> Callable[[tuple[int, str]], bool]:
        """A test whether the entry's job is final in this queue and state, and its own retention ends then."""
        jobs = self.jobs

        def lives(entry: tuple[int, str]) -> bool:
            job = jobs.get(entry[1])
            return job is not None and _expires_at(job) == entry[0] and job.state is state and job.queue == queue

        return lives


def _expires_at(job: Job) -> int:
    return (job.finished_at or 0) + round((retention_of(job.options, job.state) or 0) * 1000)
