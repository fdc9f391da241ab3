"""What a worker and a companion say to each other: a JSON object a line."""

from typing import Literal

import msgspec

from headrace.model.duration import seconds
from headrace.model.errors import InvalidDelay
from headrace.model.outline import outline
from headrace.model.refusal import told


class ReplyRefused(ValueError):
    """A line that is no answer to what was asked."""


class Reply(msgspec.Struct, frozen=True):
    """The answer to one job."""

    id: str
    """That of the job."""
    status: Literal["ok", "error", "throttled"]
    result: object = None
    message: str = "it gave no reason"
    """Of an error."""
    retry_after: float | None = None
    """Seconds, where it is throttled."""
    retry_after_secs: float | None = None
    """The same, by the name that forge-jobs gives it."""

    @property
    def delay(self) -> float:
        """How long to wait where it is throttled, in seconds."""
        wait = self.retry_after if self.retry_after is not None else self.retry_after_secs
        if wait is None:
            raise ReplyRefused("it was throttled, and did not say for how long: retry_after is missing")
        return seconds(wait, "retry_after")


def encode_request(job_id: str, payload: object) -> bytes:
    """One line, without its end."""
    return msgspec.json.encode({"id": job_id, "payload": payload})


def read_reply(line: bytes, job_id: str) -> Reply:
    """The answer to this job, or ReplyRefused."""
    try:
        reply = _read(line)
        if reply.status == "throttled":
            _ = reply.delay
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidDelay) as error:
        raise ReplyRefused(f"it sent {outline(line.rstrip())}, which is no answer: {told(error)}") from None
    if reply.id != job_id:
        raise ReplyRefused(f"it answered job {outline(reply.id)}, which it was not asked")
    return reply


_read = msgspec.json.Decoder(Reply).decode
