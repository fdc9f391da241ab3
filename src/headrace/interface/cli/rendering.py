"""Jobs as JSON and as lines."""

import json
from collections.abc import Sequence

import msgspec

from headrace.interface.cli.output import Json, moment, plural, print_fields, print_json, print_table, say, say_block
from headrace.interface.page import Page
from headrace.model.codec import decode_bytes
from headrace.model.job import AttemptRecord, Encoding, Job, LogLine, Notes
from headrace.model.state import State

HIDDEN = "hidden: the task is sensitive"


def job_json(job: Job) -> Json:
    """What listings tell of a job: all but its payload and history."""
    return {
        "id": job.id,
        "task": job.task,
        "queue": job.queue,
        "state": str(job.state),
        "priority": job.priority,
        "attempt": job.attempt,
        "crashes": job.crashes,
        "generation": job.generation,
        "worker": job.worker,
        "cancel_requested": job.cancel_requested,
        "enqueued_at": moment(job.enqueued_at),
        "due_at": moment(job.due_at),
        "started_at": moment(job.started_at),
        "finished_at": moment(job.finished_at),
        "key": job.key,
        "reason": job.reason,
        "last_error": job.last_error,
    }


def whole_job_json(job: Job, *, sensitive: bool) -> Json:
    """Everything about a job; without what its task calls sensitive."""
    return job_json(job) | {
        "encoding": str(job.encoding),
        "payload": None if sensitive else payload_value(job.payload, job.encoding),
        "sensitive": sensitive,
        "options": msgspec.to_builtins(job.options),
        "result": None if sensitive or job.result is None else payload_value(job.result, Encoding.JSON),
        "result_error": job.result_error,
        "progress": _progress_json(job.notes or Notes()),
        "log": [_line_json(line) for line in (job.notes or Notes()).lines],
        "attempts": [_attempt_json(record) for record in job.attempts],
    }


def _progress_json(notes: Notes) -> Json | None:
    if notes.noted_at is None or (notes.percent is None and notes.message is None):
        return None
    return {"percent": notes.percent, "message": notes.message, "at": moment(notes.noted_at)}


def _line_json(line: LogLine) -> Json:
    return {"at": moment(line.at), "attempt": line.attempt, "level": line.level, "text": line.text}


def _attempt_json(record: AttemptRecord) -> Json:
    failure = record.failure
    return {
        "attempt": record.attempt,
        "worker": record.worker,
        "started_at": moment(record.started_at),
        "finished_at": moment(record.finished_at),
        "outcome": record.outcome,
        "error": None if failure is None else failure.text,
        "traceback": None if failure is None else failure.traceback,
    }


def payload_value(text: str, encoding: Encoding) -> object:
    """Stored JSON as it is; bytes stay base64, and what isn't JSON after all stays text."""
    if encoding is Encoding.BYTES:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def print_page(page: Page[Job], *, as_json: bool) -> None:
    """A page of jobs, and how to get the next."""
    if as_json:
        print_json({"jobs": [job_json(job) for job in page], "next": page.next})
        return
    if not page:
        say("no jobs")
        return
    titles = ("ID", "STATE", "TASK", "QUEUE", "ATTEMPT", "ENQUEUED", "NOTE")
    print_table(titles, [_row(job) for job in page], cut_last=True)
    if page.next is not None:
        say(f"more: --after {page.next}")


def _row(job: Job) -> Sequence[object]:
    note = "" if job.state is State.COMPLETED else job.last_error or job.reason or ""
    if job.cancel_requested:
        note = f"cancel requested {note}".rstrip()
    return job.id, job.state, job.task, job.queue, job.attempt, moment(job.enqueued_at), note


def print_job(job: Job, *, sensitive: bool) -> None:
    """Everything about one job, for people."""
    listed = job_json(job)
    del listed["last_error"]
    print_fields({name: value for name, value in listed.items() if value not in (False, None)})
    options = msgspec.to_builtins(job.options)
    if options:
        print_fields({"options": json.dumps(options, ensure_ascii=False)})
    _print_value("payload", HIDDEN if sensitive else _pretty(job.payload, job.encoding))
    if job.result is not None:
        _print_value("result", HIDDEN if sensitive else _pretty(job.result, Encoding.JSON))
    if job.result_error is not None:
        print_fields({"result_error": job.result_error})
    if job.notes is not None:
        _print_notes(job.notes)
    for record in job.attempts:
        _print_attempt(record)


def _print_notes(notes: Notes) -> None:
    if notes.noted_at is not None and notes.percent is not None:
        said = f" {notes.message}" if notes.message else ""
        say(f"progress: {notes.percent:g} %{said} ({moment(notes.noted_at)})")
    if notes.lines:
        say("log:")
    for line in notes.lines:
        said = line.text.replace("\n", "\n    ")
        say_block(f"  {moment(line.at)} {line.attempt} {line.level:<7} {said}")


def _print_value(name: str, text: str) -> None:
    say(f"{name}:")
    say_block("\n".join(f"  {line}" for line in text.splitlines()))


def _pretty(text: str, encoding: Encoding) -> str:
    if encoding is Encoding.BYTES:
        data = decode_bytes(text)
        return f"{plural(len(data), 'byte')}: {data[:200]!r}{'…' if len(data) > 200 else ''}"
    value = payload_value(text, encoding)
    return text if value == text else json.dumps(value, indent=2, ensure_ascii=False)


def _print_attempt(record: AttemptRecord) -> None:
    times = f"{moment(record.started_at)} to {moment(record.finished_at)}"
    say(f"attempt {record.attempt}: {record.outcome}, {times}, worker {record.worker}")
    if record.failure is None:
        return
    say_block("\n".join(f"  {line}" for line in record.failure.text.splitlines()))
    if record.failure.traceback:
        say_block("\n".join(f"  | {line}" for line in record.failure.traceback.splitlines()))
