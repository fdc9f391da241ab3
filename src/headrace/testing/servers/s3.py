"""An S3 of one's own: moto's server, which keeps objects in its memory. A kill of the server loses all.

SlateDB's ``ObjectStore.resolve("s3://bucket")`` finds it by the variables of ``environment``. The crate object_store
inside reads AWS_ENDPOINT, AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_S3; AWS_ALLOW_HTTP, without which it refuses http;
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, without which it looks for the metadata server of a cloud; and AWS_REGION
or AWS_DEFAULT_REGION, which may be missing. ``resolve`` refuses a URL with a prefix: that is for ``DbBuilder``.

Moto looks at no signature, but shows nothing to a request without one. It closes a connection after an answer, and
works at one request at a time. With 2 cores, PUTs of 4 KiB take 5 ms for one client, 160 a second, and 32 ms for each
of eight, 230 a second.
"""

import importlib.util
import re
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlencode
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import msgspec

from headrace.testing.servers.daemon import Daemon, ServerFailed
from headrace.testing.servers.owned import OwnedServer

_READY_WITHIN = 60.0
_READY = "ready for requests"
_REGION = "us-east-1"
_KEY, _SECRET = "headrace", "headrace-secret"
_SIGNATURE = (
    f"AWS4-HMAC-SHA256 Credential={_KEY}/20000101/{_REGION}/s3/aws4_request, SignedHeaders=host, Signature={'0' * 64}"
)
_PATIENCE = 60.0
_MOST_AT_ONCE = 1000
"""Keys that a page of a list has, and that one request deletes, at most."""


class Stored(msgspec.Struct, frozen=True):
    """One object of a bucket."""

    key: str
    size: int


class S3Server(OwnedServer):
    """One store on loopback, to which all buckets belong.

    ``with S3Server.start() as server``. It ends when its owner does, even by SIGKILL.
    """

    program = Path(__file__).with_name("s3_program.py")
    """What it runs, with its port."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(Daemon(folder, "s3", signal.SIGKILL, refuses_root=False))

    @staticmethod
    def find() -> Path | None:
        """Where moto is; None where it is not installed."""
        found = importlib.util.find_spec("moto")
        return Path(found.origin) if found is not None and found.origin else None

    @classmethod
    def start(cls, folder: Path | None = None) -> Self:
        """A new server that answers. Its folder, with its log, is removed with it: a new one, or ``folder``, which must
        be empty."""
        if cls.find() is None:
            raise ServerFailed("moto is not installed: pip install 'moto[server]'")
        server = cls(folder)
        try:
            server._find_port()
        except BaseException:
            server.close()
            raise
        return server

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, port: int | None = None) -> Mapping[str, str]:
        """What a client has to find in its environment; with the port of a proxy, to go through that."""
        return {
            "AWS_ENDPOINT": self.endpoint if port is None else f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": _REGION,
        }

    def stop(self) -> None:
        """Kills it, and with it all buckets: there is no other way to stop it."""
        self._daemon.kill()

    def resume(self) -> None:
        """Starts it again where it was stopped: empty, at the same port."""
        command: list[str | Path] = [sys.executable, "-P", self.program, str(self.port)]
        self._daemon.start(command, lambda: _READY in self.log, _READY_WITHIN)

    def create_bucket(self, name: str | None = None) -> str:
        """The name of a new and empty bucket: 3 characters or more; one that nobody else has where none is given."""
        name = name or f"headrace-{uuid.uuid4().hex[:12]}"
        self._ask("PUT", f"/{name}")
        return name

    def drop_bucket(self, name: str) -> None:
        """Removes a bucket with all that is in it."""
        keys = [stored.key for stored in self.objects(name)]
        for first in range(0, len(keys), _MOST_AT_ONCE):
            some = keys[first : first + _MOST_AT_ONCE]
            listed = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in some)
            self._ask("POST", f"/{name}?delete", f"<Delete><Quiet>true</Quiet>{listed}</Delete>".encode())
        self._ask("DELETE", f"/{name}")

    def objects(self, bucket: str, prefix: str = "") -> Sequence[Stored]:
        """What is in a bucket, under names that begin so, in the order of their keys."""
        found: list[Stored] = []
        page = {"list-type": "2", "prefix": prefix}
        while True:
            answer = re.sub(rb' xmlns="[^"]*"', b"", self._ask("GET", f"/{bucket}?{urlencode(page)}"), count=1)
            listed = ElementTree.fromstring(answer)
            found += [
                Stored(entry.findtext("Key", ""), int(entry.findtext("Size", "0")))
                for entry in listed.iterfind("Contents")
            ]
            more = listed.findtext("NextContinuationToken")
            if not more:
                return found
            page["continuation-token"] = more

    def read(self, bucket: str, key: str) -> bytes:
        """All of an object."""
        return self._ask("GET", _path(bucket, key))

    def write(self, bucket: str, key: str, data: bytes) -> None:
        """Puts this there, whatever was there before. Its metadata is lost."""
        self._ask("PUT", _path(bucket, key), data)

    def truncate(self, bucket: str, key: str, length: int) -> None:
        """Keeps the first bytes of an object only. Its metadata is lost."""
        self.write(bucket, key, self.read(bucket, key)[:length])

    def delete(self, bucket: str, key: str) -> None:
        """Removes an object; nothing where there is none."""
        self._ask("DELETE", _path(bucket, key))

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request(method, path, body, {"Authorization": _SIGNATURE})
            answer = connection.getresponse()
            text = answer.read()
        except OSError as error:
            raise ServerFailed(f"the S3 server did not answer {method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise ServerFailed(
                f"the S3 server refused {method} {path}: {answer.status} {text.decode(errors='replace')}"
            )
        return text


def _path(bucket: str, key: str) -> str:
    return f"/{bucket}/{quote(key)}"
