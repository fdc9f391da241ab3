"""What may not have happened: a pure function over the records of a history."""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from headrace.testing.history import (
    budgets,
    cancel,
    ceilings,
    conservation,
    dedup,
    early,
    fencing,
    followups,
    losses,
    order,
    ownership,
    permits,
    results,
    ticks,
)
from headrace.testing.history.counting import count
from headrace.testing.history.finding import Family
from headrace.testing.history.index import Index
from headrace.testing.history.records import AnyRecord, Stepped
from headrace.testing.history.scope import Scope
from headrace.testing.history.shrinking import shrink
from headrace.testing.history.verdict import Kind, Verdict, Violation

FAMILIES: Sequence[Family] = (
    losses.find_losses,
    losses.find_stuck,
    losses.find_ghosts,
    losses.find_other_payloads,
    fencing.find_stale_writes,
    fencing.find_lost_generations,
    fencing.find_double_completions,
    fencing.find_returns,
    ownership.find_overlaps,
    early.find_early_starts,
    order.find_inversions,
    budgets.find_miscounts,
    budgets.find_overdrawn,
    budgets.find_false_sums,
    permits.find_oversold,
    ceilings.find_crowds,
    ticks.find_wrong_ticks,
    dedup.find_wrong_keys,
    conservation.find_imbalance,
    cancel.find_revived,
    results.find_wrong_results,
    followups.find_wrong_followups,
)
SHRUNK = 10
"""Violations of one kind that are cut down to what shows them; the others are shown as they were found."""


def check(
    records: Sequence[AnyRecord], *, exact: bool = False, patience: int | None = None, budget: int = 3
) -> Verdict:
    """Every violation, each with the smallest part of the history that shows it, and the counts.

    ``exact``: the records are in the order in which things happened, what the store did at the instant at which it did
    it, and nothing is missing, as a simulation has them. Without it, records of several processes may be a few
    milliseconds off and those of a killed process may be missing: generations order what happened to a job, and checks
    that need more find nothing. ``patience``: milliseconds within which a job that could run once all was healed must
    have ended; None: it must have by the end of the history. ``budget``: crashes that make a job dead.
    """
    index = Index(records, Scope(exact=exact, patience=patience, budget=budget))
    index.scope = scope_of(index)
    shrunk: Counter[Kind] = Counter()
    violations = [violation for family in FAMILIES for violation in _violations(index, family, shrunk)]
    return Verdict(violations, count(index, violations))


def _violations(index: Index, family: Family, shrunk: Counter[Kind]) -> Iterator[Violation]:
    for finding in family(index):
        shrunk[finding.kind] += 1
        if shrunk[finding.kind] <= SHRUNK:
            records = shrink(index, family, finding)
        else:
            records = [index.records[place] for place in sorted(set(finding.places))]
        yield Violation(finding.kind, finding.what, records)


def scope_of(index: Index) -> Scope:
    """Its scope, with what the whole history tells about itself."""
    ended = [life for life in index.lives.values() if life.ended]
    tasks = {wanted.task for life in ended if (wanted := life.wanted) is not None}
    return replace(
        index.scope,
        asks=bool(index.calls),
        removed=sum(record.number for _, record in index.removed),
        fires=bool(index.scheduled),
        telling=frozenset(tasks | {life.row.task for life in ended if life.row is not None}),
        steady=not index.marks[Stepped],
    )
