"""What the handlers of a fleet wrote down: who ran which job, and when."""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from survival.ledger import Record


class Run(NamedTuple):
    """A job in a handler: it holds the job a little longer than from ``begin`` to ``end``."""

    job: str
    fence: int
    pid: int
    begin: float
    end: float
    """Infinite while it runs."""


def runs_of(records: Iterable[Record], task: str) -> Sequence[Run]:
    """All runs of one task, in the order of their beginnings."""
    found: dict[tuple[str, int, int], Run] = {}
    for record in records:
        if record.get("task") != task or record["kind"] not in ("begin", "end"):
            continue
        name = (record["job"], record["fence"], record["pid"])
        if record["kind"] == "begin":
            assert name not in found, "nobody has begun the same twice"
            found[name] = Run(*name, record["at"], float("inf"))
        else:
            found[name] = found[name]._replace(end=record["at"])
    return sorted(found.values(), key=lambda run: run.begin)


def most_at_once(runs: Iterable[Run]) -> int:
    """How many of these ran together, at the worst instant."""
    steps = sorted(itertools.chain.from_iterable(((run.begin, 1), (run.end, -1)) for run in runs))
    return max(itertools.accumulate(step for _, step in steps), default=0)
