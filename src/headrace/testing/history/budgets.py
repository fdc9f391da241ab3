"""Attempts and crashes are counted apart, and each for what it was."""

from collections.abc import Iterator
from itertools import pairwise

from headrace.model.job import HISTORY, Job
from headrace.model.state import FINAL, State
from headrace.testing.history.asking import commands, lives_once
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life, jobs_asked
from headrace.testing.history.records import Granted, Settled
from headrace.testing.history.verdict import Kind

_FAILURES = frozenset({"failed", "timeout", "rolled_back"})
_BY_FAILURE = frozenset({"exhausted", "permanent", "given_up"})
"""Reasons of dead jobs whose last attempt was a failure."""


def find_miscounts(index: Index) -> Iterator[Finding]:
    """ATTEMPTS, CRASHES: from one time that a job is given out to the next."""
    for job, life in lives_once(index):
        if len(life.granted) < 2:
            continue
        moves: dict[int, list[tuple[int, Settled]]] = {}
        for place, settled in life.moves:
            moves.setdefault(settled.generation, []).append((place, settled))
        generations = life.generations()
        for before, after in pairwise(generations):
            if after[1].generation != before[1].generation + 1:
                continue
            if after[1].attempt == 1 and after[1].crashes == 0 and commands(life, "retry"):
                continue
            between = moves.get(before[1].generation, [])
            if len(between) < 2:
                yield from _compare(job, before, after, between[0] if between else None)


def _compare(
    job: str, before: tuple[int, Granted], after: tuple[int, Granted], move: tuple[int, Settled] | None
) -> Iterator[Finding]:
    (first, old), (second, new) = before, after
    expected = _expected(old, new, None if move is None else move[1])
    if expected is None:
        return
    attempts, crashes, why = expected
    places = (first, second) if move is None else (first, move[0], second)
    about = f"{job} {why} under generation {old.generation}, attempt {old.attempt} with {old.crashes} crashes"
    about += f"; the next is attempt {new.attempt} with {new.crashes}"
    if new.crashes not in crashes:
        yield Finding(Kind.CRASHES, about, (job,), places)
    elif new.attempt not in attempts:
        crashed = new.crashes > old.crashes or new.rescued
        yield Finding(Kind.CRASHES if crashed else Kind.ATTEMPTS, about, (job,), places)


def _expected(old: Granted, new: Granted, move: Settled | None) -> tuple[set[int], set[int], str] | None:
    """Attempts and crashes that the next one may have, and what happened."""
    same, more = old.attempt, old.crashes + 1
    if new.rescued:
        return {same}, {old.crashes}, "was taken over"
    if move is None:
        if old.rescued:
            return {same}, {more}, "was put back by its rescuer"
        return {same, same + 1}, {old.crashes, more}, "was given up"
    match move.state, move.reason:
        case State.RETRYING, "failed" | "rolled_back":
            return {same + 1}, {old.crashes}, "failed"
        case State.RETRYING, "crashed":
            return {same}, {more}, "crashed"
        case ((State.SCHEDULED | State.PENDING), reason):
            return {same}, {old.crashes}, f"was put back ({reason})"
        case _:
            return None


def find_overdrawn(index: Index) -> Iterator[Finding]:
    """ATTEMPTS, CRASHES: more than the budget allows, or dead with less."""
    for job, life, wanted in jobs_asked(index.lives):
        most = wanted.max_attempts
        if most is None:
            continue
        asked = life.asked[0][0].asked
        for place, grant in life.granted:
            if grant.attempt > most:
                what = f"{job} was given out for attempt {grant.attempt} of {most}"
                yield Finding(Kind.ATTEMPTS, what, (job,), (asked, place))
                break
    for job, life in lives_once(index):
        if life.started and len(life.granted) > 1:
            yield from _find_unburied(index, job, life)


def _find_unburied(index: Index, job: str, life: Life) -> Iterator[Finding]:
    """With a crash behind it a job runs alone: a crash then, at the budget, ends it."""
    if commands(life, "retry"):
        return
    ran = {started.generation: place for place, started in life.started}
    generations = life.generations()
    rescues = {grant.generation for _, grant in generations if grant.rescued}
    claims = [(place, grant) for place, grant in generations if not grant.rescued]
    for (first, old), (second, new) in pairwise(claims):
        alone = old.crashes > 0 and old.generation in ran
        if not rescues.issuperset(range(old.generation + 1, new.generation)):
            continue  # it may have been given out between, and have crashed beside others
        if alone and new.crashes > old.crashes and new.crashes >= index.scope.budget:
            what = f"{job} crashed while it ran alone under generation {old.generation}, its crash {new.crashes} of"
            what += f" {index.scope.budget}, and was given out again under generation {new.generation}"
            between = [place for place, grant in generations if old.generation < grant.generation < new.generation]
            yield Finding(Kind.CRASHES, what, (job,), (first, ran[old.generation], *between, second))


def find_false_sums(index: Index) -> Iterator[Finding]:
    """ATTEMPTS, CRASHES: the row at the end against the attempts that it remembers."""
    if index.rows is None:
        return
    for job, life in lives_once(index):
        row = life.row
        if row is None or row.state not in FINAL or commands(life, "retry"):
            continue
        wrong = _wrong_sum(row, index.scope.budget)
        if wrong is not None:
            kind, why = wrong
            what = f"{job} is {row.state} ({row.reason}) with attempt {row.attempt} and {row.crashes} crashes: {why}"
            yield Finding(kind, what, (job,), (index.rows,))


def _wrong_sum(row: Job, budget: int) -> tuple[Kind, str] | None:
    if len(row.history) >= HISTORY:
        return None
    failures = sum(record.outcome in _FAILURES for record in row.history)
    crashes = sum(record.outcome == "crashed" for record in row.history)
    if crashes != row.crashes:
        return Kind.CRASHES, f"it remembers {crashes} crashes"
    if row.state is State.DEAD and row.reason == "poison" and crashes < budget:
        return Kind.CRASHES, f"its budget is {budget}"
    if row.state is State.CANCELLED:
        return None
    right = failures if row.state is State.DEAD and row.reason in _BY_FAILURE else failures + 1
    most = row.options.max_attempts
    if row.attempt != right:
        kind = Kind.CRASHES if crashes and row.attempt == right + crashes else Kind.ATTEMPTS
        return kind, f"{right} is right after {failures} failures"
    if most is not None and row.attempt > most:
        return Kind.ATTEMPTS, f"{most} are allowed"
    if most is not None and row.reason == "exhausted" and row.attempt < most:
        return Kind.ATTEMPTS, f"{most} are allowed"
    return None
