"""A server that answers lines, and a client of it."""

import asyncio
from typing import Self


class LineServer:
    """Answers each line with ``got`` and the line, and remembers how connections ended."""

    def __init__(self) -> None:
        self.heard = b""
        self.accepted = 0
        self.ends: asyncio.Queue[str] = asyncio.Queue()
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
            await self.ends.get()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        how, begun = "eof", b""
        try:
            while data := await reader.read(65536):
                self.heard += data
                *lines, begun = (begun + data).split(b"\n")
                writer.write(b"".join(b"got %b\n" % line for line in lines))
                await writer.drain()
        except ConnectionError:
            how = "reset"
        writer.close()
        self._writers.discard(writer)
        self.ends.put_nowait(how)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass

    async def ask(self, line: bytes) -> bytes:
        self.writer.write(line)
        return await self.reader.readuntil(b"\n")

    async def rest(self) -> bytes:
        """All that comes until the connection ends or is reset."""
        came = b""
        try:
            while data := await self.reader.read(65536):
                came += data
        except ConnectionError:
            came += b"<reset>"
        return came

    async def hears_nothing_for(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.reader.read(1), seconds)
        except TimeoutError:
            return True
        return False
