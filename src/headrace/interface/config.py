"""Options of an app: an argument wins over ``HEADRACE_<NAME>`` in the environment, that over the default."""

from collections.abc import Mapping
from typing import TypedDict

import msgspec

from headrace.model.duration import Duration, seconds
from headrace.model.errors import InvalidOption
from headrace.model.retention import by_state, check_retention
from headrace.model.retry import RetryPolicy
from headrace.model.state import State
from headrace.runtime.settings import Settings
from headrace.storage.contract import Keep

DEFAULT_URL = "sqlite:///headrace.db"

MOST_CONCURRENCY = 100_000
"""The highest ceiling."""

_DURATIONS = ("lease", "beat", "poll", "reap", "grace", "patience", "kill_after", "unknown_task_grace")
_LEAST = {"lease": 0.1, "beat": 0.01, "poll": 0.01, "reap": 0.01}
_TRUTHS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class Options(TypedDict, total=False):
    """What ``Headrace(...)`` takes beside the URL."""

    lease: Duration
    beat: Duration
    poll: Duration
    reap: Duration
    grace: Duration
    patience: Duration
    kill_after: Duration
    unknown_task_grace: Duration
    auto_migrate: bool
    crash_budget: int
    max_payload: int
    retention: Mapping[str, Duration]
    retry: RetryPolicy


class Config(msgspec.Struct, frozen=True):
    """All options, checked."""

    url: str
    settings: Settings
    auto_migrate: bool | None
    """None: as the storage thinks best."""


def configure(url: str | None, options: Options, environment: Mapping[str, str]) -> Config:
    """The options in force, or InvalidOption naming the first that can't be used."""
    unknown = set(options) - set(Options.__annotations__)
    if unknown:
        raise InvalidOption(min(unknown), options.get(min(unknown)), "there is no option of this name")
    given: dict[str, object] = {}
    for name in Options.__annotations__:
        value = options.get(name, None if name == "retry" else environment.get(f"HEADRACE_{name.upper()}"))
        if value is not None:
            given[name] = value
    auto_migrate = given.pop("auto_migrate", None)
    return Config(
        url=url or environment.get("HEADRACE_URL") or DEFAULT_URL,
        settings=_settings(given),
        auto_migrate=None if auto_migrate is None else _truth("auto_migrate", auto_migrate),
    )


def _settings(given: Mapping[str, object]) -> Settings:
    chosen: dict[str, object] = {}
    for name in _DURATIONS:
        if name in given:
            chosen[name] = _duration(name, given[name])
    if "lease" in chosen and "beat" not in chosen:
        chosen["beat"] = min(Settings().beat, float(str(chosen["lease"])) / 3)
    if "crash_budget" in given:
        chosen["crash_budget"] = check_count("crash_budget", _number(given["crash_budget"]), most=1000)
    if "max_payload" in given:
        chosen["max_payload"] = check_count("max_payload", _number(given["max_payload"]), most=1 << 30)
    if "retention" in given:
        chosen["keep"] = _keep(given["retention"])
    if "retry" in given:
        if not isinstance(given["retry"], RetryPolicy):
            raise InvalidOption("retry", given["retry"], "it must be a RetryPolicy")
        chosen["retry"] = given["retry"]
    return msgspec.structs.replace(Settings(), **chosen)


def _duration(name: str, value: object) -> float:
    return seconds(_bare(value), name, least=_LEAST.get(name, 0.0))  # type: ignore[arg-type] # seconds refuses others


def _bare(value: object) -> object:
    """From the environment, a bare number of seconds."""
    return float(value) if isinstance(value, str) and value.replace(".", "", 1).isdecimal() else value


def _keep(value: object) -> dict[State, Keep]:
    if isinstance(value, str) and all("=" in part for part in value.split(",")):
        value = dict(part.strip().split("=", 1) for part in value.split(","))
        value = {name: _bare(age) for name, age in value.items()}
    if not isinstance(value, Mapping):
        raise InvalidOption("retention", value, 'it must be a mapping such as {"completed": "24h", "dead": "30d"}')
    keep = dict(Settings().keep)
    for name, age in by_state(check_retention(value)).items():
        keep[State(name)] = Keep(age, keep[State(name)].most)
    return keep


def check_count(option: str, value: object, *, most: int, least: int = 1) -> int:
    """``value`` itself when it is a whole number in range, else InvalidOption."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidOption(option, value, f"it must be a whole number from {least:,} to {most:,}")
    return value


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 20 else value


def _truth(name: str, value: object) -> bool:
    found = value if isinstance(value, bool) else _TRUTHS.get(str(value).lower())
    if found is None:
        raise InvalidOption(name, value, "it must be true or false")
    return found
