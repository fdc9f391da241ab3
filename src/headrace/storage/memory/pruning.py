"""Which final jobs go: by age first, then by number, oldest first."""

from collections.abc import Callable, Mapping, Sequence

from headrace.model.state import FINAL, State
from headrace.storage.contract import Keep
from headrace.storage.memory.rows import Lane, Rows

Ended = tuple[int, str]
"""When a job became final, or its own retention ended, and its id."""
Rules = Mapping[State, Keep]


def prune_jobs(
    rows: Rows,
    keep: Rules,
    of_queues: Mapping[str, Rules],
    now: int,
    limit: int,
    remove: Callable[[Sequence[Ended]], int],
) -> int:
    """Removes at most so many, and how many."""
    removed = 0
    for state in FINAL & {*keep, *(state for rules in of_queues.values() for state in rules)}:
        found = [(lane, of_queues.get(queue, {}).get(state) or keep.get(state)) for queue, lane in rows.ended(state)]
        ruled = [(lane, rule) for lane, rule in found if rule is not None]
        removed += remove(_take_aged(state, ruled, now, limit - removed))
        if state in keep:
            removed += remove(rows.expiring[state].take(limit - removed, (now + 1,)))
        for lane, rule in ruled:
            beyond = min(lane.counts[state] - rule.most, limit - removed)
            if beyond > 0:
                removed += remove(lane.finals[state].take(beyond))
    return removed


def _take_aged(state: State, ruled: Sequence[tuple[Lane, Keep]], now: int, limit: int) -> Sequence[Ended]:
    """The oldest of all queues together; what goes beyond the limit steps back into its line."""
    aged: list[tuple[Ended, Lane]] = []
    for lane, rule in ruled:
        aged += [(entry, lane) for entry in lane.ageing[state].take(limit, (now - round(rule.age * 1000) + 1,))]
    aged.sort(key=lambda found: found[0])
    for entry, lane in aged[limit:]:
        lane.ageing[state].push(entry)
    return [entry for entry, _ in aged[:limit]]
