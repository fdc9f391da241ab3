"""Which rule a final job is kept by: what every backend's prune goes by."""

from collections.abc import Mapping, Sequence

import msgspec

from headrace.model.job import Options, retention_of
from headrace.model.state import FINAL, State
from headrace.storage.contract import Keep


class Sweep(msgspec.Struct, frozen=True):
    """One state, and the rules for it."""

    state: State
    rule: Keep | None
    """For every queue that has no own rule; None: only those that have one are swept."""
    own: Mapping[str, Keep]
    """By queue."""

    def rule_of(self, queue: str) -> Keep | None:
        """What this queue goes by; None: it isn't swept."""
        return self.own.get(queue, self.rule)


def sweeps(keep: Mapping[State, Keep], of_queues: Mapping[str, Mapping[State, Keep]]) -> Sequence[Sweep]:
    """One for each final state that is named, in the order of states: what a bounded prune comes to first must not
    depend on the order in which it was asked."""
    found: list[Sweep] = []
    for state in State:
        own = {queue: rules[state] for queue, rules in of_queues.items() if state in rules}
        if state in FINAL and (state in keep or own):
            found.append(Sweep(state, keep.get(state), own))
    return found


def kept_for(options: Options, state: State) -> int | None:
    """Milliseconds that the job asks to be kept for in this state; while it is not final: once it is completed."""
    asked = retention_of(options, state if state in FINAL else State.COMPLETED)
    return None if asked is None else round(asked * 1000)
