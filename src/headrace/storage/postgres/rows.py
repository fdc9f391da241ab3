"""Rows and jobs, there and back."""

from collections.abc import Sequence

import msgspec

from headrace.model.job import DEFAULT_OPTIONS, AttemptRecord, Encoding, Job, Notes, Options, Until
from headrace.model.state import State
from headrace.storage.postgres.statement import Row

_STATES = {str(state): state for state in State}
_ENCODINGS: dict[str | None, Encoding] = {None: Encoding.JSON} | {str(encoding): encoding for encoding in Encoding}
_UNTIL: dict[str | None, Until] = {None: Until.FINISHED} | {str(until): until for until in Until}
_options = msgspec.json.Decoder(Options)
_history = msgspec.json.Decoder(tuple[AttemptRecord, ...])
_notes = msgspec.json.Decoder(Notes)
_json = msgspec.json.Encoder()


def job_of(row: Row) -> Job:
    """From the columns of ``{job}``, in which defaults are None."""
    values = list(row)
    values[4] = _ENCODINGS[values[4]]
    values[5] = _STATES[values[5]]
    values[20] = _UNTIL[values[20]]
    options, history, notes = values[21], values[25], values[26]
    values[21] = DEFAULT_OPTIONS if options is None else _options.decode(options)
    values[25] = () if history is None else _history.decode(history)
    values[26] = None if notes is None else _notes.decode(notes)
    return Job(*values)


def options_text(options: Options) -> str | None:
    """None for those that ask for nothing."""
    return None if options is DEFAULT_OPTIONS or options == DEFAULT_OPTIONS else json_text(options)


def until_text(until: Until) -> str | None:
    """None for the usual."""
    return None if until is Until.FINISHED else until.value


def encoding_text(encoding: Encoding) -> str | None:
    """None for the usual."""
    return None if encoding is Encoding.JSON else encoding.value


def history_text(history: Sequence[AttemptRecord]) -> str | None:
    """None where there is none."""
    return json_text(history) if history else None


def notes_text(notes: Notes | None) -> str | None:
    """None where there are none."""
    return None if notes is None else json_text(notes)


def json_text(value: object) -> str:
    """As it is stored."""
    return _json.encode(value).decode()


def is_id(text: str) -> bool:
    """Whether it can be the id of a job: the server refuses others, and with them all that is asked in one call."""
    return len(text) == 36 and text.count("-") == 4 and text.replace("-", "").isalnum() and _is_hex(text)


def _is_hex(text: str) -> bool:
    try:
        return f"{int(text.replace('-', ''), 16):032x}" == text.replace("-", "") and text[8] == text[13] == "-"
    except ValueError:
        return False
