"""What a test leaves behind and did not say that it would."""

from collections.abc import Collection, Sequence

from headrace.interface.app import Headrace
from headrace.model.errors import InvalidOption
from headrace.model.job import Job
from headrace.model.state import KIND, Kind, State
from headrace.testing.wanted import describe

LEFT = frozenset({State.PENDING, State.SCHEDULED, State.RETRYING, State.RUNNING, State.DEAD})
EVERYTHING = "all"
_MOST = 10
"""Jobs that are told of one by one."""

_WHAT_TO_DO = {
    State.PENDING: "it is due: run it with drain()",
    State.SCHEDULED: "it waits for its time: let that pass with advance(...), or assert_enqueued(...) it",
    State.RETRYING: "it waits for its next attempt: let the time pass with advance(...)",
    State.RUNNING: "nothing runs it any more: ack() what you claim, or let the lease run out with advance(...)",
    State.DEAD: "assert_state(job, 'dead') if it should be",
}
_UNKNOWN = "nobody registered its task: import the module that does"


def check_allowed(names: Collection[str]) -> frozenset[State]:
    """The states that these names allow: states, ``waiting`` for three of them, or ``all``."""
    allowed: set[State] = set()
    for name in names:
        of_kind = {state for state in LEFT if KIND[state] is Kind.WAITING} if name == Kind.WAITING else set()
        allowed |= set(LEFT) if name == EVERYTHING else of_kind or {state for state in LEFT if state == name}
        if not allowed:
            known = ", ".join(sorted([*LEFT, Kind.WAITING, EVERYTHING]))
            raise InvalidOption("allow", name, f"it must be one of {known}")
    return frozenset(allowed)


def message(app: Headrace, left: Sequence[Job]) -> str:
    """For a test that left these jobs over."""
    lines = [f"this test leaves {_jobs(len(left))} over:"]
    for job in left[:_MOST]:
        lines.append(f"  {describe(app, job)}")
        if job.last_error is not None:
            lines.append(f"      {_first_line(job.last_error)} (attempt {len(job.history)})")
        lines.append(f"      {_UNKNOWN if job.reason == 'unknown_task' else _WHAT_TO_DO[job.state]}")
    if len(left) > _MOST:
        lines.append(f"  and {len(left) - _MOST} more")
    names = ", ".join(repr(str(state)) for state in sorted({job.state for job in left}))
    lines.append(f"Or say that they may stay: headrace.allow({names}), or @pytest.mark.headrace(allow=[{names}])")
    return "\n".join(lines)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number} jobs"
