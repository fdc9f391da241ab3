"""Counts what becomes of a worker's attempts, and measures them: beside the path of every job, so in lists and numbers.

Counted is when a batch is settled; what began is not counted at all, but follows: what ended, and what runs more than
at the last look.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from headrace.model.change import Status, Verdict
from headrace.model.job import Job
from headrace.model.metric import Activity, Counts, Histogram, bucket_of, histogram_of
from headrace.model.state import State
from headrace.runtime import events
from headrace.runtime.attempt import Attempt
from headrace.runtime.completer import Settlement
from headrace.runtime.narrator import events_of, events_of_rescue

_COMPLETED, _APPLIED = State.COMPLETED, Status.APPLIED
_COUNTED = {
    events.STARTED: "started",
    events.COMPLETED: "completed",
    events.FAILED: "failed",
    events.RETRYING: "retried",
    events.DEAD_LETTER: "dead",
    events.CANCELLED: "cancelled",
    events.SNOOZED: "snoozed",
    events.THROTTLED: "throttled",
    events.RESCUED: "rescued",
}
"""Which field of Counts counts which event."""
_THIN = 256
"""Attempts measured in a queue, since the last look, before only every other of the following is; and so on."""

_Name = tuple[str, str]
"""Queue and task."""


class Tally:
    """Of one worker, and of its loop. ``take`` is the look."""

    def __init__(self, held: Callable[[], Sequence[Attempt]]) -> None:
        self._held = held
        self._running: Counter[_Name] = Counter()
        self._rows: dict[_Name, _Row] = {}
        self._gauges: dict[str, _Gauge] = {}

    def settled(self, settlements: Sequence[Settlement], verdicts: Sequence[Verdict]) -> None:
        """A batch is recorded. Jobs of one task mostly come together: what can be is done once for a run of them, and
        each costs a tenth of a microsecond."""
        if not settlements:
            return
        job = settlements[0].job
        queue, task, first, place, others = job.queue, job.task, 0, 0, 0
        row = self._row(queue, task)
        for settlement, verdict in zip(settlements, verdicts, strict=True):
            job = settlement.job
            if job.task != task or job.queue != queue:
                row.completed += place - first - others
                row.gauge.measure(settlements, first, place)
                queue, task, first, others = job.queue, job.task, place, 0
                row = self._rows.get((queue, task)) or self._row(queue, task)
            if settlement.change.patch.state is not _COMPLETED or verdict.status is not _APPLIED:
                others += 1
                row.note(settlement, verdict)
            place += 1
        row.completed += place - first - others
        row.gauge.measure(settlements, first, place)

    def lost(self, attempt: Attempt) -> None:
        """It ended, and nothing of it is recorded."""
        self._row(attempt.job.queue, attempt.job.task).ended += 1

    def made_good(self, attempt: Attempt) -> None:
        """It was counted as one of which nothing is recorded, and its completion is, all the same."""
        row = self._row(attempt.job.queue, attempt.job.task)
        row.ended -= 1
        row.completed += 1

    def rescued(self, job: Job, state: State) -> None:
        """It was taken over from a vanished worker, and put where ``state`` says."""
        self._row(job.queue, job.task).tell(events_of_rescue(state))

    def take(self) -> Mapping[str, Activity]:
        """What happened since the last time, by queue; nothing of it is told again."""
        attempts = [attempt for attempt in self._held() if attempt.started]
        if not (attempts or self._rows or self._running):
            return {}
        for attempt in attempts:
            if not attempt.measured:
                attempt.measured = True
                self._gauge(attempt.job.queue).waited(attempt.job, 1)
        running = Counter((attempt.job.queue, attempt.job.task) for attempt in attempts)
        taken = self._counts(running)
        gauges, self._gauges, self._rows, self._running = self._gauges, {}, {}, running
        return {
            queue: Activity(tasks, *(gauges[queue].histograms() if queue in gauges else ()))
            for queue, tasks in taken.items()
        }

    def _counts(self, running: Counter[_Name]) -> Mapping[str, dict[str, Counts]]:
        taken: defaultdict[str, dict[str, Counts]] = defaultdict(dict)
        for queue, task in self._rows.keys() | running.keys() | self._running.keys():
            name = queue, task
            row = self._rows.get(name)
            numbers = {} if row is None else row.numbers | {"completed": row.completed}
            ended = 0 if row is None else row.completed + row.ended
            numbers["started"] = ended + running[name] - self._running[name]
            if any(numbers.values()):
                taken[queue][task] = Counts(**numbers)
        return taken

    def _row(self, queue: str, task: str) -> "_Row":
        row = self._rows.get((queue, task))
        if row is None:
            row = self._rows[queue, task] = _Row(self._gauge(queue))
        return row

    def _gauge(self, queue: str) -> "_Gauge":
        gauge = self._gauges.get(queue)
        if gauge is None:
            gauge = self._gauges[queue] = _Gauge()
        return gauge


class _Row:
    """What was counted of one task in one queue."""

    __slots__ = ("completed", "ended", "gauge", "numbers")

    def __init__(self, gauge: "_Gauge") -> None:
        self.gauge = gauge
        self.completed = 0
        self.ended = 0
        """Other attempts that were started and are not held any more."""
        self.numbers: dict[str, int] = {}
        """Of other events."""

    def note(self, settlement: Settlement, verdict: Verdict) -> None:
        """Anything but the most common."""
        started = settlement.attempt is not None
        self.ended += started
        if verdict.status is _APPLIED:
            self.tell(events_of(settlement.change, started=started))

    def tell(self, event_ids: Sequence[str]) -> None:
        """These happened."""
        for event_id in event_ids:
            field = _COUNTED[event_id]
            self.numbers[field] = self.numbers.get(field, 0) + 1


class _Gauge:
    """How long jobs of one queue waited and ran. Where they are many, every second, fourth, eighth... is measured,
    and counts as so many."""

    __slots__ = ("_longest", "_runs", "_skip", "_stride", "_taken", "_waits")

    def __init__(self) -> None:
        self._waits: dict[int, int] = {}
        self._runs: dict[int, int] = {}
        self._longest = [0.0, 0.0]
        self._skip, self._stride, self._taken = 0, 1, 0

    def measure(self, settlements: Sequence[Settlement], first: int, end: int) -> None:
        """Some of these, evenly spread."""
        place = first + self._skip
        if place >= end:
            self._skip = place - end
            return
        while place < end:
            attempt = settlements[place].attempt
            if attempt is not None:
                if not attempt.measured:
                    self.waited(attempt.job, self._stride)
                self._ran(attempt.ended_at - attempt.started, self._stride)
            self._taken += 1
            if self._taken == _THIN:
                self._taken, self._stride = 0, 2 * self._stride
            place += self._stride
        self._skip = place - end

    def waited(self, job: Job, weight: int) -> None:
        """From due to claimed, both by the storage's clock."""
        seconds = max(0, (job.started_at or job.due_at) - job.due_at) / 1000
        bucket = bucket_of(seconds)
        self._waits[bucket] = self._waits.get(bucket, 0) + weight
        self._longest[0] = max(self._longest[0], seconds)

    def _ran(self, seconds: float, weight: int) -> None:
        bucket = bucket_of(seconds)
        self._runs[bucket] = self._runs.get(bucket, 0) + weight
        self._longest[1] = max(self._longest[1], seconds)

    def histograms(self) -> tuple[Histogram, Histogram]:
        """Of waiting and of running."""
        longest_wait, longest_run = (round(seconds, 6) for seconds in self._longest)
        return histogram_of(self._waits, longest_wait), histogram_of(self._runs, longest_run)
