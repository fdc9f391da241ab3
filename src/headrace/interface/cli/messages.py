"""What a supervisor and its children tell each other: one JSON line each."""

from collections.abc import Mapping, Sequence

import msgspec


class Order(msgspec.Struct, frozen=True):
    """What a child is to be, as its only argument. No URL in it: other users read arguments."""

    app: str
    worker_id: str
    channel: int
    queues: Mapping[str, int] | None = None
    """None: all that its tasks name."""
    imports: Sequence[str] = ()
    log_format: str = "text"
    processes: int = 1
    """How many there are to be of it."""

    def encode(self) -> str:
        """As an argument."""
        return msgspec.json.encode(self).decode()


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """The child has its app and its store. From now on it may hold jobs, which its supervisor can free."""

    url: str
    processes: str
    """``one`` where only one process may write to the store."""
    grace: float
    kill_after: float
    patience: float
    lease: float


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The child claims jobs."""

    queues: Mapping[str, int]


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The child holds nothing any more. However its process ends now, nothing is lost."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The store takes nothing from a worker any more: it was moved, or another process owns it. Nothing in it is to be
    freed, and what this child held runs where the store is now, or in that process."""


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """To a child: claim no more, finish, and end. The only thing that it is told."""


Message = Opened | Ready | Done | Refused

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode(message: Message | Stop) -> bytes:
    """As one line, without its end."""
    return msgspec.json.encode(message)


def decode(line: bytes) -> Message | None:
    """The message; None where the line is none of ours."""
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError:
        return None
