"""Jobs as they are asked for: made up by chance, and asked for again after a kill, by the same ids."""

from collections.abc import Callable, Sequence

import msgspec

from headrace import HIGH, LOW, NORMAL
from headrace.interface.task import Call
from headrace.interface.template import Using
from headrace.model.job import Until
from headrace.testing.chaos.recording import RecordedApp
from headrace.testing.chaos.station import Station
from headrace.testing.chaos.workload import KEYS, MAX_ATTEMPTS, QUEUES, WEIGHTS, WINDOW
from headrace.testing.dice import Dice
from headrace.testing.history.records import Wanted


class Asker:
    """Makes up jobs by chance, each with a number of its own."""

    def __init__(self, station: Station, new_id: Callable[[], str]) -> None:
        self._dice = Dice(station.seed).of(station.name)
        self._new_id = new_id
        self._number = station.number * 10_000
        weights = {**WEIGHTS, **{kind: int(weight) for kind, weight in station.workload.items() if kind in WEIGHTS}}
        self._kinds = [kind for kind, weight in weights.items() for _ in range(weight)]

    def ask(self, most: int) -> Sequence[Wanted]:
        """Up to ``most`` jobs."""
        return [self._one(self._dice.pick(self._kinds)) for _ in range(self._dice.whole(1, most))]

    def of_kind(self, kind: str, number: int) -> Sequence[Wanted]:
        """So many of one kind."""
        return [self._one(kind) for _ in range(number)]

    def _one(self, kind: str) -> Wanted:
        self._number += 1
        dice, job_id = self._dice, self._new_id()
        key, until, window = None, Until.FINISHED, None
        if kind == "keyed":
            until = dice.pick([Until.FINISHED, Until.FINISHED, Until.CLAIMED, Until.WINDOW])
            key = f"{until}-{dice.whole(1, KEYS)}"
            window = WINDOW if until is Until.WINDOW else None
        return Wanted(
            id=job_id,
            task=kind,
            queue=QUEUES.get(kind, "default"),
            payload=f'{{"number":{self._number}}}',
            priority=dice.pick([HIGH, NORMAL, NORMAL, LOW]),
            delay=dice.between(0.05, 0.8) if dice.chance(0.12) else 0.0,
            key=key,
            until=until,
            window=window,
            max_attempts=MAX_ATTEMPTS,
        )

    @property
    def dice(self) -> Dice:
        """Chances of the process."""
        return self._dice


def call_of(app: RecordedApp, job: Wanted) -> Call[object]:
    """The call that asks for this job, again and again the same."""
    using: Using = {"id": job.id, "queue": job.queue, "priority": job.priority}
    if job.delay:
        using["delay"] = job.delay
    if job.key is not None:
        using["key"] = job.key
        if job.window is not None:
            using["for_"] = job.window
        else:
            using["until"] = "claimed" if job.until is Until.CLAIMED else "finished"
    return app.by_name(job.task, msgspec.json.decode(job.payload), using)
