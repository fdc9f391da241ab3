"""How long final jobs are kept: what people write, checked; seconds inside."""

from collections.abc import Mapping

from headrace.model.duration import Duration, seconds
from headrace.model.errors import InvalidOption
from headrace.model.job import Options, retention_of
from headrace.model.state import FINAL, State

Retention = Duration | Mapping[str, Duration]
"""A duration for all final states; or durations by state, such as ``{"completed": "1h", "dead": "30d"}``."""

_STATES = sorted(FINAL)


def check_retention(value: object, option: str = "retention") -> float | dict[str, float]:
    """Seconds, or seconds by state; or InvalidOption naming the option, and the state where one is at fault."""
    if not isinstance(value, Mapping):
        return seconds(value, option)  # type: ignore[arg-type] # seconds refuses other types
    for name in value:
        if name not in _STATES:
            raise InvalidOption(option, name, f"its keys are {_listed()}")
    return {str(name): seconds(age, f"{option}[{str(name)!r}]") for name, age in value.items()}


def by_state(checked: float | dict[str, float]) -> dict[str, float]:
    """The same for each state that it speaks of."""
    return checked if isinstance(checked, dict) else {str(state): checked for state in _STATES}


def kept_at_least(options: Options, of_queue: Mapping[str, float] | None, of_app: Mapping[State, float]) -> float:
    """The shortest time that such a job may be kept, whatever final state it takes: what the job asks for, else its
    queue's rule, else the app's."""
    ages = []
    for state in FINAL:
        own = retention_of(options, state)
        ages.append(own if own is not None else (of_queue or {}).get(state, of_app[state]))
    return min(ages)


def _listed() -> str:
    return f"{', '.join(_STATES[:-1])} and {_STATES[-1]}"
