"""``headrace enqueue``."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar, cast

import typer

from headrace.interface.cli.applications import open_app
from headrace.interface.cli.exits import UsageError
from headrace.interface.cli.options import AsJson, StorageUrl
from headrace.interface.cli.output import complain, print_json, say
from headrace.interface.cli.reading import read_duration, read_instant
from headrace.interface.template import Using
from headrace.model.errors import InvalidOption
from headrace.model.job import HIGH, LOW, NORMAL
from headrace.model.outline import outline
from headrace.storage.contract import Receipt

T = TypeVar("T")

_STDIN = "-"
_PRIORITIES = {"high": HIGH, "normal": NORMAL, "low": LOW}


def enqueue(
    words: Annotated[
        list[str], typer.Argument(metavar="[MODULE:APP] TASK [JSON]", help="JSON: an object, or - (stdin).")
    ],
    storage: StorageUrl = None,
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="Default: the task's, with MODULE:APP.")] = None,
    delay: Annotated[str | None, typer.Option("--delay", help='Such as "90s" or "10m".')] = None,
    at: Annotated[str | None, typer.Option("--at", help="An ISO 8601 time with its offset.")] = None,
    priority: Annotated[str | None, typer.Option("--priority", help="high, normal, low, or 0 (first) to 32767")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Only one waiting or running job holds this key.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="How long the key holds: claimed or finished.")] = None,
    for_: Annotated[str | None, typer.Option("--for", help="Hold the key for this long instead.")] = None,
    max_attempts: Annotated[int | None, typer.Option("--max-attempts", help="Total runs.")] = None,
    timeout: Annotated[str | None, typer.Option("--timeout", help="For each attempt.")] = None,
    job_id: Annotated[
        str | None, typer.Option("--id", help="A UUID of your own: repeating it makes no second job.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue a job by the name of its task. Prints its id once it is stored."""
    app, task, text = _split(words)
    using = _using(
        queue=queue,
        delay=_read(read_duration, delay),
        at=_read(partial(read_instant, "at"), at),
        priority=_read(_priority, priority),
        key=key,
        until=until,
        for_=_read(read_duration, for_),
        max_attempts=max_attempts,
        timeout=_read(read_duration, timeout),
        id=job_id,
    )
    with open_app(app, storage, creates=True) as opened:
        receipt = opened.enqueue(task, _arguments(text), **using)
        known = app is None or opened.registry.get(task) is not None
    _tell(receipt, as_json=as_json)
    if not known:
        complain(f"note: {app} registers no task {task!r}; it waits for a worker that does")


def _read(read: Callable[[str], T], text: str | None) -> T | None:
    return None if text is None else read(text)


def _using(**options: object) -> Using:
    return cast("Using", {name: value for name, value in options.items() if value is not None})


def _tell(receipt: Receipt[object], *, as_json: bool) -> None:
    if as_json:
        print_json({"id": receipt.id, "duplicate": receipt.duplicate, "payload_differs": receipt.payload_differs})
        return
    say(receipt.id)
    if receipt.duplicate:
        differs = ", whose arguments differ" if receipt.payload_differs else ""
        complain(f"note: nothing new was enqueued: this job holds the key{differs}")


def _split(words: Sequence[str]) -> tuple[str | None, str, str | None]:
    """App, task and JSON. Task names may have a colon; no name begins with a brace."""
    *names, last = words
    text = last if names and (last.lstrip()[:1] in ("{", "[") or last == _STDIN) else None
    if text is None:
        names = [*names, last]
    match names:
        case [task]:
            return None, task, text
        case [app, task]:
            return app, task, text
        case _:
            raise UsageError("enqueue takes [module:app], the name of a task, and its arguments as one JSON object")


def _arguments(text: str | None) -> Mapping[str, object]:
    if text is None:
        return {}
    if text == _STDIN:
        try:
            text = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError as error:
            raise UsageError(f"stdin is not UTF-8: byte {error.start}") from None
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UsageError(f"the arguments are not JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise UsageError("the arguments are nested too deep") from None
    except ValueError as error:  # an integer of more digits than Python reads
        raise UsageError(f"the arguments can't be read: {error}") from None
    if not isinstance(value, dict):
        raise UsageError("the arguments must be a JSON object: names and values")
    return value


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Two values of one name: whoever wrote that meant both."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"the arguments name {outline(twice)} twice")
    return made


def _refuse_constant(name: str) -> object:
    raise UsageError(f"the arguments hold {name}, which is no JSON")


def _priority(text: str) -> int:
    if text in _PRIORITIES:
        return _PRIORITIES[text]
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text)
    raise InvalidOption("priority", text, "it must be high, normal, low, or a whole number from 0 to 32,767")
