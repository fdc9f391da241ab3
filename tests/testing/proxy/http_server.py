"""Enough of HTTP/1.1 for tests: a store of what is put there, and a client's half of it."""

import asyncio
from typing import Self

from line_server import Client


class HttpServer:
    """Keeps connections, honours ``If-None-Match``, asks for a body that waits, and answers in chunks if asked to."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.applied: list[str] = []
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
            while True:
                method, path, fields = await read_head(reader)
                if fields.get("expect") == "100-continue":
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await read_body(reader, fields)
                writer.write(self._answer(method, path, fields, body))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()
        self._writers.discard(writer)
        self._left.put_nowait(None)

    def _answer(self, method: str, path: str, fields: dict[str, str], body: bytes) -> bytes:
        name = path.partition("?")[0]
        if method == "PUT" and "if-none-match" in fields and name in self.kept:
            return answer("412 Precondition Failed", b"it is there")
        self.applied.append(f"{method} {path}")
        if method == "PUT":
            self.kept[name] = body
            return answer("200 OK")
        if method == "DELETE":
            self.kept.pop(name, None)
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        if name not in self.kept:
            return answer("404 Not Found", b"nothing here")
        whole = answer("200 OK", self.kept[name])
        if method == "HEAD":
            return whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        return in_chunks(self.kept[name]) if path.endswith("?chunked") else whole


def answer(status: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def chunks(body: bytes, size: int = 3) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;note=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nTrailer: x\r\n\r\n"


def in_chunks(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(body)


def put(path: str, body: bytes, fields: str = "") -> bytes:
    return f"PUT {path} HTTP/1.1\r\nHost: here\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode()


async def read_head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    method, path, _ = (first + " ").split(" ", 2)
    return method, path, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


async def read_body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if fields.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(fields.get("content-length", 0)))
    body = b""
    while length := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        body += await reader.readexactly(length)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return body


async def ask(client: Client, request: bytes) -> tuple[int, bytes]:
    """What the server answers: its status and the body."""
    client.writer.write(request)
    return await hear(client, is_head=request.startswith(b"HEAD"))


async def hear(client: Client, is_head: bool = False) -> tuple[int, bytes]:
    _, status, fields = await read_head(client.reader)
    return int(status), b"" if is_head else await read_body(client.reader, fields)
