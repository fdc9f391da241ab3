"""What a schedule may be given, checked at the edge."""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict, cast

from msgspec.structs import replace

from headrace.interface.config import check_count
from headrace.interface.task import Bound, Call
from headrace.model.cron import parse_cron
from headrace.model.duration import Duration, seconds
from headrace.model.errors import InvalidOption
from headrace.model.job import NewJob
from headrace.model.names import check_name
from headrace.model.schedule import SHORTEST, CatchUp, Schedule
from headrace.model.schedule_record import digest

_MOST_TIMES = 1_000_000_000
_NO_JOB = NewJob("", "", "", "")


class Rules(TypedDict, total=False):
    """How a schedule behaves."""

    catch_up: Literal["last", "none", "all"]
    overlap: bool
    times: int


class Timing(TypedDict, total=False):
    """When a schedule ticks: ``cron``, with or without ``tz``; or ``every``."""

    cron: str
    tz: str
    every: Duration


class Plan(Rules, Timing):
    """What ``schedule`` and ``put_schedule`` take."""

    job: Call[Any]


class Edit(Rules, Timing, total=False):
    """What ``edit_schedule`` takes."""

    job: Call[Any]


def build_schedule(name: str, plan: Plan) -> Schedule:
    """The schedule that these words declare, without a cursor; or the first error among them."""
    if "job" not in plan:
        raise InvalidOption("job", None, "say what to enqueue, as in job=report.call()")
    if "cron" not in plan and "every" not in plan:
        raise InvalidOption("cron", None, 'say when: cron="0 3 * * *" or every="10m"')
    # an interval to begin with: the words replace it
    schedule = revise_schedule(Schedule(check_name("schedule", name), _NO_JOB, every=SHORTEST), cast("Edit", plan))
    return replace(schedule, declared=digest(schedule))


def revise_schedule(schedule: Schedule, edit: Edit) -> Schedule:
    """The schedule with these words in place of its own; or the first error among them."""
    words = cast("Mapping[str, object]", edit)
    unknown = words.keys() - Edit.__annotations__.keys()
    if unknown:
        raise InvalidOption(min(unknown), words[min(unknown)], "schedules have no such option")
    revised = replace(
        _timed(schedule, edit),
        job=_job_of(edit["job"]) if "job" in edit else schedule.job,
        catch_up=_catch_up(edit["catch_up"]) if "catch_up" in edit else schedule.catch_up,
        overlap=_overlap(edit["overlap"]) if "overlap" in edit else schedule.overlap,
        times=check_count("times", edit["times"], most=_MOST_TIMES) if "times" in edit else schedule.times,
    )
    if not revised.overlap and revised.job.key is not None:
        raise InvalidOption("overlap", False, "it is kept by a dedup key, and the job has one of its own")
    return revised


def _timed(schedule: Schedule, edit: Edit) -> Schedule:
    if "cron" in edit and "every" in edit:
        raise InvalidOption("every", edit["every"], "cron= and every= exclude each other")
    if "every" in edit:
        schedule = replace(schedule, every=check_interval(edit["every"]), cron=None, tz="UTC")
    elif "cron" in edit:
        schedule = replace(schedule, cron=edit["cron"], every=None)
    if "tz" in edit:
        if schedule.cron is None:
            raise InvalidOption("tz", edit["tz"], "an interval has no time zone")
        schedule = replace(schedule, tz=edit["tz"])
    if schedule.cron is not None:
        parse_cron(schedule.cron, schedule.tz)
    return schedule


def check_interval(value: Duration) -> float:
    """Seconds, or InvalidDelay."""
    return seconds(value, "every", least=SHORTEST)


def _catch_up(value: object) -> CatchUp:
    try:
        return CatchUp(str(value))
    except ValueError:
        raise InvalidOption("catch_up", value, 'it must be "last", "none" or "all"') from None


def _overlap(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidOption("overlap", value, "it must be True or False")
    return value


def _job_of(call: object) -> NewJob:
    if not isinstance(call, Call):
        hint = "write task.call(...)" if isinstance(call, Bound) else "it must be what task.call(...) gives"
        raise InvalidOption("job", call, hint)
    new = call.make("")
    if new.id:
        raise InvalidOption("id", new.id, "each tick makes a job of its own, with an id of its own")
    if new.at is not None:
        raise InvalidOption("at", new.at, "the schedule says when; delay= is counted from each tick")
    return new
