"""What a worker takes from the outside world and from its app."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from headrace.model.presence import Presence
from headrace.model.retry import RetryPolicy
from headrace.runtime.company import Company
from headrace.runtime.events import Bus
from headrace.runtime.executor import Middleware
from headrace.runtime.loop import Report
from headrace.system.clock import Clock
from headrace.system.ids import Entropy
from headrace.system.spawn import Spawn

Hook = Callable[[], Awaitable[None] | None]


class Surroundings(msgspec.Struct, frozen=True):
    """Handed down to a worker's parts as they need it."""

    clock: Clock
    entropy: Entropy
    new_id: Callable[[], str]
    spawn: Spawn
    bus: Bus
    report: Report
    introduced: Presence
    """What this process tells of itself."""
    middleware: Sequence[Middleware] = ()
    start_hooks: Sequence[Hook] = ()
    stop_hooks: Sequence[Hook] = ()
    policies: Mapping[str, RetryPolicy] = {}
    """Retry policies by queue."""
    without_backoff: frozenset[str] = frozenset()
    """Queues whose back-off switch is off."""
    cooling: frozenset[str] = frozenset()
    """Queues that rest as a whole when one of their jobs was throttled."""
    company: Company | None = None
    """The workers of this process; None for one that counts as alone in it."""
    exit: Callable[[int], None] | None = None
    """Ends the process where a handler can't be stopped otherwise; None where the process isn't ours to end."""
