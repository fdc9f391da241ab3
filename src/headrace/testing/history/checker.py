"""What may not have happened: a pure function over the records of a history."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from headrace.testing.history import fencing, losses
from headrace.testing.history.counting import count
from headrace.testing.history.finding import Family
from headrace.testing.history.index import Index, Scope
from headrace.testing.history.records import AnyRecord, Removed, Scheduled
from headrace.testing.history.shrinking import shrink
from headrace.testing.history.verdict import Verdict, Violation

FAMILIES: Sequence[Family] = (
    losses.find_losses,
    losses.find_ghosts,
    fencing.find_stale_writes,
    fencing.find_double_completions,
)


def check(
    records: Sequence[AnyRecord], *, exact: bool = False, patience: int | None = None, budget: int = 3
) -> Verdict:
    """Every violation, each with the smallest part of the history that shows it, and the counts.

    ``exact``: the records are in the order in which things happened, each at its instant, what the store did at the
    instant at which it did it, and nothing is missing, as a simulation has them. Without it, records of several
    processes may be a few milliseconds off and those of a killed process may be missing: generations order what
    happened to a job, and checks that need more find nothing. ``patience``: milliseconds within which every job ends
    that was due once all was healed; None: by the end of the history. ``budget``: crashes that make a job dead.
    """
    index = Index(records, Scope(exact=exact, patience=patience, budget=budget))
    index.scope = _scope(index)
    violations = [violation for family in FAMILIES for violation in _violations(index, family)]
    return Verdict(violations, count(index, violations))


def _violations(index: Index, family: Family) -> Iterator[Violation]:
    for finding in family(index):
        yield Violation(finding.kind, finding.what, shrink(index, family, finding))


def _scope(index: Index) -> Scope:
    """What the whole history tells about itself."""
    removed = [record for record in map(index.records.__getitem__, index.all(Removed)) if isinstance(record, Removed)]
    return replace(
        index.scope,
        asks=bool(index.calls),
        removed=sum(record.number for record in removed),
        fires=bool(index.all(Scheduled)),
    )
