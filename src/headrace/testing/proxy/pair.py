"""One connection through the proxy: a client's to us, ours to the server, and a pipe each way between them."""

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import cast

from headrace.system.ids import Entropy
from headrace.testing.proxy.answers import Dialogue, Meddled, Meddling, Order, Withholder
from headrace.testing.proxy.counts import Counts
from headrace.testing.proxy.faults import Conditions, Direction
from headrace.testing.proxy.pipe import End, Pipe

_NO_LINGER = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Close it as a broken connection is closed: the other side gets RST."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


class Pair:
    """Lives until both sides are gone."""

    def __init__(
        self,
        conditions: Mapping[Direction, Conditions],
        entropy: Callable[[Direction], Entropy],
        dialogue: Dialogue,
        counts: Counts,
        tell: "Callable[[Pair], None]",
    ) -> None:
        """``entropy`` is for the jitter of each direction; ``tell`` hears of all that happens."""
        self.order: Order | None = None
        """The answers to drop or to hold up."""
        self.connecting: asyncio.Task[None] | None = None
        self.is_cut = False
        self._ended: set[Pipe] = set()
        self._dialogue, self._counts = dialogue, counts
        self._tell = tell
        self.pipes = {way: Pipe(conditions[way], entropy(way), self._end, self._counter(way)) for way in Direction}
        to_client, to_server = self.pipes[Direction.TO_CLIENT], self.pipes[Direction.TO_SERVER]
        self._withholder = Withholder(dialogue, to_client.feed, self._drop, to_client.hold_up)
        self.client = Side(self, to_server, to_client, self._from_client)
        self.server = Side(self, to_client, to_server, self._from_server)

    @property
    def is_gone(self) -> bool:
        """Neither side is left."""
        return self.client.is_lost and self.server.transport is None

    @property
    def is_swallowed(self) -> bool:
        """Some of what was said on it is lost for good."""
        return any(pipe.conditions.swallows for pipe in self.pipes.values())

    def cut(self) -> None:
        """Reset both sides now."""
        for transport in self._close():
            reset(transport)

    def release(self) -> None:
        """Drop no answer any more."""
        self._withholder.release()

    def lost(self, side: "Side") -> None:
        """It is gone, for whatever reason."""
        if side is self.server:
            self._withholder.ended()
        side.says.feed(End.CUT)
        if self.is_gone:
            self._close()
        self._tell(self)

    def said_all(self, side: "Side") -> None:
        """It has no more to say, but may listen."""
        if side is self.server:
            self._withholder.ended()
        side.says.feed(End.EOF)

    def _from_client(self, data: bytes) -> None:
        if not self.client.says.conditions.swallows:  # else it is never asked
            data = self._ask(data)
        if data:
            self.client.says.feed(data)

    def _ask(self, data: bytes) -> bytes:
        """What of it is for the server."""
        said = Meddled(data)

        def hear() -> None:
            nonlocal said
            if isinstance(self._dialogue, Meddling):
                said = self._dialogue.meddle(data)
            self._withholder.asked(said.to_server, self.order)

        self._look(hear)
        if said.to_client:
            self.server.says.feed(said.to_client)
        return said.to_server

    def _from_server(self, data: bytes) -> None:
        self._look(lambda: self._withholder.answered(data))

    def _look(self, hear: Callable[[], None]) -> None:
        was_readable = self._dialogue.is_readable
        hear()
        if was_readable and not self._dialogue.is_readable:
            self._counts.unreadable += 1
            self._withholder.release()

    def _drop(self) -> None:
        self._counts.answers_dropped += 1
        self.server.says.feed(End.CUT)
        self._tell(self)

    def _end(self, pipe: Pipe, end: End) -> None:
        if end is End.CUT:
            for transport in self._close():
                if not transport.is_closing():
                    reset(transport)
            return
        if pipe.sink is not None:
            with suppress(OSError):  # it has been reset meanwhile
                pipe.sink.write_eof()
        self._ended.add(pipe)
        if len(self._ended) == len(self.pipes):
            for transport in self._close():
                transport.close()

    def _close(self) -> list[asyncio.Transport]:
        """Nothing passes any more; what is left to be closed."""
        self.is_cut = True
        if self.connecting is not None:
            self.connecting.cancel()
        for pipe in self.pipes.values():
            pipe.close()
        self._withholder.release()
        return [side.transport for side in (self.client, self.server) if side.transport is not None]

    def _counter(self, way: Direction) -> Callable[[int, bool], None]:
        def count(length: int, arrived: bool) -> None:
            self._counts.add(way, length, arrived)
            self._tell(self)

        return count


class Side(asyncio.Protocol):
    """Our end of the connection with one side."""

    def __init__(self, pair: Pair, says: Pipe, hears: Pipe, take: Callable[[bytes], None]) -> None:
        """``take`` gets what it says."""
        self._pair, self.says, self._hears, self._take = pair, says, hears, take
        self.transport: asyncio.Transport | None = None
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self._pair.is_cut:
            self.transport.abort()
            return
        self.says.source = self.transport
        self._hears.connect(self.transport)

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def eof_received(self) -> bool:
        """Stay: it may still listen."""
        self._pair.said_all(self)
        return True

    def connection_lost(self, _: Exception | None) -> None:
        self.transport, self.is_lost = None, True
        self.says.source = self._hears.sink = None
        self._pair.lost(self)

    def pause_writing(self) -> None:
        self._hears.stall()

    def resume_writing(self) -> None:
        self._hears.go_on()
