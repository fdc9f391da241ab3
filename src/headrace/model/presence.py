"""What a worker tells of itself, for people and for the others on its store."""

from collections.abc import Collection, Mapping

import msgspec
from msgspec.structs import replace

MOST_TASKS = 1_000
"""How many task names a worker tells; the number of the others is told."""
_LONGEST = 255


class Presence(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of a record of kind ``worker``, whose name is the worker's id."""

    label: str
    """For people; two workers may bear the same. Never an identity."""
    host: str
    pid: int
    version: str = ""
    """Of the user's program, from ``HEADRACE_WORKER_VERSION``; empty where that is unset."""
    queues: dict[str, int] = {}
    """Its slots by queue: how many jobs of each it runs at once."""
    tasks: tuple[str, ...] = ()
    """The names of the tasks that it knows, in order; at most 1,000 of them."""
    more_tasks: int = 0
    """How many more it knows."""
    started_at: int = 0
    """Milliseconds since 1970 UTC, by the storage's clock."""
    lease: float = 0.0
    """Seconds that its lease lasts from each beat; 0 where it does not say."""


def introduce(host: str, pid: int, environment: Mapping[str, str]) -> Presence:
    """A process that is about to become a worker. Its label is ``{prefix}-worker-{version}-{id}`` from three
    variables, without those that are unset, and ``host:pid`` without any."""
    prefix, version, name = (
        _clean(environment.get(f"HEADRACE_WORKER_{part}", "")) for part in ("PREFIX", "VERSION", "ID")
    )
    told = any((prefix, version, name))
    label = "-".join(part for part in (prefix, "worker", version, name) if part) if told else f"{_clean(host)}:{pid}"
    return Presence(label[:_LONGEST], _clean(host), pid, version)


def at_work(introduced: Presence, queues: Mapping[str, int], tasks: Collection[str], now: int) -> Presence:
    """The same once it has its queues and tasks."""
    names = sorted(tasks)
    more = max(0, len(names) - MOST_TASKS)
    return replace(introduced, queues=dict(queues), tasks=tuple(names[:MOST_TASKS]), more_tasks=more, started_at=now)


def _clean(text: str) -> str:
    """As it can be stored and shown: whatever an environment holds, bounded."""
    printable = "".join(character if character.isprintable() else "?" for character in text.strip())
    return printable.encode("utf-8", "replace").decode()[:_LONGEST]
