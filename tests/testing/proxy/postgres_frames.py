"""Enough of Postgres' protocol for tests: frames, and a server that keeps what is committed."""

import asyncio
from typing import Self

SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
CANCEL_REQUEST = (16).to_bytes(4) + (80877102).to_bytes(4) + b"pid-key-"
START_UP = (19).to_bytes(4) + (196608).to_bytes(4) + b"user\0me\0" + b"\0" * 3


def frame(kind: bytes, body: bytes = b"") -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


def query(text: bytes) -> bytes:
    return frame(b"Q", text + b"\0")


def prepare(name: bytes, text: bytes) -> bytes:
    """As asyncpg does: no answer but to a flush, and nothing runs."""
    return frame(b"P", name + b"\0" + text + b"\0\0\0") + frame(b"D", b"S" + name + b"\0") + frame(b"H")


def run(name: bytes) -> bytes:
    return frame(b"B", b"\0" + name + b"\0" + b"\0" * 6) + frame(b"E", b"\0" + b"\0" * 4) + frame(b"S")


def ready(status: bytes) -> bytes:
    return frame(b"Z", status)


def done(tag: bytes, status: bytes = b"I") -> bytes:
    return frame(b"C", tag + b"\0") + ready(status)


FAILED = frame(b"E", b"SERROR\0\0")
OPENED = frame(b"R", (0).to_bytes(4)) + frame(b"S", b"a\0b\0") + ready(b"I")


class PostgresServer:
    """Statements that begin with FAIL do."""

    def __init__(self) -> None:
        self.applied: list[bytes] = []
        self._left: asyncio.Queue[None] = asyncio.Queue()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        while self._writers:
            await self._left.get()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()
        self._writers.discard(writer)
        self._left.put_nowait(None)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == SSL_REQUEST
        writer.write(b"N")
        assert await reader.readexactly(len(START_UP)) == START_UP
        writer.write(OPENED)
        session = _Session(self.applied)
        while True:
            kind = await reader.readexactly(1)
            body = await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
            writer.write(session.answer(kind, body))


class _Session:
    def __init__(self, applied: list[bytes]) -> None:
        self._applied = applied
        self._prepared: dict[bytes, bytes] = {}
        self._bound = b""
        self._status, self._written = b"I", list[bytes]()

    def answer(self, kind: bytes, body: bytes) -> bytes:
        match kind:
            case b"Q":
                return self._run(body[:-1]) + ready(self._status)
            case b"P":
                name, text, _ = body.split(b"\0", 2)
                self._prepared[name] = text
                return frame(b"1")
            case b"D":
                return frame(b"n")
            case b"B":
                self._bound = self._prepared[body.split(b"\0")[1]]
                return frame(b"2")
            case b"E":
                return self._run(self._bound)
            case b"S":
                return ready(self._status)
        return b""

    def _run(self, text: bytes) -> bytes:
        if text.startswith(b"FAIL"):
            self._status = b"I" if self._status == b"I" else b"E"
            return FAILED
        match text:
            case b"BEGIN":
                self._status = b"T"
            case b"COMMIT" | b"ROLLBACK":
                if self._status == b"E":
                    text = b"ROLLBACK"
                if text == b"COMMIT":
                    self._applied += self._written
                self._status, self._written = b"I", []
            case _ if self._status == b"I":
                self._applied.append(text)
            case _:
                self._written.append(text)
        return frame(b"C", text.split()[0] + b"\0")
