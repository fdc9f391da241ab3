"""Which queue a job goes to, where neither its caller nor its task says so."""

import inspect
from collections.abc import Callable, Mapping

from headrace.model.errors import InvalidName, InvalidOption, RoutingFailed
from headrace.model.job import NORMAL
from headrace.model.names import check_name

DEFAULT_QUEUE = "default"

Router = Callable[[str], str | None]
"""Takes the name of a task; its answer is a queue, or None where another router may choose."""


class PrefixRouter:
    """Routes tasks by how their names begin: ``PrefixRouter({"gh_": "gh", "slack_": "slack"})``.

    The longest prefix that fits wins. ``""`` fits every task.
    """

    def __init__(self, queues: Mapping[str, str]) -> None:
        if not isinstance(queues, Mapping):
            raise InvalidOption("queues", queues, "it must be a mapping of prefixes to queues")
        self._queues = {_check_prefix(prefix): check_name("queue", queue) for prefix, queue in queues.items()}
        self._lengths = sorted({len(prefix) for prefix in self._queues}, reverse=True)

    def __call__(self, task: str) -> str | None:
        """The queue of this task, or None."""
        for length in self._lengths:
            queue = self._queues.get(task[:length])
            if queue is not None:
                return queue
        return None

    def __repr__(self) -> str:
        return f"PrefixRouter({self._queues})"


def _check_prefix(prefix: object) -> str:
    if prefix == "":
        return ""
    try:
        return check_name("task", prefix)
    except InvalidName:
        allowed = "no name of a task begins with it: letters, digits, _ . - : /"
        raise InvalidOption("prefix", prefix, allowed) from None


def as_router(router: object) -> Router:
    """``router`` as it is asked, a mapping as its prefixes; InvalidOption where it is neither."""
    if isinstance(router, Mapping):
        return PrefixRouter(router)
    if not callable(router) or inspect.iscoroutinefunction(router):
        raise InvalidOption("router", router, "it must be a plain function of a task's name, or a mapping of prefixes")
    return router


class Routers:
    """The routers of an app, in the order in which they are asked."""

    def __init__(self, *routers: Router) -> None:
        self._routers = routers

    def and_also(self, router: Router) -> "Routers":
        """The same, with one more to ask last."""
        return Routers(*self._routers, router)

    def queue_for(self, task: str) -> str:
        """The first queue that a router names, else the default queue; RoutingFailed where one gives no answer."""
        for router in self._routers:
            try:
                queue = router(task)
            except Exception as error:
                raise RoutingFailed(router, task, f"it raised {type(error).__name__}") from error
            if queue is not None:
                try:
                    return check_name("queue", queue)
                except InvalidName as error:
                    raise RoutingFailed(router, task, f"the {error}") from None
        return DEFAULT_QUEUE


class Route:
    """Where the jobs of one task go, and what that queue lends them.

    The one thing about a task that changes after it is registered. Its handler, and whatever was made of it, share
    this object: a router added later moves them all.
    """

    __slots__ = ("fixed", "priority", "queue")

    def __init__(self, queue: str, priority: int = NORMAL, *, fixed: bool = True) -> None:
        self.queue = queue
        self.priority = priority
        """That of jobs for which nobody says otherwise."""
        self.fixed = fixed
        """The task names its queue: no router is asked."""

    def follow(self, other: "Route") -> None:
        """From now on, go where ``other`` goes."""
        self.queue, self.priority = other.queue, other.priority
