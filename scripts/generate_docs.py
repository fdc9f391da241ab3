"""Writes the parts of the docs that follow from the code, between their markers. With --check it only compares."""

import ast
import importlib
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, get_overloads

import msgspec
import typer

import headrace
from headrace.interface import config, watching
from headrace.interface.app import Headrace
from headrace.interface.cli import main as cli
from headrace.interface.cli.exits import exit_code
from headrace.interface.core import DEFAULT_QUEUE
from headrace.interface.deadletters import Retried, Which
from headrace.interface.limits import Limit
from headrace.interface.queues import QueueView
from headrace.model import errors, facts, headrace_error, job, lifecycle, metric, outcome, presence, store_errors
from headrace.model.command import CommandResult
from headrace.model.retry import RetryPolicy
from headrace.model.state import FINAL, KIND, MOVES, State
from headrace.runtime.settings import Settings
from headrace.runtime.worker import Worker
from headrace.storage.opening import open_url
from headrace.storage.survival import EVENTS, Fate, Survival
from headrace.system.clock import SystemClock
from headrace.testing.chaos.outcome import Outcome, Report
from headrace.testing.powercut.verdict import Verdict

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
_WIDE = 100
"""Signatures longer than this get a line for each parameter."""


# --- the states of a job ---------------------------------------------------------------------------------------------


def diagram() -> str:
    """The table of moves as a mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    direction LR", "    [*] --> pending: enqueued, due now"]
    lines.append("    [*] --> scheduled: enqueued, due later")
    lines += [f"    {start} --> {end}: {why}" for start, ends in MOVES.items() for end, why in ends.items()]
    lines += [f"    {state} --> [*]" for state in State if state in FINAL]
    return "\n".join([*lines, "```"])


def moves() -> str:
    """The table of moves as a table to read."""
    rows: list[Sequence[str]] = []
    for start, ends in MOVES.items():
        rows += [(f"`{start}`", KIND[start], f"`{end}`", why) for end, why in ends.items()]
        if not ends:
            rows.append((f"`{start}`", KIND[start], "", "nothing moves it"))
    return table(("from", "kind", "to", "why"), rows)


# --- the API ---------------------------------------------------------------------------------------------------------

METHODS = {
    "declaring": ("task", "queue", "limit", "on", "on_worker_start", "on_worker_stop", "add_middleware", "add_router"),
    "scheduling": (
        *("schedule", "cron", "every", "put_schedule", "schedules", "pause_schedule", "resume_schedule"),
        *("edit_schedule", "run_schedule", "remove_schedule", "schedule_once"),
    ),
    "built in": ("echo_task", "command_task", "pool_task"),
    "enqueueing": ("enqueue", "enqueue_many"),
    "looking": ("job", "jobs", "why", "dead_letters", "counts", "pending_count", "inflight_count"),
    "moving": ("cancel", "retry", "run_now", "retry_dead", "clear_dead_letters"),
    "steering": ("pause", "resume", "scale", "set_retention", "queues", "set_limit", "limits"),
    "waiting": ("join", "result"),
    "keeping": ("kv_get", "kv_delete"),
    "running": ("worker", "run", "background", "housekeeping"),
    "watching": ("workers", "metrics", "timeline"),
    "stepping": ("rescue_once", "prune_once", "roll_metrics_once"),
    "claiming": ("claim", "ack", "ack_many", "nack", "renew"),
    "closing": ("close",),
}
"""The methods of an app, by the section that tells of them. An async twin stands with its sync method."""

NOT_FOR_USERS = frozenset({"block", "by_name", "handles_here_closed", "here", "queue_policies", "route_for"}) | {
    "is_expired",
    "send",
    "slots",
    "tell_queued",
    "url",
}
NOT_FOR_USERS = frozenset(
    {"block", "by_name", "handles_here_closed", "here", "queue_policies", "route_for", "send", "slots"}
) | frozenset({"cooling_queues", "declare", "queues_without_backoff", "sorted_out", "tell_queued", "url"})
"""What the other parts of headrace use; and ``url``, which the page tells of by itself."""

TYPES: Sequence[type] = (
    headrace.Call,
    headrace.Claim,
    CommandResult,
    headrace.Current,
    headrace.Event,
    headrace.Job,
    job.AttemptRecord,
    job.Notes,
    job.LogLine,
    outcome.Failure,
    Limit,
    job.Options,
    headrace.PrefixRouter,
    QueueView,
    headrace.Receipt,
    Retried,
    headrace.RetryPolicy,
    headrace.Schedule,
    Which,
    watching.KnownWorker,
    presence.Presence,
    watching.RunningJob,
    metric.Metric,
    metric.Counts,
    metric.Latency,
    metric.Interval,
    facts.Why,
    facts.Holder,
)


def check_methods() -> None:
    """Every public method of an app is told of, or known to be none for users."""
    told = {name for names in METHODS.values() for name in names}
    found = {name for name, _ in inspect.getmembers(Headrace, callable) if not name.startswith("_")}
    found -= {f"a{name}" for name in told} | NOT_FOR_USERS
    if found != told:
        raise SystemExit(f"{__file__}: sort these methods of Headrace into METHODS: {', '.join(sorted(found ^ told))}")


def methods(section: str) -> str:
    """The methods of one section: signature, then docstring."""
    return "\n\n".join(method(name) for name in METHODS[section])


def method(name: str) -> str:
    """One method of an app, with its async twin."""
    function, twin = getattr(Headrace, name), getattr(Headrace, f"a{name}", None)
    title = f"### `{name}`" + (f", async `a{name}`" if twin is not None else "")
    told = twin if twin is not None and inspect.getdoc(function).startswith(("See ", "The sync twin")) else function
    variants = [variant for variant in get_overloads(inspect.unwrap(function)) if "function" not in parameters(variant)]
    lines = "\n".join(signature(variant, "app.") for variant in variants or [function])
    return f"{title}\n\n```text\n{lines}\n```\n\n{markdown(inspect.getdoc(told) or '')}"


def parameters(function: Callable[..., object]) -> Sequence[str]:
    """The names of a function's parameters."""
    return list(inspect.signature(function).parameters)


def signature(function: Callable[..., object], prefix: str, wide: int = _WIDE) -> str:
    """A signature as its source has it, without ``self``."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    for place in (tree.args.posonlyargs, tree.args.args):
        if place and place[0].arg in ("self", "cls"):
            del place[0]
    inside = [spaced(part) for part in split_commas(ast.unparse(tree.args)) if part not in ("", "/")]
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None:
        prefix, returns = f"{'async ' * inspect.isasyncgenfunction(wrapped)}with {prefix}", ""
    else:
        returns = f" -> {ast.unparse(tree.returns)}" if tree.returns is not None else ""
    line = f"{prefix}{tree.name}({', '.join(inside)}){returns}"
    if len(line) <= wide:
        return line
    parts = "".join(f"    {part},\n" for part in inside)
    return f"{prefix}{tree.name}(\n{parts}){returns}"


def spaced(parameter: str) -> str:
    """A parameter in the usual way of writing, with values for names."""
    name, annotated, rest = parameter.partition(": ")
    kind, defaults, value = rest.partition("=")
    return f"{name}: {kind} = {_VALUES.get(value, value)}" if annotated and defaults else parameter


_VALUES = {
    "DEFAULT_QUEUE": f"'{DEFAULT_QUEUE}'",
    "_CAP": f"'{RetryPolicy().cap / 60:g}m'",
    "_JITTER": f"{RetryPolicy().jitter}",
}
"""Constants in signatures."""


def split_commas(text: str) -> Iterator[str]:
    """The parameters of a signature: what stands between commas outside of brackets."""
    depth, begin = 0, 0
    for at, character in enumerate(text):
        depth += (character in "[({") - (character in "])}")
        if character == "," and depth == 0:
            yield text[begin:at].strip()
            begin = at + 1
    yield text[begin:].strip()


class Member(NamedTuple):
    """A field or property of a class, as its source tells of it."""

    name: str
    kind: str
    default: str | None
    doc: str


def members(cls: type) -> Iterator[Member]:
    """The public fields and properties of one class, in order."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    for node, after in zip(body.body, [*body.body[1:], None], strict=True):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                default = None if value is None else ast.unparse(value)
                yield Member(name, ast.unparse(annotation), default, docstring_of(after))
            case ast.FunctionDef(name=name, returns=returns) if is_property(node) and returns is not None:
                yield Member(name, ast.unparse(returns), None, ast.get_docstring(node) or "")


def is_property(node: ast.FunctionDef) -> bool:
    """Whether it reads like a field."""
    return any(isinstance(decorator, ast.Name) and decorator.id == "property" for decorator in node.decorator_list)


def docstring_of(node: ast.stmt | None) -> str:
    """The text that stands by itself after a field."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return ""


def types() -> str:
    """What methods take and return: their docstrings and fields."""
    return "\n\n".join(described(cls) for cls in TYPES)


def described(cls: type) -> str:
    """One class: docstring, fields."""
    shown = [member for member in members(cls) if not member.name.startswith("_")]
    rows = [(f"`{member.name}`", code(member.kind), markdown(" ".join(member.doc.split()))) for member in shown]
    fields = f"\n\n{table(('field', 'type', 'meaning'), rows)}" if rows else ""
    return f"### `{cls.__name__}`\n\n{markdown(inspect.getdoc(cls) or '')}{fields}"


def names() -> str:
    """Everything that ``headrace`` exports, as a program."""
    listed = textwrap.wrap(", ".join(headrace.__all__), _WIDE, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(["```python", "from headrace import (", *listed[:-1], f"{listed[-1]},", ")", "```"])


def wishes() -> str:
    """What handlers raise to steer their own job."""
    kinds = (outcome.Snooze, outcome.Throttled, outcome.PermanentFailure, outcome.Cancelled)
    return table(
        ("raise", "meaning"),
        [(code(signature(kind.__init__, "").replace("__init__", kind.__name__, 1)), summary(kind)) for kind in kinds],
    )


def policies() -> str:
    """The constructors of a retry policy."""
    own = (RetryPolicy.none, RetryPolicy.fixed, RetryPolicy.linear, RetryPolicy.exponential)
    made = (*own, RetryPolicy.tako, RetryPolicy.taquba, RetryPolicy.rustqueue, RetryPolicy.forge)
    rows = [(code(signature(make, "RetryPolicy.", 1000).partition(" -> ")[0]), summary(make)) for make in made]
    return table(("constructor", "delay"), rows)


def worker_methods() -> str:
    """What a program does with the worker that it embeds."""
    rows = [(code(signature(getattr(Worker, name), "worker.")), summary(getattr(Worker, name))) for name in _OF_WORKERS]
    return table(("method", "meaning"), rows)


_OF_WORKERS = ("idle", "stop", "hurry")


def telling() -> str:
    """What a handler does with its job."""
    made = [getattr(headrace.Current, name) for name in _OF_CURRENT]
    return table(("method", "meaning"), [(code(signature(each, "current().", 1000)), summary(each)) for each in made])


_OF_CURRENT = ("progress", "then", "complete_in", "acomplete_in")


# --- options, errors, events, commands -------------------------------------------------------------------------------

_ELSEWHERE = {
    "auto_migrate": (
        "true; on Postgres false",
        "Whether a store of an older schema is migrated when it is opened. Where false, it is refused "
        "with `SchemaTooOld` until `headrace migrate` has run. An empty database is made a store in any case.",
    ),
    "max_payload": (None, "The most that the arguments of one job may take, in bytes of JSON."),
    "retention": (None, "How long final jobs are kept, by state: see below."),
    "retry": (
        "three runs, exponential",
        "The `RetryPolicy` of jobs for which neither the caller, nor the task, nor the queue has one. "
        "Given in code only: `HEADRACE_RETRY` is refused.",
    ),
}
"""Default and meaning of options that ``Settings`` does not tell of in the words of users."""


def options() -> str:
    """Every option of an app."""
    docs = {member.name: member for member in members(Settings)}
    rows = []
    for name in config.Options.__annotations__:
        default, meaning = _ELSEWHERE.get(name, (None, None))
        if meaning is None:
            meaning = docs[name].doc or constant_doc(lifecycle, docs[name].default or "")
        if default is None:
            default = default_of(name)
        variable = "" if name == "retry" else f"`HEADRACE_{name.upper()}`"
        rows.append((f"`{name}`", variable, default, markdown(meaning)))
    return table(("option", "environment", "default", "meaning"), rows)


def default_of(name: str) -> str:
    """The default of a setting, as people write it."""
    if name == "retention":
        return ", ".join(f"{state} {duration(keep.age)}" for state, keep in Settings().keep.items())
    value = getattr(Settings(), name)
    return duration(value) if isinstance(value, float) else f"{value:,} bytes" if name == "max_payload" else f"{value}"


def duration(seconds: float) -> str:
    """As it could be given to an app."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size or (seconds >= size and unit != "d"):
            return f"{timedelta(seconds=seconds) / timedelta(seconds=size):g}{unit}"
    return f"{seconds:g}s"


def constant_doc(module: object, name: str) -> str:
    """The docstring of a constant."""
    body = ast.parse(inspect.getsource(module)).body  # type: ignore[arg-type]
    for node, after in pairwise(body):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return docstring_of(after)
    raise SystemExit(f"{__file__}: {name} has no docstring")


def error_groups() -> Mapping[str, Sequence[type[errors.HeadraceError]]]:
    """Every error, in order, under the heading that it stands under in its file."""
    groups: dict[str, list[type[errors.HeadraceError]]] = {}
    heading = "the base"
    parts = (headrace_error, errors, store_errors)
    for line in (line for part in parts for line in inspect.getsource(part).splitlines()):
        if found := re.match(r"# --- (.+?) -+$", line):
            heading = found[1]
        elif found := re.match(r"class (\w+)\(", line):
            groups.setdefault(heading, []).append(getattr(errors, found[1]))
    return groups


def exported() -> str:
    """The errors that need no deeper import."""
    shared = [f"`{name}`" for name in headrace.__all__ if is_error(getattr(headrace, name))]
    return f"{', '.join(shared)}."


def is_error(thing: object) -> bool:
    """Whether it is one of our errors."""
    return isinstance(thing, type) and issubclass(thing, errors.HeadraceError)


def error_tables() -> str:
    """One table for each heading."""
    parts = []
    for heading, group in error_groups().items():
        rows = [(f"`{error.__name__}`", bases(error), summary(error), str(command_code(error))) for error in group]
        parts.append(f"## {heading.capitalize()}\n\n{table(('error', 'is also', 'when', 'exit code'), rows)}")
    return "\n\n".join(parts)


def bases(error: type) -> str:
    """What else an ``except`` may call it."""
    return ", ".join(f"`{base.__name__}`" for base in error.__bases__ if base not in (errors.HeadraceError, Exception))


def command_code(error: type[errors.HeadraceError]) -> int:
    """The exit code of a command that it ends."""
    return exit_code(error.__new__(error))


def event_fields() -> str:
    """What an event tells."""
    rows = [(f"`{member.name}`", code(member.kind), markdown(member.doc)) for member in members(headrace.Event)]
    return table(("field", "type", "meaning"), rows)


def commands() -> str:
    """Every command, its arguments and options."""
    cli.add_demo()
    group = typer.main.get_command(cli.application)
    return "\n\n".join(command(name, found) for name, found in group.commands.items())  # type: ignore[attr-defined]


def command(name: str, found: object) -> str:
    """One command, as ``--help`` tells of it."""
    arguments, rows = [], []
    for one in found.params:  # type: ignore[attr-defined]
        text = escape_pipes(one.help or "")
        if one.opts[0].startswith("-"):
            default = "" if one.default in (None, False, True) else f" Default: {one.default}."
            rows.append((", ".join(f"`{opt}`" for opt in one.opts), code(value_of(one)), text + default))
        else:
            arguments.append(one.metavar)
            if text:
                rows.append((f"`{one.metavar}`", "", text))
    usage = " ".join(["headrace", name, *arguments, "[OPTIONS]"])
    told = f"## `headrace {name}`\n\n```text\n{usage}\n```\n\n{markdown(found.help)}"  # type: ignore[attr-defined]
    return f"{told}\n\n{table(('option', 'value', 'meaning'), rows)}"


def value_of(option: object) -> str:
    """What an option is given."""
    if option.is_flag:  # type: ignore[attr-defined]
        return ""
    shown = option.metavar or "TEXT"  # type: ignore[attr-defined]
    kinds = {"log_format": "text or json", "files": "N", "processes": "N", "max_attempts": "N", "folder": "PATH"}
    return kinds.get(option.name, shown)  # type: ignore[attr-defined]


# --- writing ---------------------------------------------------------------------------------------------------------


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    head, *lines = [f"| {' | '.join(row)} |".replace("|  |", "| |").replace("|  |", "| |") for row in (titles, *rows)]
    return "\n".join([head, "|" + "---|" * len(titles), *lines])


def code(text: str) -> str:
    """As code inside a table."""
    return f"`{escape_pipes(' '.join(text.split()))}`" if text else ""


def escape_pipes(text: str) -> str:
    """What would end a cell of a table."""
    return text.replace("|", r"\|")


def markdown(text: str) -> str:
    """A docstring as Markdown."""
    return text.replace("``", "`")


def summary(thing: object) -> str:
    """A docstring in one line."""
    return markdown(" ".join((inspect.getdoc(thing) or "").split()))


def decisions() -> str:
    """The pages of decisions, by their titles."""
    lines = []
    for page in sorted((DOCS / "decisions").glob("*.md")):
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}](decisions/{page.name})")
    return "\n".join(lines)


# --- storages --------------------------------------------------------------------------------------------------------


class Choice(NamedTuple):
    """A storage that users may choose, and what its code does not say of it."""

    name: str
    url: str
    waits: str
    """What an enqueue waits for."""
    processes: str
    operated: str
    when: str


CHOICES = (
    Choice(
        "Memory",
        "memory:",
        "nothing",
        "one process",
        "nothing",
        "in tests, and in scripts whose jobs may end with them",
    ),
    Choice(
        "Hybrid",
        "hybrid:///jobs.snap",
        "nothing, unless the file is an interval behind",
        "one process writes; others on its machine read",
        "a file on a local disk",
        "one process makes and runs very many jobs, and the last of them may be lost",
    ),
    Choice(
        "SQLite",
        "sqlite:///jobs.db",
        "a sync of the disk, which all who wait share",
        "any number, on one machine",
        "a file on a local disk",
        "one machine does it all: take this one first",
    ),
    Choice(
        "SQLite, relaxed",
        "sqlite:///jobs.db?durability=normal",
        "a write to the file",
        "any number, on one machine",
        "a file on a local disk",
        "the disk syncs slowly, and a power cut may cost jobs",
    ),
    Choice(
        "Object storage, on a disk",
        "file:///srv/jobs",
        "the writing of a file",
        "one process writes; others on its machine read",
        "a folder",
        "you try out here what will run on a bucket",
    ),
    Choice(
        "Object storage",
        "s3://bucket/jobs",
        "a request to the bucket, which all who wait share",
        "one process writes, on whichever machine; others read",
        "a bucket with conditional writes",
        "nothing lasts but a bucket: containers and machines without a disk",
    ),
    Choice(
        "Postgres",
        "postgresql://user@host/database",
        "a commit of the server",
        "any number, on any number of machines",
        "a Postgres server, 13 or newer",
        "several machines work, or jobs belong into transactions of that database",
    ),
)


def survival_of(url: str) -> Survival:
    """What the storage behind a URL says of itself."""
    return open_url(url, clock=SystemClock()).capabilities.survival


def choosing() -> str:
    """One table to decide by."""
    rungs = ("a handler fails", "the program ends", "`kill -9`", "power cut", "machine and disk lost")
    titles = ("storage", "a job is acknowledged once it is", *rungs)
    others = ("an enqueue waits for", "processes and machines", "what you operate", "take it when")
    return table((*titles, *others), [choosing_row(choice) for choice in CHOICES])


def choosing_row(choice: Choice) -> Sequence[str]:
    """One storage."""
    found = survival_of(choice.url)
    fates = [fate_words(found, getattr(found, event)) for event in EVENTS]
    rest = (choice.waits, choice.processes, choice.operated, choice.when)
    return (f"{choice.name}: `{choice.url}`", found.acknowledged, *fates, *rest)


def fate_words(found: Survival, fate: Fate) -> str:
    """In a cell."""
    last = f"the last {found.window:g} s may be lost" if found.window else "the last ones may be lost"
    return {Fate.KEPT: "kept", Fate.LAST: last, Fate.LOST: "**lost**"}[fate]


def survivals(*urls: str) -> str:
    """The same in short, of these."""
    rows = [survivals_row(choice) for choice in CHOICES if choice.url in urls or not urls]
    return table(("storage", "URL", "an acknowledged job survives all up to", "what may be lost"), rows)


def survivals_row(choice: Choice) -> Sequence[str]:
    """One storage."""
    found = survival_of(choice.url)
    last, lost = found.of(Fate.LAST), found.of(Fate.LOST)
    losses = [f"{found.last_ones}, at {' or '.join(last)}"] if last else []
    losses += [f"all, at {lost[0]}"] if lost else [f"all, unless {found.provided}"]
    told = f"{'; '.join(losses)}. {found.but}" if found.but else "; ".join(losses)
    return (choice.name, f"`{choice.url}`", found.of(Fate.KEPT)[-1], told)


# --- measured --------------------------------------------------------------------------------------------------------


def chaos_reports() -> Sequence[Report]:
    """The committed runs, by the names of their files."""
    paths = sorted((DOCS / "explanation" / "data").glob("chaos-*.json"))
    return [msgspec.json.decode(path.read_bytes(), type=Report) for path in paths]


def chaos_verdicts() -> str:
    """A line for each committed run."""
    return table(
        (
            "storage",
            "kills",
            "stops",
            "SIGTERM storms",
            "server restarts",
            "takeovers",
            "jobs promised",
            "lost",
            "lost in the window",
            "completed twice",
            "duplicate starts",
            "stale writes refused",
            "95 % bound on losses per kill",
        ),
        [chaos_row(report.total) for report in chaos_reports()],
    )


def chaos_row(run: Outcome) -> Sequence[str]:
    """One run."""
    faults, counts = run.faults, run.counts
    refused, accepted = counts["stale_writes_refused"], counts["stale_writes_accepted"]
    numbers = (
        faults.get("kills", 0),
        faults.get("stop", 0),
        faults.get("terms", 0),
        faults.get("restarts", 0),
        faults.get("takeovers", 0),
        counts["acknowledged"],
        counts["lost"],
        counts.get("lost in the window", 0),
        counts["double_completions"],
        counts["duplicate_starts"],
    )
    bound = f"3 / {faults['kills']:,} = {300 / faults['kills']:.2g} %" if not counts["lost"] else "none"
    name = run.request.storage + ("" if run.request.scenario == "storm" else f", {run.request.scenario}")
    return (name, *(f"{number:,}" for number in numbers), f"{refused:,} of {refused + accepted:,}", bound)


def chaos_runs() -> str:
    """How each of these runs was made, and its own last word."""
    parts = []
    for report in chaos_reports():
        run, made = report.total, report.total.hardware
        minutes = sum(run.seconds.values()) / 60
        killed = [
            (name.removeprefix("kills of "), number)
            for name, number in run.faults.items()
            if name.startswith("kills of ")
        ]
        whom = ", ".join(f"{number:,} {role}" for role, number in sorted(killed, key=lambda one: -one[1]))
        versions = [
            f"{name} {made[name]}" for name in ("sqlite", "postgres", "asyncpg", "slatedb", "moto") if name in made
        ]
        where = ", ".join([f"Python {run.python}", *versions, f"Linux {made['kernel']}", made["machine"]])
        parts.append(
            f"`{report.request.command}`, commit `{run.commit}`, {made['cores']} cores, {where}: "
            f"{minutes:.0f} minutes, {run.counts['records']:,} records of {run.counts['jobs']:,} jobs. "
            f"Killed: {whom}.\n\n"
            f"```text\n{report.line}\n```"
        )
    return "\n\n".join(parts)


def requests() -> str:
    """What object storage asks of its bucket."""
    data = json.loads((DOCS / "explanation" / "data" / "bench-objectstore.json").read_text(encoding="utf-8"))
    counted = [one for one in data["figures"] if one["unit"] in ("PUT", "requests")]
    rows = [(one["question"], f"{one['value']:,.0f}") for one in counted]
    where = f"Counted before an S3 of our own, with the defaults, at commit {data['machine']['commit']}; hours are"
    return f"{table(('what', 'number'), rows)}\n\n{where}\nreckoned from a minute."


def powercut_verdicts() -> str:
    """A line for each run, whose last words stand below."""
    path = DOCS / "explanation" / "data" / "powercut-sqlite.json"
    verdicts = msgspec.json.decode(path.read_bytes(), type=list[Verdict])
    titles = (
        "durability",
        "cuts",
        "acknowledgements",
        "lost",
        "ghosts",
        "holes",
        "damaged stores",
        "95 % bound on losses per cut",
    )
    words = "\n".join(verdict.line() for verdict in verdicts)
    return f"{table(titles, [powercut_row(verdict) for verdict in verdicts])}\n\n```text\n{words}\n```"


def powercut_row(verdict: Verdict) -> Sequence[str]:
    """One run."""
    name = {"off": "none: no syncs at all"}.get(verdict.durability, f"`{verdict.durability}`")
    counts = (verdict.cuts, verdict.promised, verdict.lost, verdict.ghosts, verdict.holes, verdict.damaged)
    bound = "none" if verdict.lost or verdict.damaged else f"3 / {verdict.cuts:,} = {300 / verdict.cuts:.2g} %"
    return (f"{name}, syncs failing" if verdict.failed_syncs else name, *(f"{count:,}" for count in counts), bound)


def planted() -> str:
    """What each planted fault was caught by."""
    rows = json.loads((DOCS / "explanation" / "data" / "planted.json").read_text(encoding="utf-8"))["faults"]
    lines = [planted_row(row) for row in rows]
    caught = sum(bool(row["by"]) for row in rows)
    head = ("fault", "what is wrong, and where it was seen", "caught by", "after", "seconds")
    return f"**{len(rows)} planted, {caught} caught.**\n\n{table(head, lines)}"


def planted_row(row: Mapping[str, Any]) -> Sequence[str]:
    """One fault."""
    by = ", ".join(row["by"] if row["proof"] == "simulation" else [f"`{name}`" for name in row["by"]])
    unit = "seed" if row["proof"] == "simulation" else "test"
    after = f"{row['after']} {unit}{'s' * (row['after'] != 1)}{'' if row['drawn'] else ' *'}"
    told = f"{escape_pipes(row['wrong'])} *{escape_pipes(row['disaster'])}*"
    return (f"`{row['name']}`", told, by or "**nothing**", after, f"{row['seconds']:.1f}")


def mutants() -> str:
    """How many mutants were made and killed, and what is thought of each that survived."""
    data = json.loads((DOCS / "explanation" / "data" / "mutants.json").read_text(encoding="utf-8"))
    rows = [(f"`{name}`", number["made"], number["killed"]) for name, number in data["files"].items()]
    counts = table(("file", "mutants", "killed"), [(name, f"{made:,}", f"{killed:,}") for name, made, killed in rows])
    judged = [(f"`{one['where']}`", code(escape_pipes(one["change"])), one["judged"]) for one in data["survivors"]]
    return f"{counts}\n\n{table(('survivor in', 'what was changed', 'why it is none'), judged)}"


def benches(module: str, name: str) -> str:
    """What a bench tells of what it measured."""
    sys.path.append(str(ROOT))
    told: Callable[[], str] = getattr(importlib.import_module(f"bench.{module}"), name)
    return told()


def pictures() -> Mapping[Path, str]:
    """The plots, which are whole files."""
    sys.path.append(str(ROOT))
    found: Mapping[str, str] = importlib.import_module("bench.plots").drawn()
    return {DOCS / "explanation" / "plots" / name: text for name, text in found.items()}


PAGES: Mapping[Path, Mapping[str, Callable[[], str]]] = {
    DOCS / "explanation" / "states.md": {"diagram": diagram, "moves": moves},
    DOCS / "explanation" / "reliability.md": {"chaos verdicts": chaos_verdicts, "chaos runs": chaos_runs},
    DOCS / "explanation" / "power-cut.md": {"powercut verdicts": powercut_verdicts},
    DOCS / "explanation" / "planted-bugs.md": {"planted": planted, "mutants": mutants},
    DOCS / "explanation" / "benchmarks.md": {
        "machines": lambda: benches("peers.report", "machines"),
        "table": lambda: benches("peers.report", "table"),
        "targets": lambda: benches("peers.targets", "table"),
        "settings": lambda: benches("peers.report", "settings"),
        "growth": lambda: benches("plots", "told"),
    },
    DOCS / "README.md": {"decisions": decisions},
    ROOT / "README.md": {"storages": survivals},
    DOCS / "how-to" / "choose-a-storage.md": {"storages": choosing},
    DOCS / "how-to" / "storage-objects.md": {"requests": requests},
    DOCS / "how-to" / "storage-sqlite.md": {
        "durability": lambda: survivals("sqlite:///jobs.db", "sqlite:///jobs.db?durability=normal")
    },
    REFERENCE / "api.md": {
        "names": names,
        **{section: lambda section=section: methods(section) for section in METHODS},
        "telling": telling,
        "wishes": wishes,
        "policies": policies,
        "worker": worker_methods,
        "types": types,
    },
    REFERENCE / "options.md": {"options": options},
    REFERENCE / "errors.md": {"exported": exported, "errors": error_tables},
    REFERENCE / "events.md": {"fields": event_fields},
    REFERENCE / "cli.md": {"commands": commands},
}


def between(page: Path, text: str, name: str, content: str) -> str:
    """``text`` with ``content`` between the markers of ``name``."""
    begin, end = f"<!-- generated: {name} -->", "<!-- end -->"
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{page.relative_to(ROOT)}: the markers {begin} and {end} are missing")
    return f"{head}{begin}\n{content}\n{end}{tail}"


def main(arguments: list[str]) -> int:
    """0 when the committed text is up to date, or was written."""
    check_methods()
    stale = 0
    for page, new in [*pictures().items(), *((page, filled(page, parts)) for page, parts in PAGES.items())]:
        if page.exists() and page.read_text(encoding="utf-8") == new:
            continue
        if "--check" in arguments:
            print(f"{page.relative_to(ROOT)} is out of date; run: python scripts/generate_docs.py", file=sys.stderr)
            stale = 1
        else:
            page.parent.mkdir(exist_ok=True)
            page.write_text(new, encoding="utf-8")
    return stale


def filled(page: Path, parts: Mapping[str, Callable[[], str]]) -> str:
    """A page with what is generated of it."""
    text = page.read_text(encoding="utf-8")
    for name, make in parts.items():
        text = between(page, text, name, make())
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
