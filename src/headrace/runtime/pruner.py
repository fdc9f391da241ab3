"""Sweeps what was kept long enough, in bounded batches."""

from collections.abc import Collection, Mapping

import msgspec

from headrace.model.record import QUEUE, QueueControl
from headrace.model.state import FINAL, State
from headrace.runtime.settings import Settings
from headrace.runtime.timeline import KEPT
from headrace.storage.contract import Keep, Storage

_BATCH = 1_000
_ANY_NUMBER = 2**53

_control = msgspec.json.Decoder(QueueControl)


class Pruner:
    """Two at once do no harm: a leader does it, to save work."""

    def __init__(self, storage: Storage, settings: Settings) -> None:
        self._storage, self._settings = storage, settings

    async def prune_once(self) -> int:
        """One bounded sweep of jobs and of the timeline: how much was removed. Not zero: there may be more."""
        rules = await self.rules()
        return await self._storage.prune(self._settings.keep, _BATCH, of_queues=rules, entries=KEPT)

    async def prune_jobs_once(self, queue: str | None, older: float | None, states: Collection[State] = FINAL) -> int:
        """One bounded sweep of the final jobs of one queue or of all. ``older``: of those older than so many seconds,
        whatever app and queue say."""
        keep = await self.rules_for(queue, older, states)
        if queue is None:
            found = {} if older is not None else await self.rules()
            of_queues = {name: {state: own[state] for state in own if state in states} for name, own in found.items()}
            return await self._storage.prune(keep, _BATCH, of_queues=of_queues)
        return await self._storage.prune({}, _BATCH, of_queues={queue: keep})

    async def rules_for(
        self, queue: str | None, older: float | None, states: Collection[State] = FINAL
    ) -> Mapping[State, Keep]:
        """What holds in one queue, or in those without a rule of their own."""
        if older is not None:
            return {state: Keep(older, _ANY_NUMBER) for state in states}
        of_queue = {} if queue is None else (await self.rules([queue])).get(queue, {})
        return {state: of_queue.get(state, keep) for state, keep in self._settings.keep.items() if state in states}

    async def rules(self, queues: Collection[str] | None = None) -> Mapping[str, Mapping[State, Keep]]:
        """The rules that queues have of their own, by queue."""
        keep = self._settings.keep
        records = await self._storage.records(QUEUE, names=queues)
        ages = {record.name: _control.decode(record.value).retention for record in records}
        return {
            queue: {State(state): Keep(age, keep[State(state)].most) for state, age in of_queue.items()}
            for queue, of_queue in ages.items()
            if of_queue
        }
