"""What a throttled job means for others: its limit is drained for all, and its queue may rest."""

from collections.abc import Awaitable, Collection

import msgspec

from headrace.model.outcome import Snoozed
from headrace.runtime.controls import cool_down
from headrace.runtime.limiter import Limiter
from headrace.runtime.loop import Report
from headrace.storage.contract import Storage


class Rest(msgspec.Struct, frozen=True):
    """Who shall rest, and how long."""

    seconds: float
    limit: str | None
    queue: str | None


def rest_after(queue: str, outcome: Snoozed, cooling: Collection[str]) -> Rest | None:
    """What follows for others where a job of ``queue`` ended so; None: nothing. One in ``cooling`` rests as a whole."""
    if outcome.reason != "throttled":
        return None
    rest = Rest(outcome.delay, outcome.limit, queue if queue in cooling else None)
    return None if rest.limit is None and rest.queue is None else rest


async def let_rest(rest: Rest, storage: Storage, limiter: Limiter, report: Report) -> None:
    """Have it so. What fails is reported: the job itself goes back all the same."""
    if rest.limit is not None:
        await _try(limiter.drain(rest.limit, rest.seconds), report)
    if rest.queue is not None:
        await _try(cool_down(storage, rest.queue, rest.seconds), report)


async def _try(order: Awaitable[None], report: Report) -> None:
    try:
        await order
    except Exception as error:
        report("throttled", error)
