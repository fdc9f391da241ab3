"""``headrace schedules``: when jobs are enqueued by themselves, to be listed, paused, run, edited and removed."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, cast
from zoneinfo import ZoneInfo

import typer

from headrace.interface.app import Headrace
from headrace.interface.cli.applications import open_app, split_reference
from headrace.interface.cli.exits import USAGE, UsageError
from headrace.interface.cli.options import After, AsJson, Limit, StorageUrl, Yes
from headrace.interface.cli.output import Json, complain, moment, print_fields, print_json, print_table, say
from headrace.interface.cli.rendering import HIDDEN, payload_value
from headrace.interface.page import Page
from headrace.interface.schedule_plan import Edit
from headrace.model.errors import InvalidCron, ScheduleNotFound
from headrace.model.schedule import Schedule

ACTIONS = ("show", "pause", "resume", "run", "edit", "remove")
Words = Annotated[list[str] | None, typer.Argument(metavar=f"[MODULE:APP] [{'|'.join(ACTIONS)} NAME...]")]


def schedules(
    words: Words = None,
    storage: StorageUrl = None,
    cron: Annotated[str | None, typer.Option("--cron", help="With edit: 5 fields, or 6 with seconds first.")] = None,
    every: Annotated[str | None, typer.Option("--every", help="With edit: an interval, such as 10m.")] = None,
    tz: Annotated[str | None, typer.Option("--tz", help="With edit: the time zone, such as Europe/Paris.")] = None,
    catch_up: Annotated[str | None, typer.Option("--catch-up", help="With edit: last, none or all.")] = None,
    overlap: Annotated[bool | None, typer.Option("--overlap/--no-overlap", help="With edit: whether jobs may.")] = None,
    times: Annotated[int | None, typer.Option("--times", help="With edit: after so many ticks it ends.")] = None,
    limit: Limit = 50,
    after: After = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """List schedules by name, each with its next tick; or show, pause, resume, run now, edit or remove some."""
    app, rest = split_reference(words or [])
    given = {"cron": cron, "every": every, "tz": tz, "catch_up": catch_up, "overlap": overlap, "times": times}
    edit = cast("Edit", {name: value for name, value in given.items() if value is not None})
    action, names = _checked(rest, edit)
    with open_app(app, storage) as opened:
        match action:
            case None:
                _print_page(opened.schedules(limit=limit, after=after), as_json=as_json)
            case "show":
                _show(opened, names, as_json=as_json)
            case "run":
                _run(opened, names, as_json=as_json)
            case "remove":
                _remove(opened, names, yes=yes, as_json=as_json)
            case _:
                _change(opened, action, names, edit, as_json=as_json)


def _checked(words: Sequence[str], edit: Edit) -> tuple[str | None, Sequence[str]]:
    action, names = (words[0], words[1:]) if words else (None, [])
    if action is not None and action not in ACTIONS:
        raise UsageError(f"{action!r} is none of {', '.join(ACTIONS)}")
    if action is not None and not names:
        raise UsageError(f"{action} takes names of schedules")
    if edit and action != "edit":
        raise UsageError(f"--{min(edit).replace('_', '-')} is for edit")
    if action == "edit" and not edit:
        raise UsageError("edit takes what to change: --cron, --every, --tz, --catch-up, --overlap, --times")
    return action, names


def _found(app: Headrace, name: str) -> Schedule:
    page = app.schedules(name=name)
    if not page:
        raise ScheduleNotFound(name)
    return page[0]


def _show(app: Headrace, names: Sequence[str], *, as_json: bool) -> None:
    found = [_found(app, name) for name in names]
    sensitive = {task for task in {each.job.task for each in found} if _is_sensitive(app, task)}
    if as_json:
        print_json({"schedules": [_whole_json(each, sensitive=each.job.task in sensitive) for each in found]})
        return
    for each in found:
        fields = _whole_json(each, sensitive=each.job.task in sensitive)
        firings = fields.pop("next_firings")
        fields["payload"] = HIDDEN if fields["sensitive"] else json.dumps(fields["payload"], ensure_ascii=False)
        print_fields({name: value for name, value in fields.items() if value not in (None, False, "")})
        for firing in firings:
            say(f"  fires {_both(firing, each.tz)}")


def _is_sensitive(app: Headrace, task: str) -> bool:
    handler = app.registry.get(task)
    return handler is not None and handler.sensitive


def _run(app: Headrace, names: Sequence[str], *, as_json: bool) -> None:
    receipts = {name: app.run_schedule(name) for name in names}
    if as_json:
        print_json({name: {"id": made.id, "duplicate": made.duplicate} for name, made in receipts.items()})
        return
    for name, receipt in receipts.items():
        why = ", which is not final: overlap is off" if receipt.duplicate else ""
        say(f"{name}: job {receipt.id}{why}")


def _remove(app: Headrace, names: Sequence[str], *, yes: bool, as_json: bool) -> None:
    if not yes:
        for name in names:
            say(f"schedule {name} would be removed")
        complain("nothing was changed; repeat with --yes")
        raise typer.Exit(USAGE)
    for name in names:
        app.remove_schedule(name)
        if not as_json:
            say(f"schedule {name} removed")
    if as_json:
        print_json({"removed": list(names)})


def _change(app: Headrace, action: str, names: Sequence[str], edit: Edit, *, as_json: bool) -> None:
    changes: dict[str, Callable[[str], object]] = {
        "pause": app.pause_schedule,
        "resume": app.resume_schedule,
        "edit": lambda name: app.edit_schedule(name, **edit),
    }
    for name in names:
        changes[action](name)
    changed = [_found(app, name) for name in names]
    if as_json:
        print_json({"schedules": [_json(each) for each in changed]})
        return
    for each in changed:
        say(f"{each.name}: {_next(each)}")


def _print_page(page: Page[Schedule], *, as_json: bool) -> None:
    if as_json:
        print_json({"schedules": [_json(each) for each in page], "next": page.next})
        return
    if not page:
        say("no schedules")
        return
    titles = ("NAME", "WHEN", "NEXT", "LAST", "TASK", "QUEUE", "NOTE")
    print_table(titles, [_row(each) for each in page], cut_last=True)
    if page.next is not None:
        say(f"more: --after {page.next}")


def _row(each: Schedule) -> Sequence[object]:
    note = "edited" if each.edited else ""
    return each.name, _when(each), _next(each), moment(each.last_at) or "", each.job.task, each.job.queue, note


def _when(each: Schedule) -> str:
    if each.cron is None:
        return f"every {each.every:g} s"
    return each.cron if each.tz == "UTC" else f"{each.cron} {each.tz}"


def _next(each: Schedule) -> str:
    return "paused" if each.paused else moment(each.next_at) or "over"


def _json(each: Schedule) -> Json:
    return {
        "name": each.name,
        "task": each.job.task,
        "queue": each.job.queue,
        "cron": each.cron,
        "tz": None if each.cron is None else each.tz,
        "every": each.every,
        "catch_up": str(each.catch_up),
        "overlap": each.overlap,
        "times": each.times,
        "paused": each.paused,
        "edited": each.edited,
        "declared": bool(each.declared),
        "fired": each.fired,
        "last_at": moment(each.last_at),
        "next_at": None if each.paused else moment(each.next_at),
    }


def _whole_json(each: Schedule, *, sensitive: bool) -> Json:
    return _json(each) | {
        "priority": each.job.priority,
        "payload": None if sensitive else payload_value(each.job.payload, each.job.encoding),
        "sensitive": sensitive,
        "next_firings": [moment(tick) for tick in _firings(each)],
    }


def _firings(each: Schedule) -> Sequence[int]:
    try:
        return each.next_firings()
    except InvalidCron as error:
        complain(error)
        return ()


def _both(instant: str, tz: str) -> str:
    """In UTC and as the wall of the zone shows it."""
    return instant if tz == "UTC" else f"{instant}  {datetime.fromisoformat(instant).astimezone(ZoneInfo(tz))}"
