"""Where limits stand between a claim and its handlers: no job starts without the permits that its task names.

Permits are bought before the claim for queues that are known to need them: nothing is claimed in vain then, and the
jobs that wait keep their places. Only what was not foreseen is bought for afterwards, and goes back where there is
too little.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from headrace.model import lifecycle
from headrace.model.change import Change
from headrace.model.errors import UnknownLimit
from headrace.model.job import Job
from headrace.model.permits import assign
from headrace.model.rate import pause
from headrace.runtime.limiter import Grant, Limiter
from headrace.runtime.registry import Registry, Where
from headrace.runtime.surroundings import Surroundings
from headrace.storage.contract import Demand, Storage

_PROBE = 10.0
"""Seconds after which a queue of several tasks, held for a limit of one of them, is asked for a job all the same: the
next in line may be another's."""
_SAME_MOMENT = 0.005
"""Seconds. Queues that wait for one bucket are asked together, so that they can take turns."""
_UNKNOWN_PAUSE = 10.0
"""Seconds that a job waits where the store has no such limit."""


class Gate:
    """One for a producer."""

    def __init__(
        self,
        storage: Storage,
        registry: Registry,
        limiter: Limiter,
        around: Surroundings,
        poll: float,
    ) -> None:
        self._storage, self._registry, self._limiter, self._poll = storage, registry, limiter, poll
        self._clock, self._entropy, self._report = around.clock, around.entropy, around.report
        self._met: defaultdict[str, set[str]] = defaultdict(set)
        """By queue, limits that refused one of its jobs, as long as its jobs go on naming them."""
        self._held: dict[str, float] = {}
        """Queues that are not asked before this moment."""
        self._refused_since: dict[str, float] = {}
        """Since when a queue's limits granted nothing."""
        self._in_hand: dict[tuple[str, str], int] = {}
        """Permits bought for the claim under way, by queue and limit."""
        self._seen: dict[str, int] = {}
        """Permits granted by each limit, as this worker saw it last."""
        self._contested: set[str] = set()
        """Limits that others took permits of since."""
        self._served: dict[str, int] = {}
        """Which of its claims a queue was last given permits for."""
        self._claims = 0

    @property
    def wait(self) -> float:
        """Seconds until the next of the held queues may be asked again."""
        now = self._clock.monotonic()
        return min((until - now for until in self._held.values() if until > now), default=math.inf)

    # --- before a claim ----------------------------------------------------------------------------------------------

    async def narrow(self, demands: Sequence[Demand]) -> tuple[Sequence[Demand], Collection[str]]:
        """What may be asked for: of queues that need permits, no more than permits were bought. And those of them
        that have nothing due."""
        self._claims += 1
        self._in_hand = {}  # of a claim that failed: too old to be of use
        self._release()
        kept: list[Demand] = []
        dry: set[str] = set()
        for demand in sorted(demands, key=lambda demand: self._served.get(demand.queue, 0)):
            limits = self._registry.limits_of(demand.queue) | self._met.get(demand.queue, frozenset())
            if limits and demand.queue in self._held:
                continue
            if limits and await self._storage.next_due([demand.queue]) != 0:
                dry.add(demand.queue)  # nothing to buy for
                continue
            room = await self._afford(demand, sorted(limits)) if limits else demand.limit
            if room:
                kept.append(Demand(demand.queue, room))
        return kept, dry

    def _release(self) -> None:
        now = self._clock.monotonic()
        if any(until <= now for until in self._held.values()):
            self._held = {queue: until for queue, until in self._held.items() if until > now + _SAME_MOMENT}

    async def _afford(self, demand: Demand, limits: Sequence[str]) -> int:
        queue, room = demand.queue, demand.limit
        bought: dict[str, int] = {}
        for limit in limits:
            grant = await self._buy(limit, room)
            if grant is None or grant.number < room:
                self._hold(queue, limit, grant, room)
            room = bought[limit] = 0 if grant is None else grant.number
            if not room:
                break
        await self._give_back({limit: number - room for limit, number in bought.items()})
        if not room:
            return self._probe(queue)
        self._refused_since.pop(queue, None)
        self._served[queue] = self._claims
        self._in_hand |= {(queue, limit): room for limit in limits}
        return room

    def _probe(self, queue: str) -> int:
        """One job without a permit, at long intervals, where it may be of a task that needs none."""
        now = self._clock.monotonic()
        if now - self._refused_since.setdefault(queue, now) < _PROBE or self._registry.limits_of(queue):
            return 0
        self._refused_since[queue] = now
        return 1

    # --- after a claim -----------------------------------------------------------------------------------------------

    async def admit(
        self, jobs: Sequence[Job], *, alone: bool = False
    ) -> tuple[Sequence[Job], Sequence[tuple[Job, Change]]]:
        """The jobs that may start, in order, and what becomes of the others. One that must run ``alone`` is looked at
        when its time comes."""
        wanted = [self._limits(job, alone=alone) for job in jobs]
        self._forget_met(jobs, wanted)
        in_hand, grants = await self._buy_lacking(wanted)
        assigned = assign(wanted, in_hand)
        await self._give_back(assigned.unused)
        admitted: list[Job] = []
        refused: list[tuple[Job, Change]] = []
        for job, places in zip(jobs, assigned.places, strict=True):
            if places is None:
                admitted.append(job)
                continue
            self._met[job.queue].update(places)
            for limit in places:
                self._hold(job.queue, limit, grants[limit], len(jobs))
            delay = max(_delay(grants[limit], place) for limit, place in places.items())
            refused.append((job, lifecycle.limit(job, delay)))
        return admitted, refused

    def _limits(self, job: Job, *, alone: bool) -> Sequence[str]:
        handler = self._registry.get(job.task)
        if (
            handler is None
            or job.cancel_requested
            or (job.crashes and not alone and handler.where is not Where.PROCESS)
        ):
            return ()
        return handler.limits

    def _forget_met(self, jobs: Sequence[Job], wanted: Sequence[Sequence[str]]) -> None:
        """Limits that were bought for and that no job of the queue needed any more."""
        named: defaultdict[str, set[str]] = defaultdict(set)
        for job, limits in zip(jobs, wanted, strict=True):
            named[job.queue].update(limits)
        for queue, limit in self._in_hand:
            if queue in named and limit not in named[queue]:
                self._met[queue].discard(limit)

    async def _buy_lacking(
        self, wanted: Sequence[Sequence[str]]
    ) -> tuple[Mapping[str, int], Mapping[str, Grant | None]]:
        """Permits in hand, what is lacking bought, by limit; and what the buckets answered."""
        in_hand: Counter[str] = Counter()
        for (_, limit), number in self._in_hand.items():
            in_hand[limit] += number
        self._in_hand = {}
        grants: dict[str, Grant | None] = {}
        for limit, number in Counter(limit for limits in wanted for limit in limits).items():
            if number > in_hand[limit]:
                grant = grants[limit] = await self._buy(limit, number - in_hand[limit])
                in_hand[limit] += 0 if grant is None else grant.number
        return in_hand, grants

    # --- buckets -----------------------------------------------------------------------------------------------------

    async def _buy(self, limit: str, wanted: int) -> Grant | None:
        """None where there is no such limit."""
        try:
            grant = await self._limiter.buy(limit, wanted)
        except UnknownLimit as error:
            self._report("producer", error)
            return None
        granted = grant.bucket.granted
        if granted - grant.number == self._seen.get(limit, granted - grant.number):
            self._contested.discard(limit)
        else:
            self._contested.add(limit)
        self._seen[limit] = granted
        return grant

    async def _give_back(self, unused: Mapping[str, int]) -> None:
        for limit, number in unused.items():
            if number:
                await self._limiter.give_back(limit, number)
                self._seen[limit] -= number

    def _hold(self, queue: str, limit: str, grant: Grant | None, wanted: int) -> None:
        """Not asked before its bucket has something again; looked at every poll even so, should the limit change."""
        wait = self._poll
        if grant is not None:
            contested = limit in self._contested
            wait = min(wait, pause(grant.bucket, grant.now, wanted, contested, self._entropy()) / 1000)
        self._held[queue] = max(self._held.get(queue, 0.0), self._clock.monotonic() + wait)


def _delay(grant: Grant | None, place: int) -> float:
    return _UNKNOWN_PAUSE if grant is None else grant.wait_for(place)
